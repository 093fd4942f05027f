"""The key table: the one place that says which key does what; bindings, hints and help are made from it."""

from __future__ import annotations

from dataclasses import dataclass

from textual.binding import Binding


@dataclass(frozen=True, slots=True)
class Key:
    """A motion or a command: `keys` as Textual names them, `shown` as people do."""

    id: str
    keys: str
    action: str
    shown: str


@dataclass(frozen=True, slots=True)
class Group:
    """Keys that belong together: a line of the help page and, where there is a word, a hint."""

    help: str
    keys: tuple[Key, ...]
    hint: str = ""
    word: str = ""


def _pair(name: str, keys: str, action: str) -> tuple[Key, Key]:
    """A small letter that goes forward, and its capital that goes back."""
    forward = Key(f"{name}.fwd", keys, f"{action}(1)", keys)
    return forward, Key(f"{name}.back", keys.upper(), f"{action}(-1)", keys.upper())


GROUPS = (
    Group(
        "next event, previous event",
        (
            Key("step.fwd", "right,l", "step(1)", "→ l"),
            Key("step.back", "left,h", "step(-1)", "← h"),
        ),
        "←/→",
        "step",
    ),
    Group("next phase; start of this, then previous", _pair("phase", "p", "phase"), "p/P", "phase"),
    Group("the same for iterations", _pair("iter", "i", "iteration"), "i/I", "iter"),
    Group("the same for epochs", _pair("epoch", "e", "epoch"), "e/E", "epoch"),
    Group("forward op ↔ its backward node", (Key("twin", "t", "twin", "t"),), "t", "twin"),
    Group(
        "Source, Graph, Chain, Tensors, Events",
        (
            Key("focus.1", "1", "focus_pane('source')", "1"),
            Key("focus.2", "2", "focus_pane('graph')", "2"),
            Key("focus.3", "3", "focus_pane('chain')", "3"),
            Key("focus.4", "4", "focus_pane('tensors')", "4"),
            Key("focus.5", "5", "focus_pane('events')", "5"),
        ),
        "1-5",
        "pane",
    ),
    Group(
        "pane alone; Lecture view; boxes or spine",
        (Key("view.zoom", "z", "zoom", "z"), Key("view.next", "v", "view", "v"), Key("view.graph", "G", "graph", "G")),
        "z/v",
        "zoom, view",
    ),
    Group(
        "one number's terms; check it; each .grad",
        (
            Key("probe", "enter", "probe", "Enter"),
            Key("check", "equals_sign", "check", "="),
            Key("grads", "K", "grads", "K"),
        ),
        "Enter/=",
        "probe",
    ),
    Group("what the script has printed by now", (Key("view.output", "o,6", "output", "o 6"),), "o", "output"),
    Group(
        "all ranks side by side; the next rank",
        (Key("ranks", "r", "ranks", "r"), Key("ranks.next", "R", "next_rank", "R")),
    ),
    Group(
        "first event; last (live: follow the run)",
        (Key("run.first", "home", "first", "Home"), Key("run.last", "end", "last", "End")),
        "Home/End",
        "ends",
    ),
    Group(
        "next pane, previous pane",
        (
            Key("focus.next", "tab", "focus_next_pane(1)", "Tab"),
            Key("focus.previous", "shift+tab", "focus_next_pane(-1)", "Shift+Tab"),
        ),
    ),
    Group(
        "in Events: one row on, back",
        (Key("pane.down", "down,j", "rows(1)", "↓ j"), Key("pane.up", "up,k", "rows(-1)", "↑ k")),
    ),
    Group(
        "in Events: ten rows on, back",
        (
            Key("pane.pagedown", "pagedown", "rows(10)", "PgDn"),
            Key("pane.pageup", "pageup", "rows(-10)", "PgUp"),
        ),
    ),
    Group("this page", (Key("help", "question_mark,f1", "help", "? F1"),), "?", "help"),
    Group(
        "close what is open; q then quits",
        (Key("close", "escape", "close", "Esc"), Key("quit", "q,ctrl+q", "leave", "q")),
        "q",
        "quit",
    ),
)

KEYS = tuple(key for group in GROUPS for key in group.keys)
HINTS = tuple((group.hint, group.word) for group in GROUPS if group.hint)


ANSWERS = (
    (Key("leave.run", "r", "answer('run')", "r"), "let it run on without the screen"),
    (Key("leave.stop", "s", "answer('stop')", "s"), "stop it, as Ctrl+C does"),
    (Key("leave.cancel", "c", "answer('')", "c"), "cancel: stay here"),
)
"""What can be said when one leaves a script that runs."""


def bindings() -> list[Binding]:
    """The tables as Textual takes them; the ids are what a user's keymap names.

    All have priority: keys that a widget sees first would be overtaken by those that it does not.
    """
    return [
        Binding(key.keys, key.action, key.id, id=key.id, priority=True, show=False, system=key.id == "quit")
        for key in (*KEYS, *(key for key, _ in ANSWERS))
    ]
