"""Takes in what a recorder sends, parcel by parcel, and writes it in batches."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from backstep.trace import records as r
from backstep.trace.batch import GRAD, KIND_CODE, VALUE, BatchBuilder, remember
from backstep.trace.file import TraceWriter
from backstep.trace.moments import Moments
from backstep.trace.sketch import Sketching
from backstep.writer.flight import Flight
from backstep.writer.parcel import BYTES, EVENT, FACT, HEADS, PIECE, SKETCH, VALUES, array_of
from backstep.writer.ring import FULL, STOPPED, WRITTEN, Ring
from backstep.writer.sweeps import Sweeps
from backstep.writer.until import EVER, Until

BATCH_BYTES = 1 << 20
BATCH_EVENTS = 4096
INTERVAL = 0.1
"""Seconds between two batches, so that a reader can follow."""

FORWARD, BACKWARD_START = KIND_CODE["forward"], KIND_CODE["backward_start"]
ACCUMULATE, ZERO_GRAD, UPDATE = KIND_CODE["accumulate"], KIND_CODE["zero_grad"], KIND_CODE["update"]

decode = msgspec.msgpack.decode


class Intake:
    """The writing end. What it has written, and that the file is full, it says in the ring's head."""

    def __init__(
        self, writer: TraceWriter, ring: Ring, *, keep_last: int | None, max_size: int | None, stop_when: str | None
    ) -> None:
        self._writer = writer
        self._ring = ring
        self._builder = BatchBuilder(writer, refer_back=keep_last is None)
        self._flight = None if keep_last is None else Flight(writer, keep_last)
        self._max_size = max_size
        self._until = None if stop_when is None else Until(writer, stop_when)
        self._untold: list[tuple[int, str, tuple[int, ...]]] = []
        """What the flight recorder is not told before it is known whether the recording has ended: position, what."""
        self._holes: list[tuple[int, int]] = []
        self._watched: set[int] = set()
        """The leaves, and the buffers of modules."""
        self._seen: dict[int, tuple[Any, int]] = {}
        """What they were when they were seen last."""
        self._pieces: list[bytes] = []
        self._sweeps = Sweeps()
        self._singles: OrderedDict[int, float] = OrderedDict()
        """Of tensors of several dimensions with one number that came last: payload, number."""
        self._large: Large | None = None
        """The tensor of which more pieces are to come."""
        self._flushed = time.monotonic()
        self.finished = False
        """The last words have been written and the file is closed."""

    def take(self, parcel: bytes) -> None:
        """Takes in all that a parcel says."""
        place, end = 0, len(parcel)
        while place < end:
            tag = parcel[place]
            head = HEADS[tag].unpack_from(parcel, place)
            place += HEADS[tag].size
            if tag == EVENT:
                _, *columns, size = head
                self._event(columns, parcel[place : place + size])
            elif tag == FACT:
                _, size = head
                name, *fact = decode(parcel[place : place + size])
                getattr(self, f"_{name}")(*fact)
            elif tag == BYTES:
                _, dtype, keep, elements, columns, size = head
                self._numbers(array_of(parcel[place : place + size], dtype), keep, elements, columns)
            else:
                _, dtype, keep, elements, columns, offset, size = head
                array = array_of(self._ring.piece(offset, size), dtype)
                if tag == PIECE:
                    self._piece(array, keep, elements, columns)
                else:
                    self._numbers(array, keep, elements, columns)
                self._ring.free(offset, size)
                size = 0
            place += size
            if self._builder.size > BATCH_BYTES or self._builder.count >= BATCH_EVENTS:
                self.flush()

    def rest(self) -> None:
        """Nothing more is there for now: what has been taken in is written, if it is time."""
        if time.monotonic() - self._flushed >= INTERVAL:
            self.flush()

    def flush(self, header: dict[str, Any] | None = None) -> None:
        """Writes what has been taken in as a batch, with these changes of the header."""
        flight = self._flight
        if flight is not None and flight.holes != self._holes:
            self._holes = flight.holes
            header = {"dropped": self._holes, **(header or {})}
        flushed = self._builder.flush(header)
        if self._until is not None and flushed is not None:
            self._look_for_end(self._until)
        if self._flight is not None and flushed is not None:
            self._flight.wrote(flushed)
        self._ring.put_word(WRITTEN, self._builder.position)
        if self._max_size is not None and self._writer.size >= self._max_size:
            self._ring.put_word(FULL, 1)
        self._flushed = time.monotonic()

    def _look_for_end(self, until: Until) -> None:
        """Where it is found, what was recorded after it is no part of the trace."""
        end = until.look()
        for position, name, arguments in self._untold:
            if self._flight is not None and (end is None or position <= end):
                getattr(self._flight, name)(*arguments)
        self._untold.clear()
        if end is not None:
            holes = [] if self._flight is None else self._flight.holes
            stopped = f"{until.text} held (--stop-when)"
            self._writer.write_header({"dropped": [*holes, (end + 1, EVER)], "stopped": stopped})
            self._ring.put_word(FULL, end + STOPPED)
            self._until = self._flight = None

    def _tell_flight(self, name: str, *arguments: int) -> None:
        if self._flight is None:
            return
        if self._until is None:
            getattr(self._flight, name)(*arguments)
        else:
            self._untold.append((self._builder.position, name, arguments))

    def finish(self, header: dict[str, Any] | None = None) -> None:
        """Writes the rest, with the last words if there were any, and closes the file."""
        self._end_sweep()
        self.flush(header)
        self._writer.close()
        self.finished = True

    # numbers

    def _piece(self, array: npt.NDArray[Any], keep: int, elements: int, columns: int) -> None:
        if keep == VALUES:
            self._pieces.append(array.tobytes())
        else:
            self._large = self._large or Large(elements, columns, sketch=keep == SKETCH)
            self._large.add(array)

    def _numbers(self, array: npt.NDArray[Any], keep: int, elements: int, columns: int) -> None:
        """All numbers of a tensor, or the last of them."""
        if keep == VALUES:
            row = r.PayloadRow(array.dtype.str, b"".join([*self._pieces, array.tobytes()]), None)
            self._pieces.clear()
            self._look_for_nan(lambda: bool(array.dtype.kind in "fc" and np.isnan(array).any()))
        else:
            large, self._large = self._large or Large(elements, columns, sketch=keep == SKETCH), None
            large.add(array)
            row = large.row(array.dtype.str)
            summary = row.summary
            self._look_for_nan(lambda: summary is not None and summary.nan > 0)
        payload = self._builder.payload(row)
        self._sweeps.numbers(payload, row)
        if elements == 1 and array.dtype.kind == "f":
            remember(self._singles, payload, float(array[0]))

    def _look_for_nan(self, found: Callable[[], bool]) -> None:
        if self._flight is not None and not self._flight.pinned and found():
            self._tell_flight("found_nan")

    # events

    def _event(self, columns: list[int], encoded: bytes) -> None:
        builder = self._builder
        kind, subject = columns[0], columns[6]
        if kind != UPDATE:
            self._end_sweep()
        if kind == FORWARD:
            row = decode(encoded)
            self._facts_of_forward(row[3], row[4])
        elif kind == UPDATE:
            builder.fact(subject, VALUE)
            row = decode(encoded)
            self._seen[subject] = self._content(row[4])
            self._sweeps.update(builder.position, row)
        elif ACCUMULATE <= kind <= ZERO_GRAD:
            builder.fact(subject, GRAD)
        elif kind == BACKWARD_START:
            roots = decode(encoded)[3]
            loss = self._single_number(roots[0]) if len(roots) == 1 else None
            if loss is not None:
                builder.losses.append((builder.position, loss))
        self._look_for_nan(lambda: has_nan(decode(encoded)))
        builder.put_encoded(columns, encoded)

    def _single_number(self, value: Any) -> float | None:
        """The only number of a tensor, whatever its shape."""
        number = self._singles.get(value[5]) if value[4] is None else value[4]
        return number if isinstance(number, float) else None

    def _end_sweep(self) -> None:
        sweep = self._sweeps.end()
        if sweep is not None:
            self._builder.updates.append(sweep)

    def _facts_of_forward(self, inputs: Any, outputs: Any) -> None:
        watched = self._watched
        for value in inputs:
            # What changed unseen (through `.data`, numpy, in a batch norm) shows its new value where it is used next.
            if value[0] in watched:
                content = self._content(value)
                if self._seen.get(value[0]) != content:
                    self._seen[value[0]] = content
                    self._builder.fact(value[0], VALUE)
        for value in outputs:
            self._builder.fact(value[0], VALUE)
            if value[0] in watched:
                self._seen[value[0]] = self._content(value)

    def _content(self, value: Any) -> tuple[Any, int]:
        """What tells whether a tensor has changed: its only number, or the payload that first had these numbers."""
        return value[4], self._builder.first_equal(value[5])

    # facts

    def _strings(self, things: list[str]) -> None:
        self._builder.strings.add(things)

    def _metas(self, things: list[Any]) -> None:
        self._builder.metas.add(msgspec.convert(things, list[r.Meta]))

    def _sites(self, things: list[Any]) -> None:
        self._builder.sites.add(msgspec.convert(things, list[r.SiteRow]))

    def _places(self, things: list[Any]) -> None:
        self._builder.places.add(msgspec.convert(things, list[r.PlaceRow]))

    def _flush(self) -> None:
        """Somebody waits for what has been sent so far."""
        self.flush()

    def _finish(self, header: dict[str, Any]) -> None:
        """The recording is over."""
        self.finish(header)

    def _reach(self, payload: int) -> None:
        """The next event needs this payload again."""
        self._builder.reach(payload)

    def _fetch(self) -> None:
        """The training loop asks its iterator: if there is another element, the iteration begins here."""
        self._tell_flight("fetches", self._builder.position)

    def _iteration(self, number: int) -> None:
        """An iteration begins with the next event."""
        self._tell_flight("begins", number, self._builder.position)

    def _leaf(self, number: int, name: int) -> None:
        self._watched.add(number)
        self._builder.leaves.append((number, name))

    def _buffer(self, number: int) -> None:
        self._watched.add(number)

    def _name(self, number: int, name: int) -> None:
        self._builder.names.append((number, name))

    def _grad_of(self, number: int, leaf: int) -> None:
        self._builder.grads.append((number, leaf))

    def _optimizer(self, number: int, name: int, place: int, leaves: list[int]) -> None:
        self._builder.optimizers.append((number, name, place, tuple(leaves)))

    def _step(self, number: int, place: int) -> None:
        self._builder.steps.append((self._builder.position, number, place))

    def _derivative(self, name: int, schema: int, formulas: list[list[int]]) -> None:
        told = tuple((argument, formula) for argument, formula in formulas)
        self._builder.derivatives.append((name, schema, told))

    def _begin(
        self, parent: int, loop: int, head: int, index: int, name: int, value: int | None, pending: bool
    ) -> None:
        self._builder.contexts.append(r.ContextRow(parent, loop, head, index, name, value, pending))

    def _bind(self, context: int, name: int, value: int | None) -> None:
        self._builder.context_values.append((context, name, value))

    def _source(self, file: str, text: str) -> None:
        self._writer.write_source(file, text)


class Large:
    """A tensor too large to be kept, on its way through."""

    def __init__(self, elements: int, columns: int, *, sketch: bool) -> None:
        self._moments = Moments()
        self._sketching = Sketching(elements, columns) if sketch and elements > 1 else None

    def add(self, array: npt.NDArray[Any]) -> None:
        """Takes in the next of its numbers."""
        odd = self._moments.odd
        self._moments.add(array)
        if self._sketching is not None:
            self._sketching.add(array, finite=self._moments.odd == odd)

    def row(self, dtype: str) -> r.PayloadRow:
        summary = self._moments.row()
        sketch = None if self._sketching is None else self._sketching.row(summary)
        return r.PayloadRow(dtype, None, summary, sketch=sketch)


def has_nan(row: Any) -> bool:
    """Whether a single number in an event is NaN; of larger tensors their payloads tell."""
    if isinstance(row, list):
        return any(map(has_nan, row))
    return isinstance(row, float) and row != row
