"""Where an event is, in a few words."""

from __future__ import annotations

from backstep.trace.trace import Trace
from backstep.view.glyphs import op_name
from backstep.view.rows import safe


def place_text(trace: Trace, position: int) -> str:
    """`epoch 4 · iteration 3 · #781 mul`."""
    event = trace.event(position)
    loops = [f"{safe(name) or 'pass'} {value}" for name, value in event.loops.items()]
    return " · ".join([*loops, event.phase.replace("_", " "), f"#{position:,} {op_name(event)}"])
