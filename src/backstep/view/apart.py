"""The same graph at another moment: what its rows carried there, and how far that is from what they carry here."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np

from backstep.replay.moment import Moment
from backstep.trace.event import Value
from backstep.trace.trace import Trace
from backstep.view.carried import arrived_at, has_run_backward, is_leaf, value_of
from backstep.view.spine import Spine, SpineRow

SAME, UNKNOWN = "=", "·"

Key = tuple[str, str, int]
"""The op, empty for what comes from outside; the name of the value; which of those that are the same in both."""


class Pinned:
    """The rows of a spine of a pinned moment, found by what they are rather than by where they stand."""

    def __init__(self, moment: Moment, spine: Spine) -> None:
        self._moment = moment
        self._rows = dict(zip(keys_of(moment.trace, spine), spine.rows, strict=True))

    def value(self, key: Key) -> Value | None:
        row = self._rows.get(key)
        return None if row is None or row.is_head else value_of(self._moment, row)

    def grad(self, key: Key) -> Value | None:
        """The `.grad` of a leaf; of any other value the gradient that had arrived."""
        row = self._rows.get(key)
        if row is None or row.is_head:
            return None
        if is_leaf(self._moment, row):
            return self._moment.grad(row.tensor)
        return arrived_at(self._moment, row) if has_run_backward(self._moment, row) else None


def keys_of(trace: Trace, spine: Spine) -> list[Key]:
    """What each row is, in their order."""
    seen: Counter[tuple[str, str]] = Counter()
    keys: list[Key] = []
    for row in spine.rows:
        kind = _kind(trace, row)
        keys.append((*kind, seen[kind]))
        seen[kind] += 1
    return keys


def _kind(trace: Trace, row: SpineRow) -> tuple[str, str]:
    name = trace.name(row.tensor, row.name) if row.tensor >= 0 else ""
    return row.op if row.is_op or row.is_head else "", name


def difference(a: Value | None, b: Value | None) -> float | str:
    """B - A: of one number the number, of more the norm; `SAME`, `UNKNOWN`, or nothing where neither is there."""
    if a is None or b is None:
        return "" if a is b else UNKNOWN
    one, other = a.array, b.array
    if one is None or other is None:
        return SAME if a.summary is not None and a.summary == b.summary and a.shape == b.shape else UNKNOWN
    if one.shape != other.shape or np.iscomplexobj(one) or np.iscomplexobj(other):
        return UNKNOWN
    if np.array_equal(one, other, equal_nan=True):
        return SAME
    step = other.astype(np.float64) - one
    return float(step.reshape(())) if step.size == 1 else float(np.linalg.norm(step))


def briefly(a: Value | None, b: Value | None) -> str:
    """The difference in the cells of a histogram: `Δ+0.02`, of many numbers `Δ0.35`."""
    told = difference(a, b)
    if isinstance(told, str):
        return told
    return f"Δ{told:+.2g}" if b is not None and math.prod(b.shape) == 1 else f"Δ{told:.2g}"
