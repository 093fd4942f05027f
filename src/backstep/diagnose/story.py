"""The events of a trace read once, put together as the rules speak of them: passes, steps, leaves and their acts.

On a long run the head and the tail of it are read; what spans the gap is not judged.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from backstep.diagnose.magnitude import moved
from backstep.trace.batch import KIND_CODE, VALUE
from backstep.trace.event import (
    AccumulateEvent,
    BackwardEndEvent,
    BackwardEvent,
    BackwardStartEvent,
    Event,
    ExceptionEvent,
    ForwardEvent,
    GradWriteEvent,
    OutputEvent,
    Source,
    UpdateEvent,
    Value,
    ZeroGradEvent,
)
from backstep.trace.trace import Trace

WINDOW = 40_000
"""Events that are read of a trace: half of them from its start, half from its end."""

NO_GRADIENT_USED = frozenset(
    "clamp_ clip_ mul_ div_ copy_ fill_ zero_ normal_ uniform_ lerp_ _foreach_mul_ _foreach_lerp_".split()
)
"""Writes of a leaf that take nothing from its gradient: initialisation, weight clipping, decay, averages."""

MEASURES = frozenset(
    """
    norm _foreach_norm linalg_vector_norm vector_norm isfinite isnan isinf item tolist abs max min mean std clone detach
    """.split()
)
"""Ops that look at a gradient without making use of it."""

Act = AccumulateEvent | ZeroGradEvent | GradWriteEvent | UpdateEvent | ForwardEvent


@dataclass(slots=True)
class Pass:
    """One run of the engine. `end` is None when it raised."""

    start: BackwardStartEvent
    nodes: list[BackwardEvent] = field(default_factory=list)
    contributions: list[AccumulateEvent] = field(default_factory=list)
    end: int | None = None
    raised: ExceptionEvent | None = None

    @property
    def source(self) -> Source | None:
        return self.start.source

    @property
    def loss(self) -> float | None:
        """The value of its only root, if that is one number."""
        return self.start.roots[0].scalar if len(self.start.roots) == 1 else None


@dataclass(slots=True)
class Leaf:
    """A leaf and everything that was done with its gradient, in order; a `ForwardEvent` among the acts reads it."""

    number: int
    name: str
    acts: list[Act] = field(default_factory=list)
    uses: list[int] = field(default_factory=list)
    """Where a forward op took the leaf as an input with grad mode on."""
    measured: int = 0
    """How often something looked at its gradient without making use of it."""

    @property
    def contributions(self) -> list[AccumulateEvent]:
        return [act for act in self.acts if isinstance(act, AccumulateEvent)]

    @property
    def updates(self) -> list[UpdateEvent]:
        """The updates that its gradient made."""
        return [act for act in self.acts if isinstance(act, UpdateEvent) and uses_gradient(act)]

    @property
    def writes(self) -> list[UpdateEvent]:
        """Everything that changed it, for whatever reason."""
        return [act for act in self.acts if isinstance(act, UpdateEvent)]


def uses_gradient(update: UpdateEvent) -> bool:
    """Whether an update takes the leaf's gradient into the leaf."""
    return update.grad is not None and update.by not in NO_GRADIENT_USED


def assigns_itself(update: UpdateEvent) -> bool:
    """Whether what is assigned is what was there."""
    return update.by == "assign" and moved(update.before, update.after) == 0


def line_of(event: Event) -> tuple[str, int] | None:
    """The file and line of an event."""
    return None if event.source is None else (event.source.file, event.source.line)


