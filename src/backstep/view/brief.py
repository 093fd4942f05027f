"""A value in a few cells: its numbers if they are few, else its norm, its shape and how its numbers are spread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rich.style import Style

from backstep.trace.event import Array, Summary, Value
from backstep.trace.memo import per_trace
from backstep.trace.trace import Trace
from backstep.view.numbers import bad_text, bars, histogram, number, scalar_text, shape_text
from backstep.view.theme import Theme

__all__ = ["BINS", "Figures", "figures", "number", "shape", "spread"]

BINS = 8
FEW, LISTED = 3, 18
"""So many numbers are told one by one, in so many cells."""


@dataclass(frozen=True, slots=True)
class Figures:
    """`text`: the number, a few numbers in brackets, or the norm between bars; `told` when that is all there is to
    the value. `spread`: else a histogram in `BINS` cells. `bad`: not all numbers are finite."""

    text: str
    told: bool = False
    spread: str = ""
    bad: bool = False

    def style(self, usual: Style, theme: Theme) -> Style:
        """NaN and Inf must be seen at once."""
        return theme.error if self.bad else usual


@per_trace(8192)
def figures(trace: Trace, value: Value) -> Figures:
    """Worked out once for each value, since a histogram costs more than everything else in a row."""
    summary, array = value.summary, value.array
    if summary is None:
        return Figures(shape(value))
    bad = bad_text(summary.nan, summary.inf)
    few = None if array is None else _few(value, array)
    if few is not None:
        return Figures(few, True, bad=bool(bad))
    if bad:
        return Figures(bad, bad=True)
    return Figures(_norm(summary), spread=spread(value, array))


def shape(value: Value) -> str:
    """`[64,32]`; nothing for a scalar."""
    return shape_text(value.shape)


def _norm(summary: Summary) -> str:
    return "" if summary.norm is None else f"‖{number(summary.norm)}‖"


def _few(value: Value, array: Array) -> str | None:
    """Up to `FEW` real numbers one by one, if that is short."""
    if value.shape == ():
        return scalar_text(value)
    if not 0 < array.size <= FEW or np.iscomplexobj(array):
        return None
    text = ", ".join(number(one) for one in array.ravel().tolist())
    text = text if array.size == 1 else f"[{text}]"
    return text if len(text) <= LISTED else None


def spread(value: Value, array: Array | None) -> str:
    """A histogram that never fills a whole cell: bars of neighbouring rows must not run into one."""
    sketch = value.sketch if array is None else None
    drawn = bars(sketch.histogram, BINS) if sketch is not None else "" if array is None else histogram(array, BINS)
    return drawn.replace("█", "▇")
