"""A tensor, or the gradient of one, that is followed through time: where it is written, and where it is used.

A leaf is one tensor all through a trace. Any other value is made anew in each iteration, so it is followed by its name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from backstep.replay.moment import Moment
from backstep.replay.search import Wanted, of_rows, search
from backstep.trace.batch import GRAD, VALUE
from backstep.trace.event import (
    AccumulateEvent,
    BackwardEvent,
    ForwardEvent,
    GradWriteEvent,
    UpdateEvent,
    ZeroGradEvent,
)
from backstep.trace.records import Accumulate, Backward, EventRow, Forward, GradWrite, Update, ValueRow, ZeroGrad
from backstep.trace.trace import Trace


@dataclass(frozen=True, slots=True)
class Selection:
    """`field` is `VALUE` or `GRAD`; `name` that of the tensor."""

    tensor: int
    name: str
    field: int = VALUE

    def __str__(self) -> str:
        return f"{self.name}.grad" if self.field == GRAD else self.name

    def other_field(self) -> Selection:
        return Selection(self.tensor, self.name, GRAD if self.field == VALUE else VALUE)


def target(moment: Moment) -> Selection | None:
    """What the event is about: what is followed when nothing was chosen."""
    event, trace = moment.event, moment.trace
    match event:
        case AccumulateEvent() | GradWriteEvent() | ZeroGradEvent():
            return Selection(event.number, event.tensor, GRAD)
        case UpdateEvent():
            return Selection(event.number, event.tensor)
        case ForwardEvent() if event.outputs:
            made = event.outputs[0]
            return Selection(made.tensor, made.name)
        case BackwardEvent():
            for edge in event.edges:
                if edge.to is not None and "leaf" in edge.to:
                    return Selection(edge.to["number"], trace.leaves[edge.to["number"]], GRAD)
                if edge.needed and edge.input:
                    return Selection(-1, edge.input, GRAD)
    return None


def writes(trace: Trace, chosen: Selection, start: int, direction: int) -> Iterator[int | None]:
    """The next (1) or the last (-1) write, as `search` tells it."""
    if chosen.tensor in trace.leaves:
        find = trace.next_fact if direction > 0 else trace.last_fact
        found = find(chosen.tensor, chosen.field, start if direction > 0 else start - 1)
        return iter(() if found is None else (found,))
    return search(_writes_by_name(trace, chosen), start, direction, len(trace))


def _writes_by_name(trace: Trace, chosen: Selection) -> Wanted:
    def makes(position: int, row: EventRow) -> bool:
        if isinstance(row, Forward):
            return any(trace.name(value.tensor, value.name) == chosen.name for value in row.outputs)
        return isinstance(row, Backward) and any(
            edge.downstream is not None and trace.strings[edge.input] == chosen.name for edge in row.edges
        )

    return of_rows(trace, ["backward"] if chosen.field == GRAD else ["forward"], makes)


def uses(trace: Trace, chosen: Selection, start: int, direction: int) -> Iterator[int | None]:
    """The next (1) or the last (-1) event that reads it, as `search` tells it."""
    leaf = chosen.tensor in trace.leaves

    def is_it(value: ValueRow | None) -> bool:
        if value is None:
            return False
        if chosen.field == GRAD:
            return trace.grads.get(value.tensor) == chosen.tensor
        return value.tensor == chosen.tensor if leaf else trace.name(value.tensor, value.name) == chosen.name

    def reads(position: int, row: EventRow) -> bool:
        match row:
            case Forward():
                return any(map(is_it, row.inputs))
            case Update() if chosen.field == GRAD:
                return row.leaf == chosen.tensor and row.grad is not None
            case Backward() if chosen.field == GRAD and not leaf:
                return any(_named_grad(trace, value, chosen.name) for value in row.upstream)
        return False

    kinds = ["forward", "update", "backward"] if chosen.field == GRAD else ["forward"]
    return search(of_rows(trace, kinds, reads), start, direction, len(trace))


def _named_grad(trace: Trace, value: ValueRow | None, name: str) -> bool:
    return value is not None and trace.name(value.tensor, value.name) == f"{name}.grad"


def values_written(row: EventRow) -> Iterable[ValueRow | None]:
    """The values that come into being at an event."""
    match row:
        case Forward():
            return row.outputs
        case Backward():
            return [edge.downstream for edge in row.edges]
        case Accumulate() | GradWrite() | ZeroGrad() | Update():
            return [row.after]
    return []


def values_read(row: EventRow) -> Iterable[ValueRow | None]:
    """The values that an event makes others from."""
    match row:
        case Forward():
            return row.inputs
        case Backward():
            return row.upstream
        case Accumulate():
            return [row.before, row.arrived]
        case GradWrite() | ZeroGrad():
            return [row.before]
        case Update():
            return [row.before, row.grad]
    return []
