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
    help: str
    priority: bool = False


KEYS = (
    Key("step.fwd", "right,l", "step(1)", "→ l", "next event", True),
    Key("step.back", "left,h", "step(-1)", "← h", "previous event", True),
    Key("phase.fwd", "p", "phase(1)", "p", "next phase"),
    Key("phase.back", "P", "phase(-1)", "P", "start of this phase, then the previous"),
    Key("iter.fwd", "i", "iteration(1)", "i", "next iteration"),
    Key("iter.back", "I", "iteration(-1)", "I", "start of this iteration, then the previous"),
    Key("epoch.fwd", "e", "epoch(1)", "e", "next epoch"),
    Key("epoch.back", "E", "epoch(-1)", "E", "start of this epoch, then the previous"),
    Key("twin", "t", "twin", "t", "forward op and its backward node, there and back"),
    Key("run.first", "home", "first", "Home", "first event", True),
    Key("run.last", "end", "last", "End", "last event; while the script runs: follow it", True),
    Key("focus.1", "1", "focus_pane('source')", "1", "Source"),
    Key("focus.2", "2", "focus_pane('graph')", "2", "Graph"),
    Key("focus.3", "3", "focus_pane('chain')", "3", "Chain rule"),
    Key("focus.4", "4", "focus_pane('tensors')", "4", "Tensors"),
    Key("focus.5", "5", "focus_pane('events')", "5", "Events (on a small screen in the place of Graph)"),
    Key("focus.next", "tab", "focus_next_pane(1)", "Tab", "next pane", True),
    Key("focus.previous", "shift+tab", "focus_next_pane(-1)", "Shift+Tab", "previous pane", True),
    Key("pane.down", "down,j", "rows(1)", "↓ j", "in Events: the next row"),
    Key("pane.up", "up,k", "rows(-1)", "↑ k", "in Events: the row before"),
    Key("pane.pagedown", "pagedown", "rows(10)", "PgDn", "in Events: ten rows on"),
    Key("pane.pageup", "pageup", "rows(-10)", "PgUp", "in Events: ten rows back"),
    Key("view.zoom", "z", "zoom", "z", "the focused pane alone, and back"),
    Key("view.output", "o", "output", "o", "what the script has printed by now"),
    Key("help", "question_mark,f1", "help", "?", "this page"),
    Key("close", "escape", "close", "Esc", "close what is open; never quits"),
    Key("quit", "q,ctrl+q", "leave", "q", "close what is open, then quit", True),
)

HINTS = (
    ("←/→", "step"),
    ("p/P", "phase"),
    ("i/I", "iter"),
    ("e/E", "epoch"),
    ("t", "twin"),
    ("1-5", "pane"),
    ("z", "zoom"),
    ("o", "output"),
    ("Home/End", "ends"),
    ("?", "help"),
    ("q", "quit"),
)


def bindings() -> list[Binding]:
    """The table as Textual takes it; the ids are what a user's keymap names."""
    return [
        Binding(key.keys, key.action, key.help, id=key.id, priority=key.priority, show=False, system=key.id == "quit")
        for key in KEYS
    ]
