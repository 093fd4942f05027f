"""The one glyph and the words of each kind of event and phase, so that no pane tells a state by colour alone."""

from __future__ import annotations

import re

from rich.style import Style

from backstep.trace.event import Event
from backstep.view.rows import safe
from backstep.view.theme import Theme

GLYPHS = {
    "forward": "▶",
    "backward_start": "▷",
    "backward": "◀",
    "backward_end": "▷",
    "accumulate": "⊕",
    "grad_write": "⊗",
    "zero_grad": "∅",
    "update": "Δ",
    "output": "›",
    "exception": "✗",
    "note": "!",
}
BORN = "◁"
"""Marks the line that made the node which runs backward now."""

PHASE_WORDS = {
    "forward": "forward",
    "backward": "backward",
    "update": "update",
    "zero_grad": "zero grad",
    "other": "other",
}


def glyph(kind: str) -> str:
    return GLYPHS[kind]


def ink(kind: str, phase: str, theme: Theme) -> Style:
    """The colour of an event: its phase's, but for what stands out in any phase."""
    return {"exception": theme.error, "note": theme.warning}.get(kind, theme.phase(phase))


def short_node(name: str) -> str:
    """`MulBackward0` as `Mul`: the glyph says that it runs backward."""
    return re.sub(r"Backward\d*$", "", name) or name


def op_name(event: Event) -> str:
    """What an event did, in one word or two, as the trace has it."""
    match event.kind:
        case "forward" | "backward":
            return safe(str(event["op"]))
        case "backward_start":
            return safe(f"{event['api']}()")
        case "update" | "grad_write":
            return safe(str(event["by"]))
        case "zero_grad":
            return safe(str(event["how"]))
        case "exception":
            return safe(str(event["type"]))
        case other:
            return other.replace("_", " ")
