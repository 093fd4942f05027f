"""A tensor over time: what it was at a position, and every position at which it changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from backstep.trace.batch import GRAD, VALUE
from backstep.trace.event import Event, ForwardEvent, Omitted, Value
from backstep.trace.tables import table
from backstep.trace.told import clean, number_text, shortly

if TYPE_CHECKING:
    from backstep.trace.trace import Trace

SEEN = "seen"
SHOWN = 6
"""Points that are shown of a history."""


@dataclass(frozen=True, slots=True, repr=False)
class Point:
    """A tensor, or a gradient, from one position on. `value` is None where the gradient is None from then on."""

    position: int
    iteration: int | None
    value: Value | None
    _trace: Trace

    @property
    def values(self) -> Any:
        """Its numbers as nested lists; an `Omitted` with the reason, or None."""
        if self.value is None:
            return None
        values = self.value.values
        return Omitted(self.value.omitted or "not kept") if values is None else values

    @property
    def event(self) -> Event:
        """What wrote it."""
        return self._trace.event(self.position)

    @property
    def by(self) -> str:
        """What wrote it, in a word: `SGD.step`, `accumulate`, `set_to_none`, `mul`; `seen` where it was only read, as
        the first time of what is older than the recording."""
        event = self.event
        if isinstance(event, ForwardEvent) and self.value not in event.outputs:
            return SEEN
        found = next((event[name] for name in ("by", "how", "op") if name in event.field_names()), event.kind)
        return clean(found)

    def __repr__(self) -> str:
        where = "" if self.iteration is None else f" iteration {self.iteration}"
        how = self.by if self.by == SEEN else f"by {self.by}"
        return f"<#{self.position}{where}: {shortly(self.value)} {how}>"


class History(Sequence[Point]):
    """The points of a tensor, in order; each is read when it is asked for."""

    def __init__(self, trace: Trace, name: str, writes: Sequence[tuple[int, int]], field: int) -> None:
        """`writes`: position and tensor of each, ascending."""
        self.name = name
        self._trace, self._writes, self._field = trace, writes, field

    def __len__(self) -> int:
        return len(self._writes)

    @overload
    def __getitem__(self, index: int) -> Point: ...
    @overload
    def __getitem__(self, index: slice) -> list[Point]: ...
    def __getitem__(self, index: int | slice) -> Point | list[Point]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        position, tensor = self._writes[within(index, len(self), "points")]
        look = self._trace.value_at if self._field == VALUE else self._trace.grad_at
        return Point(position, self._trace.iteration_at(position), look(tensor, position), self._trace)

    def __repr__(self) -> str:
        shown = [*self[:SHOWN]]
        more = f"\n  ... {len(self) - SHOWN:,} more" if len(self) > SHOWN else ""
        points = "".join(f"\n  {point!r}" for point in shown)
        return f"<History of {shortly_name(self.name)}, {len(self):,} points{':' if shown else ''}{points}{more}>"

    def to_pandas(self) -> Any:
        """A DataFrame with a row a point: `position`, `iteration`, `by`, `value` (where it is one number), `norm`."""
        rows = []
        for point in self:
            summary = None if point.value is None else point.value.summary
            scalar = None if point.value is None else point.value.scalar
            norm = None if summary is None else summary.norm
            rows.append((point.position, point.iteration, point.by, scalar, norm))
        return table(rows, ("position", "iteration", "by", "value", "norm"))


class TensorHistory:
    """What is known of one tensor over time."""

    def __init__(self, trace: Trace, name: str, numbers: tuple[int, ...]) -> None:
        self._trace = trace
        self.name = name
        self.numbers = numbers

    def value(self, position: int) -> Value | None:
        """The tensor as it was after the event at `position`."""
        facts = [(self._trace.last_fact(number, VALUE, position), number) for number in self.numbers]
        known = [(fact, number) for fact, number in facts if fact is not None]
        return self._trace.value_at(max(known)[1], position) if known else None

    def at(self, position: int) -> Any:
        """Its values then (nested lists), or an `Omitted` with the reason."""
        value = self.value(position)
        if value is None:
            return Omitted(f"{self.name} had not been seen at {position}")
        values = value.values
        return Omitted(value.omitted or "not kept") if values is None else values

    def history(self) -> History:
        """Every value that it has had: where it was made, and where it changed."""
        return History(self._trace, self.name, self._writes(VALUE, self.numbers), VALUE)

    def grad_history(self) -> History:
        """Every `.grad` that it has had, None among them. ValueError for a tensor that is no leaf."""
        leaves = tuple(number for number in self.numbers if number in self._trace.leaves)
        if not leaves:
            raise ValueError(f"{self.name} is no leaf: it has no .grad; trace.find(kind='backward') has its gradients")
        return History(self._trace, f"{self.name}.grad", self._writes(GRAD, leaves), GRAD)

    def _writes(self, field: int, numbers: tuple[int, ...]) -> list[tuple[int, int]]:
        facts = self._trace.facts
        end = self._trace.end
        found = {(int(at), number) for number in numbers for at in facts.positions(number, field) if at < end}
        return sorted(found - {write for write in found if field == VALUE and self._is_part_of(write, found)})

    def _is_part_of(self, write: tuple[int, int], found: set[tuple[int, int]]) -> bool:
        """Whether the op made a tensor as a part of one that gave the same tensor on: that is told once."""
        position, number = write
        if number in self._trace.leaves:
            return False
        event = self._trace.event(position)
        return isinstance(event, ForwardEvent) and event.parent is not None and (event.parent, number) in found

    def __repr__(self) -> str:
        last = self.value(self._trace.end - 1)
        count = sum(len(self._trace.facts.positions(number, VALUE)) for number in self.numbers)
        return f"<tensor {shortly_name(self.name)}: {shortly(last)}, {count:,} values over time>"


class GradHistory(TensorHistory):
    """What is known of a leaf's `.grad` over time: of whichever tensor it then was."""

    def value(self, position: int) -> Value | None:
        return self._trace.grad_at(self.numbers[0], position)

    def at(self, position: int) -> Any:
        if self.value(position) is None:
            return Omitted(f"{self.name} is None at {position}, or had not been seen by then")
        return super().at(position)

    def history(self) -> History:
        """Every gradient that the leaf has had, None among them."""
        return History(self._trace, self.name, self._writes(GRAD, self.numbers), GRAD)


