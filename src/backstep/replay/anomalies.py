"""Where something begins to go wrong: each is told at the event where it begins, not at all that follow from it.

NaN or Inf that comes out of finite numbers; a gradient missing when the optimizer steps; a gradient that has grown a
hundredfold since the pass before, or has become zero throughout.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator

from backstep.replay.search import of_rows, search
from backstep.replay.selection import values_read, values_written
from backstep.trace.batch import GRAD, KIND_CODE
from backstep.trace.event import Summary, summarize_number
from backstep.trace.records import KINDS, Accumulate, EventRow, Forward, ValueRow
from backstep.trace.trace import Trace

EXPLODING = 100.0
"""How many times larger than in the pass before a gradient is when it explodes."""
LOOKED_BACK = 8
"""Writes of a gradient in which the pass before is looked for."""


def anomalies(trace: Trace, start: int, direction: int) -> Iterator[int | None]:
    """The nearest anomaly after a position or before it, as `search` tells it."""
    wanted = of_rows(trace, KINDS, lambda position, row: _what(trace, position, row) is not None)
    return search(wanted, start, direction, len(trace))


def anomaly_at(trace: Trace, position: int) -> str | None:
    """What begins to go wrong at an event, in words; None if nothing does."""
    (row,) = trace.rows([position])
    return _what(trace, position, row)


def _what(trace: Trace, position: int, row: EventRow) -> str | None:
    bad = _not_finite(trace, values_written(row))
    if bad is not None and not _is_meant(row) and _not_finite(trace, values_read(row)) is None:
        return f"{bad[1]} comes into being in {bad[0]}"
    out_of_line = _of_gradient(trace, position, row) if isinstance(row, Accumulate) else None
    return out_of_line or _of_step(trace, position)


def _is_meant(row: EventRow) -> bool:
    """Whether the script itself wrote the infinity: a mask is filled with it."""
    return isinstance(row, Forward) and any(isinstance(v, float) and not math.isfinite(v) for _, v in row.arguments)


def _not_finite(trace: Trace, values: Iterable[ValueRow | None]) -> tuple[str, str] | None:
    """The first value that has NaN or Inf: its name, and which."""
    for value in values:
        if value is None or (value.scalar is not None and math.isfinite(value.scalar)):
            continue
        summary = summary_of(trace, value)
        if summary is not None and (summary.nan or summary.inf):
            return trace.name(value.tensor, value.name) or "a value", "NaN" if summary.nan else "Inf"
    return None


def summary_of(trace: Trace, value: ValueRow) -> Summary | None:
    """The summary of a value as it lies in the file."""
    if value.scalar is not None:
        return summarize_number(float(value.scalar))
    return None if value.payload < 0 else trace.payload(value.payload).summary(trace.metas[value.meta].shape)


def _of_gradient(trace: Trace, position: int, row: Accumulate) -> str | None:
    """Whether what arrived at a leaf is out of line with what arrived in the pass before."""
    name = trace.leaves.get(row.leaf, "a leaf")
    norm = _norm(trace, row)
    before = _norm_before(trace, row.leaf, position)
    if norm == 0 and before != 0:
        return f"the gradient of {name} is zero throughout: nothing can be learnt from it"
    if norm is not None and before and norm > EXPLODING * before:
        return f"the gradient of {name} explodes: {norm / before:.0f} times that of the pass before"
    return None


def _norm(trace: Trace, row: Accumulate) -> float | None:
    scalar = row.arrived.scalar
    if scalar is not None:
        return abs(float(scalar)) if math.isfinite(scalar) else None
    summary = summary_of(trace, row.arrived)
    return None if summary is None or summary.nan or summary.inf else summary.norm


def _norm_before(trace: Trace, leaf: int, position: int) -> float | None:
    at = position
    for _ in range(LOOKED_BACK):
        earlier = trace.last_fact(leaf, GRAD, at - 1)
        if earlier is None:
            return None
        if trace.kind_at(earlier) == KIND_CODE["accumulate"]:
            (row,) = trace.rows([earlier])
            return _norm(trace, row) if isinstance(row, Accumulate) else None
        at = earlier
    return None


def _of_step(trace: Trace, position: int) -> str | None:
    """Whether a leaf had no gradient in the optimizer's step just before this event, but had one in the step before."""
    at = bisect_left(trace.steps, (position,))
    while at < len(trace.steps) and trace.steps[at][0] == position:
        news = [leaf for leaf in _missing(trace, at) if leaf not in _missing(trace, _step_before(trace, at))]
        if news:
            others = f" and of {len(news) - 1} more" if len(news) > 1 else ""
            return f"the optimizer stepped without a gradient of {trace.leaves.get(news[0], 'a leaf')}{others}"
        at += 1
    return None


def _step_before(trace: Trace, at: int) -> int | None:
    """The step before of the same optimizer."""
    return next((i for i in range(at - 1, -1, -1) if trace.steps[i][1] == trace.steps[at][1]), None)


def _missing(trace: Trace, at: int | None) -> list[int]:
    """The leaves of an optimizer that had no gradient at one of its steps; before its first step none is missing."""
    if at is None:
        return []
    position, optimizer = trace.steps[at]
    leaves = trace.optimizers[optimizer].leaves
    return [leaf for leaf in leaves if trace.grad_at(leaf, position - 1) is None]
