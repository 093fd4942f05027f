"""The key table: the one place that says which key does what; bindings, hints and help are made from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from textual.binding import Binding

SHOWN = {
    "right": "→", "left": "←", "up": "↑", "down": "↓", "question_mark": "?", "equals_sign": "=", "plus": "+",
    "minus": "-", "slash": "/", "full_stop": ".", "comma": ",", "colon": ":", "apostrophe": "'", "backspace": "⌫",
    "left_square_bracket": "[", "right_square_bracket": "]", "less_than_sign": "<", "greater_than_sign": ">",
    "enter": "Enter", "escape": "Esc", "tab": "Tab", "shift+tab": "Shift+Tab", "home": "Home", "end": "End",
    "pageup": "PgUp", "pagedown": "PgDn", "space": "space",
}  # fmt: skip
"""Textual's names of keys, and what people call them."""
SEVERAL = 3
"""Of more keys than that a hint names the first and the last."""


@dataclass(frozen=True, slots=True)
class Key:
    """A motion or a command: `keys` as Textual names them, the usual one first."""

    id: str
    keys: str
    action: str

    @property
    def shown(self) -> str:
        """The usual key, as people call it."""
        first = self.keys.split(",")[0]
        return SHOWN.get(first, first)


@dataclass(frozen=True, slots=True)
class Group:
    """Keys that belong together: a line of the help page and, where there is a `word`, a hint."""

    help: str
    keys: tuple[Key, ...]
    word: str = ""

    @property
    def hint(self) -> str:
        shown = [key.shown for key in self.keys]
        return f"{shown[0]}-{shown[-1]}" if len(shown) > SEVERAL else "/".join(shown[:2])

    @property
    def texts(self) -> tuple[str, ...]:
        """What each of the keys does: of `next / previous phase` and `copy; write` the parts."""
        parts = self.help.split("; ")
        if len(parts) == len(self.keys):
            return tuple(parts)
        first, slash, second = self.help.partition(" / ")
        if slash and len(self.keys) == 2:
            return f"{first} {second.partition(' ')[2]}".strip(), second
        return (self.help,) * len(self.keys)


@dataclass(frozen=True, slots=True)
class Section:
    """Groups under a heading."""

    name: str
    groups: tuple[Group, ...]


def _pair(name: str, keys: str, action: str) -> tuple[Key, Key]:
    """A small letter that goes forward, and its capital that goes back."""
    return Key(f"{name}.fwd", keys, f"{action}(1)"), Key(f"{name}.back", keys.upper(), f"{action}(-1)")


def _both(name: str, forward: str, back: str, action: str) -> tuple[tuple[str, str, str], tuple[str, str, str]]:
    """The same for keys that are not one letter."""
    return (f"{name}.fwd", forward, f"{action}(1)"), (f"{name}.back", back, f"{action}(-1)")


def _group(help_: str, *keys: tuple[str, str, str], word: str = "") -> Group:
    return Group(help_, tuple(Key(*key) for key in keys), word)


