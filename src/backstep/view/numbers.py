"""Numbers and values in few cells, the same in every pane."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from backstep.explain.figures import number, shape_text, signed
from backstep.trace.event import Array, Value
from backstep.trace.memo import per_trace
from backstep.trace.trace import Trace
from backstep.view.rows import safe

__all__ = [
    "bad_text", "complex_text", "histogram", "number", "percent", "scalar_text", "shape_text", "signed", "spark",
    "stats_text", "value_text",
]  # fmt: skip

BINS = 16
BARS = " ▁▂▃▄▅▆▇█"


def percent(part: float) -> str:
    """`0.33%`, `14%`, `250%`: two significant digits, or all before the point."""
    share = 100 * part
    return f"{share:.2g}%" if share < 99.5 or share >= 1e6 else f"{share:.0f}%"


def complex_text(z: complex) -> str:
    return f"{number(z.real)}{signed(z.imag)}j"


def value_text(value: Value | None) -> str:
    """`1.02`, `[64,32] ‖0.2452‖`, or why there are no numbers."""
    if value is None:
        return "None"
    if value.shape == () and value.array is not None:
        return scalar_text(value)
    summary, shape = value.summary, shape_text(value.shape)
    if summary is None:
        return safe(f"{shape} {value.omitted or 'not recorded'}".strip())
    norm = "" if summary.norm is None else f"‖{number(summary.norm)}‖"
    return " ".join(part for part in (shape, norm, bad_text(summary.nan, summary.inf)) if part)


def scalar_text(value: Value) -> str:
    """The one number of a value without dims."""
    if value.scalar is not None:
        return number(value.scalar)
    array = value.array
    return "" if array is None else complex_text(complex(array.reshape(())))


def bad_text(nan: int, inf: int) -> str:
    return " ".join(f"{count} {word}" for count, word in ((nan, "NaN"), (inf, "Inf")) if count)


def stats_text(value: Value) -> str:
    """`‖0.2452‖ max 0.0538 12% zero 1 NaN`: what a heat map does not say."""
    summary = value.summary
    if summary is None:
        return safe(value.omitted or "not recorded")
    parts = [] if summary.norm is None else [f"‖{number(summary.norm)}‖"]
    if summary.min is not None and summary.max is not None:
        parts.append(f"max {number(max(abs(summary.min), abs(summary.max)))}")
    size = math.prod(value.shape)
    if summary.zeros and size:
        parts.append(f"{100 * summary.zeros / size:.0f}% zero")
    bad = bad_text(summary.nan, summary.inf)
    return " ".join([*parts, bad] if bad else parts)


def spark(value: Value, width: int) -> str:
    """How the numbers of a value are spread, from the least to the greatest, as bars; blank where it has none."""
    if value.shape == () or width <= 0:
        return " " * max(0, width)
    return _spark(value._trace, value._payload, value.shape, min(BINS, width)).ljust(width)


@per_trace(4096)
def _spark(trace: Trace, payload: int, shape: tuple[int, ...], bins: int) -> str:
    array = None if payload < 0 else trace.payload(payload).array(shape)
    if array is not None:
        return histogram(array, bins)
    sketch = None if payload < 0 else trace.payload(payload).sketch(shape)
    return "" if sketch is None else bars(sketch.histogram, bins)


def histogram(array: Array, bins: int) -> str:
    """The finite numbers of an array in equal steps between its least and its greatest."""
    flat = (np.abs(array) if np.iscomplexobj(array) else array).ravel().astype(np.float64)
    flat = flat[np.isfinite(flat)]
    if not flat.size:
        return ""
    low, high = float(flat.min()), float(flat.max())
    if not high > low or not math.isfinite(high - low):
        return (" " * (bins // 2) + BARS[-1]).ljust(bins)
    places = np.minimum(((flat - low) * (bins / (high - low))).astype(np.int64), bins - 1)
    return bars(np.bincount(places, minlength=bins).tolist(), bins)


def bars(histogram: Sequence[int], bins: int) -> str:
    """Counts as bars, neighbours taken together where there are fewer of these."""
    edges = np.arange(bins) * len(histogram) // bins
    counts = np.add.reduceat(np.array(histogram), edges)
    if not counts.any():
        return ""
    heights = np.where(counts > 0, np.maximum(1, np.round(counts * 8 / counts.max())), 0).astype(int)
    return "".join(BARS[height] for height in heights.tolist())
