"""The run in stretches: the passes of the outermost loop, the iterations in them, the phases in those.

A stretch is kept as where it starts; a question is a bisection. The index is made once, and what a recorder
adds later is taken in from its last stretch on.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from backstep.replay.moment import PhaseSpan, phase_spans
from backstep.trace.memo import per_trace
from backstep.trace.trace import Trace
from backstep.view.rows import safe

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
    count, version = len(trace.columns), trace.iterations.version
    if known.count == count and known.version == version:
        return known
    runs = _extended(trace, known if known.version == version else _NOTHING, count)
    _known[trace] = runs
    return runs


def _extended(trace: Trace, known: Runs, count: int) -> Runs:
    """The stretches with the events that came since; from the start if a new loop turned out to train."""
    start = int(min(known.outer[-1], known.inner[-1])) if len(known.outer) else 0
    contexts, inverse = np.unique(trace.columns["context"][start:count], return_inverse=True)
    roots = _roots(trace, contexts.tolist())
    numbers = [trace.iterations.number(c) for c in contexts.tolist()]
    row = trace.iterations.row
    found = {row(r).head for r, n in zip(roots, numbers, strict=True) if r and n is not None}
    if start and not found <= known.heads:
        return _extended(trace, _NOTHING, count)
    heads = known.heads | found
    outer_keys = np.array([r if r and row(r).head in heads else 0 for r in roots], np.int64)
    inner_keys = np.array([-1 if n is None else n for n in numbers], np.int64)
    by_event = outer_keys[inverse], inner_keys[inverse]
    new_pass = np.diff(by_event[0], prepend=-1) != 0
    outer = np.flatnonzero(new_pass)
    inner = np.flatnonzero(new_pass | (np.diff(by_event[1], prepend=-2) != 0))
    kept_outer, kept_inner = np.searchsorted(known.outer, start), np.searchsorted(known.inner, start)
    return Runs(
        count,
        np.concatenate([known.outer[:kept_outer], outer + start]),
        np.concatenate([known.outer_keys[:kept_outer], by_event[0][outer]]),
        np.concatenate([known.inner[:kept_inner], inner + start]),
        np.concatenate([known.inner_keys[:kept_inner], by_event[1][inner]]),
        frozenset(heads),
        trace.iterations.version,
    )


def _roots(trace: Trace, contexts: list[int]) -> list[int]:
    """The outermost context around each; 0 outside of any loop."""
    known = {0: 0}
    for context in contexts:
        path = []
        around = context
        while around not in known:
            path.append(around)
            around = trace.iterations.row(around).parent
        root = known[around]
        for below in reversed(path):
            root = root or below
            known[below] = root
    return [known[context] for context in contexts]


# names


def context_label(trace: Trace, context: int) -> str:
    """A pass of a loop by its own variable: `epoch 3`."""
    return f"{context_name(trace, context)} {context_value(trace, context)}"


def context_name(trace: Trace, context: int) -> str:
    return safe(trace.strings[trace.iterations.row(context).name]) or "pass"


def context_value(trace: Trace, context: int) -> int:
    row = trace.iterations.row(context)
    return row.index if row.value is None else row.value


def iteration_context(trace: Trace, position: int) -> int | None:
    """The pass of the training loop around a position."""
    number = trace.iterations.number
    context = int(trace.columns["context"][position])
    while context > 0:
        parent = trace.iterations.row(context).parent
        if number(context) is not None and number(context) != number(parent):
            return context
        context = parent
    return None


# phases


@per_trace(64)
def phases_of(trace: Trace, first: int, last: int) -> tuple[PhaseSpan, ...]:
    """The phases between two positions, in order."""
    return phase_spans(trace, first, last)


# the loss


@dataclass(slots=True)
class Losses:
    """The loss of each backward pass, as sorted lists that grow with the trace."""

    positions: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def take(self, losses: list[tuple[int, float]]) -> None:
        for position, value in losses[len(self.positions) :]:
            self.positions.append(position)
            self.values.append(value)

    def upto(self, position: int) -> float | None:
        """The newest loss at a position."""
        at = bisect_right(self.positions, position) - 1
        return None if at < 0 else self.values[at]

    def within(self, first: int, last: int) -> float | None:
        """The last loss between two positions."""
        at = bisect_right(self.positions, last) - 1
        return self.values[at] if at >= bisect_left(self.positions, first) else None


_losses: WeakKeyDictionary[Trace, Losses] = WeakKeyDictionary()


def losses_of(trace: Trace) -> Losses:
    losses = _losses.get(trace)
    if losses is None:
        losses = _losses[trace] = Losses()
    if len(losses.positions) != len(trace.losses):
        losses.take(trace.losses)
    return losses