SECTIONS = (
    Section(
        "Move in time",
        (
            _group(
                "one event (also l h)",
                ("step.fwd", "right,l", "step(1)"),
                ("step.back", "left,h", "step(-1)"),
                word="step",
            ),
            _group("node beside this one", *_both("over", "n,f10", "N", "over"), word="over"),
            _group("into a module; from its end", *_both("into", "s,f11", "S", "into")),
            _group("end / start of the scope", *_both("out", "o,shift+f11", "O", "out")),
            Group("next / previous phase", _pair("phase", "p", "phase"), "phase"),
            Group("next / previous iteration", _pair("iter", "i", "iteration"), "iter"),
            Group("next / previous epoch", _pair("epoch", "e", "epoch"), "epoch"),
            _group("first; last (live: follow)", ("run.first", "home", "first"), ("run.last", "end", "last")),
            _group("row in a list (also j k)", ("pane.down", "down,j", "rows(1)"), ("pane.up", "up,k", "rows(-1)")),
            _group("next / previous stop hit", *_both("cont", "c,f5", "C", "run_to_stop"), word="stop"),
            Group("next / previous anomaly", _pair("anomaly", "a", "anomaly")),
            _group("go to: place, condition", ("goto", "g", "goto"), word="go to"),
            _group("search; next, previous", ("find", "slash", "find"), *_both("find", "full_stop", "comma", "found")),
            _group(
                "back where I was; again",
                ("hist.back", "backspace,left_square_bracket", "jump_back"),
                ("hist.fwd", "right_square_bracket", "jump_again"),
            ),
            _group("set a mark; go to one", ("mark.set", "m", "mark"), ("mark.go", "apostrophe", "to_mark")),
            _group(
                "play, pause; play back",
                ("play", "space", "play(1)"),
                ("play.back", "r", "play(-1)"),
            ),
            _group("faster; slower", *_both("speed", "greater_than_sign", "less_than_sign", "speed")),
            _group("ten rows", ("pane.pagedown", "pagedown", "rows(10)"), ("pane.pageup", "pageup", "rows(-10)")),
        ),
    ),
    Section(
        "Follow the value",
        (
            _group("forward op ↔ backward node", ("twin", "t", "twin"), word="twin"),
            Group("next / last write of it", _pair("write", "w", "write"), "write"),
            Group("next / last use of it", _pair("use", "u", "use")),
            _group("next input in Chain rule", ("term.next", "x", "input")),
        ),
    ),
    Section(
        "Ask",
        (
            _group("one number's terms: probe", ("probe", "enter", "probe"), word="probe"),
            _group("check a derivative; .grads", ("check", "equals_sign", "check"), ("grads", "K", "grads")),
            _group("tensor as picture; a part", ("tensor", "T", "tensor")),
            _group("what is wrong: findings", ("findings", "F", "findings")),
            _group("pin this moment; swap", ("diff.pin", "d", "pin"), ("diff.swap", "D", "swap")),
            _group("stop here; all stops", ("stop.set", "b", "stop"), ("stop.list", "B", "stops")),
            _group("what was printed by now", ("view.output", "7", "output"), word="output"),
        ),
    ),
    Section(
        "Look",
        (
            _group(
                "pane: Source to Loss",
                ("focus.1", "1", "focus_pane('source')"),
                ("focus.2", "2", "focus_pane('graph')"),
                ("focus.3", "3", "focus_pane('chain')"),
                ("focus.4", "4", "focus_pane('tensors')"),
                ("focus.5", "5", "focus_pane('events')"),
                ("focus.6", "6", "focus_pane('loss')"),
                word="pane",
            ),
            _group(
                "next / previous pane",
                ("focus.next", "tab", "focus_next_pane(1)"),
                ("focus.previous", "shift+tab", "focus_next_pane(-1)"),
            ),
            _group("pane alone; next view", ("view.zoom", "z", "zoom"), ("view.next", "v", "view"), word="zoom, view"),
            _group(
                "graph: boxes; unfold; fold",
                ("view.graph", "G", "graph"),
                ("fold.open", "plus", "fold(1)"),
                ("fold.close", "minus", "fold(-1)"),
            ),
            _group("filter events; their future", ("filter", "f", "filter"), ("view.future", "H", "future")),
        ),
    ),
    Section(
        "Take along, leave",
        (
            _group("copy; write to a file", ("copy", "y", "copy"), ("export", "Y", "export")),
            _group("all ranks; there the next", ("ranks", "R", "next_rank")),
            _group("all commands", ("commands", "colon,ctrl+p", "commands")),
            _group("this page", ("help", "question_mark,f1", "help"), word="help"),
            _group("quit; close a page", ("quit", "q,ctrl+q", "leave"), ("close", "escape", "close"), word="quit"),
        ),
    ),
)

GROUPS = tuple(group for section in SECTIONS for group in section.groups)
KEYS = tuple(key for group in GROUPS for key in group.keys)
LASTING = ("help", "quit")
"""The words of the hints that stay whatever the width."""

ANSWERS = (
    (Key("leave.run", "r", "answer('run')"), "let it run on without the screen"),
    (Key("leave.stop", "s", "answer('stop')"), "stop it, as Ctrl+C does"),
    (Key("leave.cancel", "c", "answer('')"), "cancel: stay here"),
)
"""What can be said when one leaves a script that runs."""

LISTED = (
    Key("stops.switch", "space", "stop_switch"), Key("stops.edit", "e", "stop_edit"),
    Key("stops.delete", "d,delete", "stop_delete"),
)  # fmt: skip
"""What can be done with the stop that is chosen in their list, and only there."""


def remapped(sections: Sequence[Section], keymap: Mapping[str, str]) -> tuple[Section, ...]:
    """The table with a user's own keys, by the ids of what they do."""

    def own(key: Key) -> Key:
        return replace(key, keys=keymap.get(key.id, key.keys))

    return tuple(
        replace(section, groups=tuple(replace(g, keys=tuple(map(own, g.keys))) for g in section.groups))
        for section in sections
    )


def hints(sections: Sequence[Section]) -> tuple[tuple[str, str], ...]:
    """The keys of the last row with a word each."""
    groups = [group for section in sections for group in section.groups if group.word]
    return tuple((g.keys[0].shown if g.word in LASTING else g.hint, g.word) for g in groups)


def bindings() -> list[Binding]:
    """The tables as Textual takes them; the ids are what a user's keymap names.

    All have priority: keys that a widget sees first would be overtaken by those that it does not.
    """
    return [
        Binding(key.keys, key.action, key.id, id=key.id, priority=True, show=False, system=key.id == "quit")
        for key in (*LISTED, *KEYS, *(key for key, _ in ANSWERS))
    ]