@dataclass(frozen=True, slots=True)
class Loss:
    """What a backward pass started from, where that is one number."""

    iteration: int | None
    position: int
    value: float


class Curve(Sequence[Loss]):
    """The loss over the run: a point for each backward pass that started from one number."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._losses = [(position, loss) for position, loss in trace.losses if position < trace.end]

    def __len__(self) -> int:
        return len(self._losses)

    @overload
    def __getitem__(self, index: int) -> Loss: ...
    @overload
    def __getitem__(self, index: slice) -> list[Loss]: ...
    def __getitem__(self, index: int | slice) -> Loss | list[Loss]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        position, value = self._losses[within(index, len(self), "losses")]
        return Loss(self._trace.iteration_at(position), position, value)

    @property
    def values(self) -> np.ndarray[Any, Any]:
        """The losses alone, as an array."""
        return np.array([loss for _, loss in self._losses])

    def to_pandas(self) -> Any:
        """A DataFrame with a row a backward pass: `iteration`, `position`, `loss`."""
        return table([(loss.iteration, loss.position, loss.value) for loss in self], ("iteration", "position", "loss"))

    def __repr__(self) -> str:
        if not self._losses:
            return "<loss: none was recorded>"
        first, last = number_text(self._losses[0][1]), number_text(self._losses[-1][1])
        return f"<loss over {len(self):,} backward passes: {first} to {last}>"


def within(index: int, count: int, what: str) -> int:
    """The index, where there is such a one; IndexError says how many there are."""
    if not -count <= index < count:
        raise IndexError(f"no index {index} among {count:,} {what}")
    return index


def shortly_name(name: str) -> str:
    """A name in a repr: what a hostile one has in it cannot act on a terminal."""
    return name if name.isprintable() and len(name) <= 80 else repr(name[:80])
