"""Everything the panes need to know of one recorded event: look-ups, resolved once and shared.

A moment is a function of the trace and the position alone; nothing in it depends on the way that led here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cached_property

import numpy as np

from backstep.replay.runs import runs_of
from backstep.trace.batch import GRAD, KIND_CODE, VALUE
from backstep.trace.event import BackwardEvent, Event, ForwardEvent, Source, Value
from backstep.trace.memo import per_trace
from backstep.trace.records import PHASES
from backstep.trace.trace import Trace

LOOKED_AT = 1 << 14
"""Events from the start of a run by which it is told how many passes its gradients collect."""


class GradKind(Enum):
    """The five states of a `.grad`."""

    NONE = "none"
    ZEROED = "zeroed"
    FRESH = "fresh"
    SUM = "sum"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class GradState:
    """`count` backward passes have been added since it was empty; `since` is the position of the last write.
    `usual`: this script collects that many before it empties the gradient again."""

    kind: GradKind
    count: int = 0
    since: int | None = None
    usual: bool = False


@dataclass(frozen=True, slots=True)
class PhaseSpan:
    """A run of events of one phase, both ends included."""

    phase: str
    first: int
    last: int


class Moment:
    """One event and the state after it."""

    def __init__(self, trace: Trace, position: int) -> None:
        self.trace = trace
        self.count = len(trace)
        if not 0 <= position < self.count:
            raise IndexError(f"no event {position} in a trace of {self.count}")
        self.position = position

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Moment) and (self.trace, self.position, self.count) == (
            other.trace,
            other.position,
            other.count,
        )

    def __hash__(self) -> int:
        return hash((id(self.trace), self.position, self.count))

    @cached_property
    def event(self) -> Event:
        return self.trace.event(self.position)

    # where in the run

    @cached_property
    def iteration_span(self) -> tuple[int, int]:
        """The first and last position of the events around this one that belong to the same iteration."""
        return iteration_span(self.trace, self.position)

    @cached_property
    def phase_spans(self) -> tuple[PhaseSpan, ...]:
        """The phases of this iteration, in order. Output and the like belong to the phase that they fall into."""
        first, last = self.iteration_span
        return phase_spans(self.trace, first, last)

    # twins

    @cached_property
    def twin(self) -> int | None:
        """The forward op of a backward event, the backward event of a forward op."""
        return twin_of(self.trace, self.event)

    @cached_property
    def origin(self) -> Source | None:
        """Where the node that runs was born: the source of its forward op."""
        if isinstance(self.event, BackwardEvent) and self.event.forward is not None:
            return self.trace.source_at(self.event.forward)
        return None

    # state

    @cached_property
    def leaves(self) -> tuple[int, ...]:
        """The leaves that have been seen by now, in the order in which they came."""
        return tuple(n for n in self.trace.leaves if self._seen(n))

    def _seen(self, leaf: int) -> bool:
        return any(self.trace.last_fact(leaf, field, self.position) is not None for field in (VALUE, GRAD))

    def value(self, tensor: int) -> Value | None:
        """The tensor after this event."""
        return self.trace.value_at(tensor, self.position)

    def previous_value(self, tensor: int) -> Value | None:
        """The tensor before its last write."""
        last = self.trace.last_fact(tensor, VALUE, self.position)
        return None if not last else self.trace.value_at(tensor, last - 1)

    def grad(self, leaf: int) -> Value | None:
        """The leaf's `.grad` after this event."""
        return self.trace.grad_at(leaf, self.position)

    def writer(self, tensor: int, field: int = VALUE) -> int | None:
        """Where the tensor (`VALUE`) or its `.grad` (`GRAD`) was last written."""
        return self.trace.last_fact(tensor, field, self.position)

    def next_writer(self, tensor: int, field: int = VALUE) -> int | None:
        return self.trace.next_fact(tensor, field, self.position)

    def grad_state(self, leaf: int) -> GradState:
        """Which of the five states the leaf's `.grad` is in."""
        trace = self.trace
        last = trace.last_fact(leaf, GRAD, self.position)
        if last is None:
            return GradState(GradKind.NONE)
        event = trace.event(last)
        if event["after"] is None:
            return GradState(GradKind.NONE, 0, last)
        if event.kind == "zero_grad":
            return GradState(GradKind.ZEROED, 0, last)
        count = self._passes_since_empty(leaf)
        update = trace.last_fact(leaf, VALUE, self.position)
        used = update is not None and update > last and trace.kind_at(update) == KIND_CODE["update"]
        if used and trace.iteration_at(self.position) != trace.iteration_at(last):
            return GradState(GradKind.STALE, count, last)
        if count < 2:
            return GradState(GradKind.FRESH, count, last)
        return GradState(GradKind.SUM, count, last, usual=count <= passes_collected(trace, leaf))

    def _passes_since_empty(self, leaf: int) -> int:
        """Accumulations since the last zeroing: counted in the columns, from here back; no event is decoded."""
        looked = 64
        while True:
            positions = self.trace.facts.latest(leaf, GRAD, self.position, looked)
            kinds = self.trace.columns["kind"][positions]
            emptied = np.flatnonzero(kinds == KIND_CODE["zero_grad"])
            if len(emptied) or len(positions) < looked:
                since = kinds[emptied[-1] + 1 :] if len(emptied) else kinds
                return int((since == KIND_CODE["accumulate"]).sum())
            looked *= 8


def passes_collected(trace: Trace, leaf: int) -> int:
    """How many backward passes are most often added to the leaf's gradient before it is emptied; 0 if it never is.

    Told by the first times, so that the answer is the same for every moment.
    """
    return _passes_collected(trace, leaf, min(len(trace), LOOKED_AT))


@per_trace(4096)
def _passes_collected(trace: Trace, leaf: int, events: int) -> int:
    positions = trace.facts.latest(leaf, GRAD, events - 1, events)
    kinds = trace.columns["kind"][positions]
    emptied = np.flatnonzero(kinds == KIND_CODE["zero_grad"])
    added = np.concatenate([[0], np.cumsum(kinds == KIND_CODE["accumulate"])])
    counts = np.diff(added[emptied], prepend=0)
    return int(np.bincount(counts[counts > 0]).argmax()) if (counts > 0).any() else 0


def iteration_span(trace: Trace, position: int) -> tuple[int, int]:
    """The first and last position of the run of events around one that have the same iteration."""
    runs = runs_of(trace)
    return runs.inner_span(runs.inner_at(position))


def phase_spans(trace: Trace, first: int, last: int) -> tuple[PhaseSpan, ...]:
    """The runs of equal phase between two positions, both included."""
    phases = trace.columns["phase"][first : last + 1]
    other = PHASES.index("other")
    spans: list[PhaseSpan] = []
    start, current = first, int(phases[0])
    for offset in np.flatnonzero(phases[1:] != phases[:-1]).tolist():
        following = int(phases[offset + 1])
        if following in (other, current):
            continue
        if current == other:
            current = following
            continue
        spans.append(PhaseSpan(PHASES[current], start, first + offset))
        start, current = first + offset + 1, following
    spans.append(PhaseSpan(PHASES[current], start, last))
    return tuple(spans)


def twin_of(trace: Trace, event: Event) -> int | None:
    """The other half of a forward op or a backward event; None where there is none."""
    if isinstance(event, BackwardEvent):
        return event.forward
    if not isinstance(event, ForwardEvent):
        return None
    for node in reversed(event.nodes):
        runs = trace.backwards_of(node)
        if runs:
            return runs[0]
    return None
