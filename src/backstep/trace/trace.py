"""A trace, read: events by position, tensors by name, and what hindsight tells (iterations, names, hooks).

On opening only the columns and tables are read; an event is decoded, and a payload fetched, when it is asked
for. `refresh` takes in what a running recorder has added. Several threads may read one trace.
"""

from __future__ import annotations

import difflib
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from backstep.trace.batch import GRAD, KIND_CODE, VALUE
from backstep.trace.decode import decode_event
from backstep.trace.event import AccumulateEvent, Array, Event, Value, values_of
from backstep.trace.facts import small
from backstep.trace.file import TraceError
from backstep.trace.history import Curve, GradHistory, TensorHistory
from backstep.trace.hooked import find_hooked, rows_of_pass
from backstep.trace.passes import IterationList
from backstep.trace.stored import Stored
from backstep.trace.tables import events_table

CACHED_EVENTS = 4096


class Trace(Stored):
    """A recording, finished or growing. Positions and iterations count from 0, as everywhere.

    `events` is a lazy sequence of everything that happened; `find` asks for some of it:

    >>> trace.events[0]
    <#0 ...>
    >>> [event.position for event in trace.find(kind="update", tensor="weight")] == [
    ...     event.position for event in trace.events if event.kind == "update" and event.tensor == "weight"
    ... ]
    True

    A tensor over time, and its gradient:

    >>> weight = trace.tensor("weight")
    >>> weight.at(len(trace) - 1) == weight.history()[-1].values
    True
    >>> [point.event.kind for point in weight.grad_history()][:3]
    ['accumulate', 'accumulate', 'zero_grad']

    The training:

    >>> trace.iterations
    <4 iterations, 0 to 3>
    >>> trace.iterations[3].backward_passes[0].nodes[0].op
    'MeanBackward0'
    >>> trace.loss
    <loss over 8 backward passes: ... to ...>

    What was not kept is falsy and says why; a name that is not known raises KeyError with the nearest ones.
    """

    @property
    def events(self) -> Sequence[Event]:
        return Events(self)

    @property
    def iterations(self) -> IterationList:
        """The iterations of the training: `trace.iterations[3].backward_passes[0].nodes`."""
        return IterationList(self)

    @property
    def loss(self) -> Curve:
        """The loss over the run."""
        return Curve(self)

    def to_pandas(self) -> Any:
        """A DataFrame with a row an event. ImportError without pandas."""
        return events_table(self)

    def event(self, position: int) -> Event:
        """The event at a position. IndexError outside the trace."""
        with self._lock:
            event = self._event_cache.get(position)
            if event is not None:
                return event
            if not 0 <= position < self._count:
                raise IndexError(f"no event {position} in a trace of {self._count}")
            row = self.row(position)
            try:
                event = decode_event(self, position, row)
            except (LookupError, TypeError, ValueError, OverflowError) as error:
                raise TraceError(f"{self.path}: event {position} is damaged: {error}") from None
            if len(self._event_cache) >= CACHED_EVENTS:
                self._event_cache.clear()
            self._event_cache[position] = event
            return event

    def name(self, tensor: int, name: int) -> str:
        """What the author would call this tensor: `name` is what was known when the event was recorded."""
        leaf = self.leaves.get(tensor)
        if leaf is not None:
            return leaf
        owner = self.grads.get(tensor)
        if owner is not None and owner in self.leaves:
            return f"{self.leaves[owner]}.grad"
        return self.strings[self._names.get(tensor, name)]

    def number(self, tensor: str | int) -> int:
        """The number of a tensor given by name or number; KeyError with the nearest names."""
        if not isinstance(tensor, (str, int)):
            raise TypeError(f"a tensor is asked for by its name or its number, not by {tensor!r}")
        if isinstance(tensor, int):
            known = tensor in self.leaves or tensor in self.grads or len(self.facts.positions(tensor, VALUE)) > 0
            if not known:
                raise KeyError(f"no tensor {tensor} in this trace")
            return tensor
        for number, name in self.leaves.items():
            if name == tensor:
                return number
        if tensor.endswith(".grad"):
            owner = self.number(tensor.removesuffix(".grad"))
            numbers = [*self.grads.of(owner)]
            if numbers:
                return numbers[-1]
        numbers = self._values_named(tensor)
        if numbers:
            return numbers[-1]
        near = difflib.get_close_matches(tensor, self.known_names(), n=3, cutoff=0.4)
        hint = f"; nearest: {', '.join(near)}" if near else ""
        raise KeyError(f"no tensor named {tensor!r} in this trace{hint}")

    def known_names(self) -> list[str]:
        """Every name that a value of this trace has."""
        names = dict.fromkeys(self.leaves.values())
        for event in self.find(kind="forward"):
            names.update(dict.fromkeys(value.name for value in (*event.outputs, *event.inputs)))
        return list(names)

    def _values_named(self, name: str) -> list[int]:
        if name not in self.strings:
            return []
        numbers: dict[int, None] = {}
        for event in self.find(kind="forward"):
            for value in (*event.inputs, *event.outputs):
                if value.name == name:
                    numbers[value.tensor] = None
        return list(numbers)

    def tensor(self, tensor: str | int) -> TensorHistory:
        """The history of a tensor, by name (all tensors that bear it) or by number."""
        number = self.number(tensor)
        owner = self.grads.get(number)
        if owner is not None and not len(self.facts.positions(number, VALUE)):
            return GradHistory(self, self.name(number, 0), (owner,))
        if isinstance(tensor, str) and number not in self.leaves:
            return TensorHistory(self, tensor, tuple(self._values_named(tensor)))
        return TensorHistory(self, self.leaves.get(number, str(tensor)), (number,))

    def find(self, *, mentions: str | int | None = None, **fields: Any) -> Iterator[Event]:
        """Events whose top-level fields equal these; `mentions` is a tensor anywhere in the event."""
        numbers: frozenset[int] | None = None
        if mentions is not None:
            self.number(mentions)
            named = self._values_named(mentions) if isinstance(mentions, str) else []
            numbers = frozenset([self.number(mentions), *named])
        if "tensor" in fields:
            fields = dict(fields)
            fields["number"] = self.number(fields.pop("tensor"))
        return self._find(numbers, fields)

    def _find(self, numbers: frozenset[int] | None, fields: dict[str, Any]) -> Iterator[Event]:
        with self._lock:
            span = self._columns[self._first : self._first + len(self)]
            chosen = np.ones(len(span), bool)
            if "kind" in fields:
                chosen &= span["kind"] == KIND_CODE.get(fields["kind"], 255)
            if "number" in fields:
                writing = [KIND_CODE[k] for k in ("accumulate", "grad_write", "zero_grad", "update")]
                chosen &= np.isin(span["kind"], writing) & (span["subject"] == fields["number"])
            positions = (np.flatnonzero(chosen) + self._first).tolist()
        for position in positions:
            event = self.event(position)
            if any(name not in event or event[name] != wanted for name, wanted in fields.items()):
                continue
            if (
                numbers is None
                or any(value.tensor in numbers for value in values_of(event))
                or (isinstance(event, AccumulateEvent) and event.number in numbers)
            ):
                yield event

    def formulas(self, node: str, edges: int) -> tuple[str | None, ...]:
        """PyTorch's own formula of each edge of a kind of node that has so many; None where there is none."""
        known = self._formulas.get((node, edges))
        if known is None:
            derivative = self.derivatives.get(node)
            of_edges = [None if derivative is None else derivative.of_edge(edge, edges) for edge in range(edges)]
            known = tuple(None if told is None else told[1] for told in of_edges)
            if derivative is not None:
                self._formulas[node, edges] = known
        return known

    def forward_of(self, node: int) -> int | None:
        """The position of the op that made a node."""
        with self._lock:
            if self._node_forward is None or self._node_forward[0] != self._count:
                made = (self._columns["kind"] == KIND_CODE["forward"]) & (self._columns["extent"] > 0)
                self._node_forward = (self._count, *self._by_subject(made))
            _, nodes, rows = self._node_forward
        at = bisect_right(nodes, node) - 1
        if at < 0 or node >= int(nodes[at]) + int(self._columns["extent"][rows[at]]):
            return None
        return int(rows[at])

    def backwards_of(self, node: int) -> list[int]:
        """The positions at which a node ran, ascending."""
        with self._lock:
            if self._node_backward is None or self._node_backward[0] != self._count:
                ran = self._columns["kind"] == KIND_CODE["backward"]
                self._node_backward = (self._count, *self._by_subject(ran))
            _, nodes, rows = self._node_backward
        return [int(row) for row in rows[bisect_left(nodes, node) : bisect_right(nodes, node)]]

    def _by_subject(self, mask: npt.NDArray[np.bool_]) -> tuple[Array, Array]:
        """The subjects of some events, ascending, and their positions."""
        rows = small(np.flatnonzero(mask))
        subjects = small(self._columns["subject"][rows])
        if (subjects[1:] < subjects[:-1]).any():
            order = np.argsort(subjects, kind="stable")
            subjects, rows = subjects[order], rows[order]
        return subjects, rows

    def span_of_pass(self, position: int) -> tuple[int, int]:
        """The positions of the start and the end of the backward pass around a position; outside of one, itself twice.

        A pass inside another (checkpointing does so) is one of its own; a pass that was cut off ends before the next.
        """
        with self._lock:
            starts, ends, reach = self._pass_spans()
            at = int(np.searchsorted(starts, position, "right")) - 1
            if at < 0 or reach[at] < position:
                return position, position
            while ends[at] < position:
                at -= 1
            return int(starts[at]), int(ends[at])

    def _pass_spans(self) -> tuple[Array, Array, Array]:
        """Where each pass starts and ends, and how far the passes up to it reach."""
        if self._passes is None or self._passes[0] != self._count:
            kinds, subjects = self._columns["kind"], self._columns["subject"]
            starts = np.flatnonzero(kinds == KIND_CODE["backward_start"])
            closed = np.flatnonzero(kinds == KIND_CODE["backward_end"])
            closed = closed[np.argsort(subjects[closed], kind="stable")]
            ends = np.append(starts, self._count)[1:] - 1
            at = np.searchsorted(subjects[closed], subjects[starts])
            known = at < len(closed)
            known[known] = subjects[closed[at[known]]] == subjects[starts[known]]
            ends[known] = closed[at[known]]
            self._passes = (self._count, starts, ends, np.maximum.accumulate(ends))
        return self._passes[1:]

    def hooked_edges(self, position: int) -> frozenset[tuple[int, int]]:
        """The edges `(position, index)` of the backward pass around a position whose gradient a hook replaced."""
        with self._lock:
            start, end = self.span_of_pass(position)
            if self._hooked is None or self._hooked[:2] != (start, end):
                self._hooked = (start, end, find_hooked(self, rows_of_pass(self, start, end)))
            return self._hooked[2]

    def value_at(self, tensor: int, position: int) -> Value | None:
        """The tensor as it was after the event at `position`; None if it had not been seen by then."""
        fact = self.last_fact(tensor, VALUE, position)
        if fact is None:
            return None
        return next((value for value in values_of(self.event(fact)) if value.tensor == tensor), None)

    def grad_at(self, leaf: int, position: int) -> Value | None:
        """The leaf's `.grad` as it was after the event at `position`; None when it was None or not yet seen."""
        fact = self.last_fact(leaf, GRAD, position)
        return None if fact is None else self.event(fact)["after"]

    def __enter__(self) -> Trace:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Trace {self.path.name}: {len(self)} events, {self.header['exit']['status']}>"


class Events(Sequence[Event]):
    """The events of a trace, decoded when they are asked for."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace

    def __len__(self) -> int:
        return len(self._trace)

    @overload
    def __getitem__(self, index: int) -> Event: ...
    @overload
    def __getitem__(self, index: slice) -> list[Event]: ...
    def __getitem__(self, index: int | slice) -> Event | list[Event]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if index < 0:
            index += len(self)
        if not 0 <= index < len(self):
            raise IndexError(f"no event {index} in a trace of {len(self)}")
        return self._trace.event(self._trace._first + index)

    def __repr__(self) -> str:
        first, count = self._trace._first, len(self)
        return f"<{count:,} events, #{first} to #{first + count - 1}>" if count else "<no events>"


def load(path: str | Path) -> Trace:
    """Opens a trace. Raises `TraceError`, one line, for what is none."""
    return Trace(path)
