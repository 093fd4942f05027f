"""A value in a few cells: its number if it is one, else its norm, its shape and how its numbers are spread."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from backstep.trace.event import Array, Value
from backstep.trace.trace import Trace
from backstep.view.memo import per_trace

BINS = 8
FEW, LISTED = 3, 18
"""So many numbers are told one by one, in so many cells."""
BARS = " ▁▂▃▄▅▆▇"
"""Never the whole cell: bars of neighbouring rows must not run into one."""


@dataclass(frozen=True, slots=True)
class Figures:
    """`text`: the number, a few numbers in brackets, or the norm between bars; `told` when that is all there is to
    the value. `spread`: else a histogram in `BINS` cells."""

    text: str
    told: bool
    spread: str


def number(value: float) -> str:
    """Four significant digits, plain between 1e-3 and 1e5."""
    if isinstance(value, bool | int):
        return str(value)
    if not math.isfinite(value) or value == 0:
        return f"{value:g}"
    if 1e-3 <= abs(value) < 1e5:
        return f"{float(f'{value:.4g}'):.10g}"
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def brief(trace: Trace, value: Value) -> str:
    """`1.02`, or `‖0.2452‖`, or the shape alone when the numbers were not kept."""
    return figures(trace, value).text


@per_trace(8192)
def figures(trace: Trace, value: Value) -> Figures:
    """Worked out once for each value, since a histogram costs more than everything else in a row."""
    scalar = value.scalar if value.shape == () else None
    if isinstance(scalar, int | float):
        return Figures(number(scalar), True, "")
    summary, array = value.summary, value.array
    if summary is None:
        return Figures(shape(value), False, "")
    few = None if array is None else listed(array)
    if few is not None:
        return Figures(few, True, "")
    bad = summary.nan or summary.inf
    norm = "no norm" if summary.norm is None else f"‖{number(summary.norm)}‖"
    text = f"{norm} {_bad(summary.nan, summary.inf)}" if bad else norm
    return Figures(text, False, "" if array is None else spread(array))


def listed(array: Array) -> str | None:
    """Up to `FEW` real numbers one by one, if that is short."""
    if not 0 < array.size <= FEW or np.iscomplexobj(array):
        return None
    text = ", ".join(number(one) for one in array.ravel().tolist())
    text = text if array.size == 1 else f"[{text}]"
    return text if len(text) <= LISTED else None


def _bad(nan: int, inf: int) -> str:
    return " ".join(f"{count} {word}" for count, word in ((nan, "NaN"), (inf, "Inf")) if count)


def shape(value: Value) -> str:
    """`[64,32]`; nothing for a scalar."""
    return f"[{','.join(map(str, value.shape))}]" if value.shape else ""


def spread(array: Array) -> str:
    """How the finite numbers lie between the least and the greatest, as bars."""
    flat = array.ravel()
    flat = (np.abs(flat) if np.iscomplexobj(flat) else flat).astype(np.float64)
    flat = flat[np.isfinite(flat)]
    if not flat.size:
        return ""
    low, high = float(flat.min()), float(flat.max())
    if not high > low or not math.isfinite(high - low):
        middle = BINS // 2
        return " " * middle + BARS[-1] + " " * (BINS - middle - 1)
    bins = np.minimum(((flat - low) * (BINS / (high - low))).astype(np.int64), BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    heights = np.where(counts > 0, np.maximum(1, np.round(counts * 7 / counts.max())), 0).astype(int)
    return "".join(BARS[height] for height in heights.tolist())
