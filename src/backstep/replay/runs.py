"""The run in stretches: the passes of the outermost loop, and the iterations in them.

A stretch is kept as where it starts; a question is a bisection. The index is made once, and what a recorder
adds later is taken in from its last stretch on.
"""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from backstep.trace.trace import Trace

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Runs:
    """`outer`: where each pass of the outermost training loop starts, and each stretch between such passes
    (key 0; else the pass's context). `inner`: the same for iterations (key -1: in no iteration)."""

    count: int
    outer: Numbers
    outer_keys: Numbers
    inner: Numbers
    inner_keys: Numbers
    heads: frozenset[int] = frozenset()
    """The outermost loops in the source that iterations lie in."""
    version: int = -1

    def outer_at(self, position: int) -> int:
        return int(np.searchsorted(self.outer, position, "right")) - 1

    def inner_at(self, position: int) -> int:
        return int(np.searchsorted(self.inner, position, "right")) - 1

    def outer_span(self, index: int) -> tuple[int, int]:
        """The first and the last position of an outer stretch."""
        return _span(self.outer, index, self.count)

    def inner_span(self, index: int) -> tuple[int, int]:
        return _span(self.inner, index, self.count)

    def inner_of(self, outer: int) -> range:
        """The inner stretches of an outer one."""
        first, last = self.outer_span(outer)
        return range(int(np.searchsorted(self.inner, first)), int(np.searchsorted(self.inner, last, "right")))


def _span(starts: Numbers, index: int, count: int) -> tuple[int, int]:
    following = int(starts[index + 1]) if index + 1 < len(starts) else count
    return int(starts[index]), following - 1


_EMPTY = np.empty(0, np.int64)
_NOTHING = Runs(0, _EMPTY, _EMPTY, _EMPTY, _EMPTY)
_known: WeakKeyDictionary[Trace, Runs] = WeakKeyDictionary()


def runs_of(trace: Trace) -> Runs:
    """The stretches of a trace as far as it has been read."""
    known = _known.get(trace, _NOTHING)
    count, version = len(trace.columns), trace.contexts.version
    if known.count == count and known.version == version:
        return known
    runs = _extended(trace, known if known.version == version else _NOTHING, count)
    _known[trace] = runs
    return runs


def _extended(trace: Trace, known: Runs, count: int) -> Runs:
    """The stretches with the events that came since; from the start if a new loop turned out to train."""
    start = int(min(known.outer[-1], known.inner[-1])) if len(known.outer) else 0
    column = trace.columns["context"][start:count]
    begins = np.flatnonzero(np.concatenate([np.ones(min(1, len(column)), bool), column[1:] != column[:-1]]))
    contexts, inverse = np.unique(column[begins], return_inverse=True)
    roots = _roots(trace, contexts.tolist())
    numbers = [trace.contexts.number(c) for c in contexts.tolist()]
    row = trace.contexts.row
    found = {row(r).head for r, n in zip(roots, numbers, strict=True) if r and n is not None}
    if start and not found <= known.heads:
        return _extended(trace, _NOTHING, count)
    heads = known.heads | found
    outer_keys = np.array([r if r and row(r).head in heads else 0 for r in roots], np.int64)
    inner_keys = np.array([-1 if n is None else n for n in numbers], np.int64)
    by_stretch = outer_keys[inverse], inner_keys[inverse]
    new_pass = np.diff(by_stretch[0], prepend=-1) != 0
    outer = np.flatnonzero(new_pass)
    inner = np.flatnonzero(new_pass | (np.diff(by_stretch[1], prepend=-2) != 0))
    kept_outer, kept_inner = np.searchsorted(known.outer, start), np.searchsorted(known.inner, start)
    return Runs(
        count,
        np.concatenate([known.outer[:kept_outer], begins[outer] + start]),
        np.concatenate([known.outer_keys[:kept_outer], by_stretch[0][outer]]),
        np.concatenate([known.inner[:kept_inner], begins[inner] + start]),
        np.concatenate([known.inner_keys[:kept_inner], by_stretch[1][inner]]),
        frozenset(heads),
        trace.contexts.version,
    )


def _roots(trace: Trace, contexts: list[int]) -> list[int]:
    """The outermost context around each; 0 outside of any loop."""
    known = {0: 0}
    for context in contexts:
        path = []
        around = context
        while around not in known:
            path.append(around)
            around = trace.contexts.row(around).parent
        root = known[around]
        for below in reversed(path):
            root = root or below
            known[below] = root
    return [known[context] for context in contexts]