class Story:
    """What the rules look at. Everything is read from the trace once, when it is made."""

    def __init__(self, trace: Trace, others: Sequence[Trace] = ()) -> None:
        self.trace = trace
        self.others = others
        """The traces of the other ranks, if it is one of several."""
        self.spans = spans_of(len(trace))
        self.forwards: list[ForwardEvent] = []
        self.passes: list[Pass] = []
        self.steps: list[list[UpdateEvent]] = []
        """The updates of each call of an optimizer's step, or of each line that updates by hand."""
        self.leaves: dict[int, Leaf] = {}
        self.exceptions: list[ExceptionEvent] = []
        self.outputs: list[OutputEvent] = []
        self.readers: defaultdict[int, list[int]] = defaultdict(list)
        """The positions of the forward ops that take a tensor as an input; ops seen as the user wrote them."""
        self._events: dict[int, Event] = {}
        self._open: list[Pass] = []
        for first, end in self.spans:
            self._open.clear()
            for position in range(first, end):
                self._take(trace.event(position))

    # reading

    def _take(self, event: Event) -> None:
        self._events[event.position] = event
        match event:
            case ForwardEvent():
                self._forward(event)
            case BackwardStartEvent():
                self._open.append(Pass(event))
                self.passes.append(self._open[-1])
            case BackwardEvent() if self._open:
                self._open[-1].nodes.append(event)
            case BackwardEndEvent() if self._open:
                self._open.pop().end = event.position
            case AccumulateEvent():
                self._leaf(event.number).acts.append(event)
                if self._open:
                    self._open[-1].contributions.append(event)
            case ZeroGradEvent() | GradWriteEvent():
                self._leaf(event.number).acts.append(event)
            case UpdateEvent() if assigns_itself(event):
                pass  # the second half of `w.data -= ...`
            case UpdateEvent():
                self._leaf(event.number).acts.append(event)
                self._step(event)
            case ExceptionEvent():
                self._raised(event)
            case OutputEvent():
                self.outputs.append(event)

    def _leaf(self, number: int) -> Leaf:
        leaf = self.leaves.get(number)
        if leaf is None:
            leaf = self.leaves[number] = Leaf(number, self.trace.leaves.get(number, f"tensor {number}"))
        return leaf

    def _forward(self, event: ForwardEvent) -> None:
        self.forwards.append(event)
        written = event.parent is None
        for value in event.inputs:
            if written:
                self.readers[value.tensor].append(event.position)
            if written and value.tensor in self.trace.leaves and event.grad_enabled and value.requires_grad:
                self._leaf(value.tensor).uses.append(event.position)
            owner = self.trace.grads.get(value.tensor)
            if owner is not None and event.op in MEASURES:
                self._leaf(owner).measured += 1
            elif owner is not None:
                self._leaf(owner).acts.append(event)

    def _step(self, event: UpdateEvent) -> None:
        last = self.steps[-1][-1] if self.steps else None
        together = (
            last is not None
            and last.position == event.position - 1
            and (last.by, last.source, last.iteration) == (event.by, event.source, event.iteration)
        )
        if together and all(other.number != event.number for other in self.steps[-1]):
            self.steps[-1].append(event)
        else:
            self.steps.append([event])

    def _raised(self, event: ExceptionEvent) -> None:
        self.exceptions.append(event)
        if self._open and event.phase == "backward":
            self._open.pop().raised = event

    # asking

    @property
    def crash(self) -> ExceptionEvent | None:
        """The exception that ended the script."""
        last = self.exceptions[-1] if self.exceptions else None
        return last if last is not None and not last.caught else None

    @cached_property
    def finished(self) -> list[Pass]:
        """The backward passes that delivered."""
        return [one for one in self.passes if one.end is not None]

    @cached_property
    def trained(self) -> dict[int, Leaf]:
        """The leaves that their gradients updated."""
        return {number: leaf for number, leaf in self.leaves.items() if leaf.updates}

    @cached_property
    def held(self) -> frozenset[int]:
        """The leaves that an optimizer was seen to step with, whether it changed them or not."""
        return frozenset(leaf for optimizer in self.trace.optimizers.values() for leaf in optimizer.leaves)

    def event(self, position: int) -> Event:
        """The event at a position, also one outside what was read."""
        return self._events.get(position) or self.trace.event(position)

    def maker(self, tensor: int, before: int) -> ForwardEvent | None:
        """The op, as the user wrote it, that gave a tensor the value it had just before a position."""
        fact = self.trace.last_fact(tensor, VALUE, before - 1)
        while fact is not None and self.trace.kind_at(fact) == KIND_CODE["forward"]:
            event = self.event(fact)
            if isinstance(event, ForwardEvent) and any(value.tensor == tensor for value in event.outputs):
                return event
            fact = self.trace.last_fact(tensor, VALUE, fact - 1)
        return None

    def ancestors(
        self, value: Value, before: int, limit: int = 4000, *, differentiable: bool = False
    ) -> Iterator[ForwardEvent]:
        """The ops that a value was computed by, as far as tensors (or gradients) go, the nearest first."""
        todo, seen = [(value.tensor, before)], set[int]()
        while todo and len(seen) < limit:
            following: list[tuple[int, int]] = []
            for tensor, at in todo:
                event = self.maker(tensor, at)
                if event is not None and event.position not in seen:
                    seen.add(event.position)
                    yield event
                    following += [
                        (one.tensor, event.position) for one in event.inputs if one.requires_grad or not differentiable
                    ]
            todo = following


def spans_of(count: int) -> tuple[tuple[int, int], ...]:
    """The half-open ranges of positions that are read of so many events."""
    if count <= WINDOW:
        return ((0, count),)
    return (0, WINDOW // 2), (count - WINDOW // 2, count)
