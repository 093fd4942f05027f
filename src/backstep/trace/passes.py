"""The iterations of a training and the backward passes in them, as one walks through them in a program."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from backstep.trace.batch import KIND_CODE
from backstep.trace.event import AccumulateEvent, BackwardEvent, BackwardStartEvent, Event, UpdateEvent
from backstep.trace.told import clean, number_text

if TYPE_CHECKING:
    from backstep.trace.trace import Trace


class BackwardPass:
    """One run of the engine: `number` is the `pass` of its events."""

    def __init__(self, trace: Trace, start: int, last: int) -> None:
        """`start` and `last`: positions of its first event and of the last one that may be part of it."""
        event = trace.event(start)
        assert isinstance(event, BackwardStartEvent)
        self.start = event
        """How it began: `roots`, `seeds`, `api`."""
        self._trace, self._last = trace, last

    @property
    def number(self) -> int:
        return self.start.pass_

    @property
    def nodes(self) -> list[BackwardEvent]:
        """The nodes that ran, in the order in which they did."""
        events = self._events("backward")
        return [event for event in events if isinstance(event, BackwardEvent) and event.pass_ == self.number]

    @property
    def accumulations(self) -> list[AccumulateEvent]:
        """What arrived at each leaf."""
        return [event for event in self._events("accumulate") if isinstance(event, AccumulateEvent)]

    @property
    def loss(self) -> float | None:
        """What it started from, where that is one number."""
        return self.start.roots[0].scalar if len(self.start.roots) == 1 else None

    def _events(self, kind: str) -> Iterator[Event]:
        first = self.start.position
        kinds = self._trace.columns["kind"][first : self._last + 1]
        for offset in np.flatnonzero(kinds == KIND_CODE[kind]).tolist():
            yield self._trace.event(first + offset)

    def __repr__(self) -> str:
        loss = "" if self.loss is None else f", loss {number_text(self.loss)}"
        roots = ", ".join(clean(root.name) for root in self.start.roots[:2])
        return f"<backward pass {self.number} from {roots}, {len(self.nodes):,} nodes{loss}>"


class Iteration:
    """One iteration of the training: a pass of its loop."""

    def __init__(self, trace: Trace, number: int, positions: np.ndarray[Any, Any]) -> None:
        self.number = number
        self.positions = positions
        """The positions of its events, ascending."""
        self._trace = trace

    @property
    def events(self) -> list[Event]:
        return [self._trace.event(at) for at in self.positions.tolist()]

    @property
    def loops(self) -> dict[str, int]:
        """The own variables of the loops around all of it: `{"epoch": 1, "batch": 3}`."""
        _, first = np.unique(self._trace.columns["context"][self.positions], return_index=True)
        inside = [self._trace.loops_at(at) for at in self.positions[np.sort(first)].tolist()]
        return {name: value for name, value in inside[0].items() if all(one.get(name) == value for one in inside)}

    @property
    def backward_passes(self) -> list[BackwardPass]:
        starts = self._of_kind("backward_start")
        ends = [*(at - 1 for at in starts[1:]), int(self.positions[-1])]
        pairs = zip(starts, ends, strict=True)
        return [BackwardPass(self._trace, start, self._end(start, last)) for start, last in pairs]

    def _end(self, start: int, last: int) -> int:
        """A pass inside another one does not end that."""
        number = int(self._trace.columns["subject"][start])
        columns = self._trace.columns[start : int(self.positions[-1]) + 1]
        ended = np.flatnonzero((columns["kind"] == KIND_CODE["backward_end"]) & (columns["subject"] == number))
        return start + int(ended[0]) if len(ended) else last

    @property
    def updates(self) -> list[UpdateEvent]:
        return [event for at in self._of_kind("update") if isinstance(event := self._trace.event(at), UpdateEvent)]

    @property
    def loss(self) -> float | None:
        """What its last backward pass started from, where that is one number."""
        passes = self.backward_passes
        return passes[-1].loss if passes else None

    def _of_kind(self, kind: str) -> list[int]:
        kinds = self._trace.columns["kind"][self.positions]
        found: list[int] = self.positions[kinds == KIND_CODE[kind]].tolist()
        return found

    def __repr__(self) -> str:
        loops = "".join(f", {clean(name)} {value}" for name, value in self.loops.items())
        loss = "" if self.loss is None else f", loss {number_text(self.loss)}"
        return f"<iteration {self.number}{loops}: {len(self.positions):,} events{loss}>"


class IterationList(Sequence[Iteration]):
    """The iterations of which events were recorded, in order."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        contexts = trace.columns["context"][: trace.end]
        numbers = np.array([-1 if n is None else n for n in trace.contexts.numbers], np.int64)
        of_events = numbers[contexts] if len(contexts) else np.empty(0, np.int64)
        order = np.argsort(of_events, kind="stable")
        self._numbers, starts = np.unique(of_events[order], return_index=True)
        self._groups = np.split(order, starts[1:]) if len(starts) else []
        if len(self._numbers) and self._numbers[0] < 0:
            self._numbers, self._groups = self._numbers[1:], self._groups[1:]

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> Iteration: ...
    @overload
    def __getitem__(self, index: slice) -> list[Iteration]: ...
    def __getitem__(self, index: int | slice) -> Iteration | list[Iteration]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"no iteration {index}: {len(self)} were recorded")
        return Iteration(self._trace, int(self._numbers[index]), self._groups[index])

    def numbered(self, number: int) -> Iteration:
        """The iteration of this number: not the same as the index where only some were recorded."""
        at = int(np.searchsorted(self._numbers, number))
        if at == len(self) or self._numbers[at] != number:
            raise KeyError(f"iteration {number} was not recorded")
        return self[at]

    def __repr__(self) -> str:
        if not len(self):
            return "<no iterations: no backward pass in a loop>"
        return f"<{len(self):,} iterations, {self._numbers[0]} to {self._numbers[-1]}>"
