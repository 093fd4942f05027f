"""What is marked on the timeline: signs under the curve, at positions that somebody found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backstep.trace.memo import per_trace
from backstep.trace.trace import Trace


@dataclass(frozen=True, eq=False, slots=True)
class Marks:
    """A sign in the colour `style` of the theme, at each of these positions. Compared by identity."""

    sign: str
    style: str
    positions: Sequence[int]
    what: str = ""
    """What they are, for who wants to change them."""


@per_trace(64)
def columns_of(trace: Trace, marks: Marks, extent: int, room: int) -> frozenset[int]:
    """The cells, of `room` for `extent` events, that have a mark."""
    return frozenset(min(room - 1, position * room // max(1, extent)) for position in marks.positions)
