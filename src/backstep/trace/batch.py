"""A batch on its way to the file: rows become one blob, texts and payloads become numbers, equal ones once."""

from __future__ import annotations

import hashlib
import struct
import threading
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec
import numpy as np

from backstep.trace.file import Batch, TraceWriter
from backstep.trace.records import KINDS, PHASES, ContextRow, EventRow, Meta, PayloadRow, PlaceRow, SiteRow, Tables

COLUMNS = np.dtype(
    [
        ("kind", "u1"),
        ("phase", "u1"),
        ("extent", "<u2"),
        ("place", "<u4"),
        ("context", "<u4"),
        ("module", "<u4"),
        ("subject", "<i8"),
        ("offset", "<u4"),
    ]
)
"""What is read of every event when a trace opens. `subject`: the first node of a forward op (`extent` of them),
the node of a backward event, the pass of its start and end, the leaf of what writes one; else -1."""

PACK_COLUMNS = struct.Struct("<BBHIIIqI").pack
"""One event's columns."""

FACT = np.dtype([("tensor", "<i8"), ("field", "u1"), ("position", "<i8")])
"""Where a tensor (`field` 0) or its `.grad` (`field` 1) got the value that it then had."""
PACK_FACT = struct.Struct("<qBq").pack
VALUE, GRAD = 0, 1

REMEMBERED_PAYLOADS = 1 << 15
"""How many of the last payloads are known by their content, so that an equal one is stored once."""

LARGEST_EXTENT = 65535

KIND_CODE = {name: code for code, name in enumerate(KINDS)}
PHASE_CODE = {name: code for code, name in enumerate(PHASES)}
T = TypeVar("T", bound=Hashable)


class Interned(Generic[T]):
    """Numbers for equal things, given once, to any thread; `fresh` are those that no batch has taken yet."""

    def __init__(self, none: T | None = None) -> None:
        self._numbers: dict[T, int] = {}
        self._things: list[T] = []
        self._lock = threading.Lock()
        self.fresh: list[T] = []
        if none is not None:
            self._numbers[none] = 0
            self._things.append(none)

    def number(self, thing: T) -> int:
        number = self._numbers.get(thing)
        return self._new(thing) if number is None else number

    def _new(self, thing: T) -> int:
        with self._lock:
            number = self._numbers.get(thing)
            if number is None:
                number = len(self._numbers)
                self.fresh.append(thing)
                self._things.append(thing)
                self._numbers[thing] = number
            return number

    def thing(self, number: int) -> T:
        """What has this number."""
        return self._things[number]

    def add(self, things: list[T]) -> None:
        """Things that were numbered elsewhere, in this order."""
        self.fresh += things

    def take(self) -> tuple[T, ...]:
        """The things that no batch has taken yet."""
        if not self.fresh:
            return ()
        with self._lock:
            taken, self.fresh = tuple(self.fresh), []
        return taken


@dataclass(frozen=True, slots=True)
class Flushed:
    """A batch that was written: its events' positions, its row of payloads, and the earlier payloads it needs."""

    batch: int
    first: int
    count: int
    payloads: int | None
    reached: frozenset[int]


class BatchBuilder:
    """Collects events and writes them as one batch. The tables grow with the source, not with the run,
    but for `contexts`, which has a small row for each pass of a loop and forgets it once it is written."""

    def __init__(self, writer: TraceWriter, *, refer_back: bool = True) -> None:
        """`refer_back`: a payload may refer to an equal one of an earlier batch, which then must stay."""
        self._writer = writer
        self._refer_back = refer_back
        self._encoder = msgspec.msgpack.Encoder()
        self.strings: Interned[str] = Interned("")
        self.metas: Interned[Meta] = Interned()
        self.sites: Interned[SiteRow] = Interned()
        self.places: Interned[PlaceRow] = Interned(PlaceRow(-1, ()))
        self.contexts: list[ContextRow] = []
        self.context_values: list[tuple[int, int, int | None]] = []
        self.leaves: list[tuple[int, int]] = []
        self.names: list[tuple[int, int]] = []
        self.grads: list[tuple[int, int]] = []
        self.losses: list[tuple[int, float]] = []
        self.optimizers: list[tuple[int, int, int, tuple[int, ...]]] = []
        self.steps: list[tuple[int, int, int]] = []
        self.derivatives: list[tuple[int, int, tuple[tuple[int, int], ...]]] = []
        self.updates: list[tuple[int, float | None, float]] = []
        self.position = 0
        self._batch = 0
        self._begin()
        self._payload_base = 0
        self._reached: set[int] = set()
        self._recent: set[int] = set()
        """Payloads that the last batch needed, and one of its own: an event may stand a batch after its numbers."""
        self._known: OrderedDict[bytes, int] = OrderedDict()
        self._first_equal: OrderedDict[int, int] = OrderedDict()

    def _begin(self) -> None:
        self._first = self.position
        self.count = 0
        """Events collected for this batch."""
        self._columns = bytearray()
        self._facts = bytearray()
        self._events = bytearray()
        self._payloads = bytearray()
        self._offsets: list[int] = [0]

    @property
    def size(self) -> int:
        """Bytes collected for this batch."""
        return len(self._events) + len(self._payloads)

    def payload(self, row: PayloadRow) -> int:
        """Adds a payload; returns its number. One equal to another of not long ago takes a few bytes."""
        encoded = self._encoder.encode(row)
        key = encoded if len(encoded) <= 64 else hashlib.blake2b(encoded, digest_size=16).digest()
        number = self._payload_base + len(self._offsets) - 1
        earlier = self._known.get(key)
        if earlier is not None:
            remember(self._first_equal, number, self.first_equal(earlier))
        if earlier is not None and (self._refer_back or earlier >= self._payload_base):
            self._known.move_to_end(key)
            encoded = self._encoder.encode(PayloadRow("", None, None, earlier))
        else:
            remember(self._known, key, number)
        self._payloads += encoded
        self._offsets.append(len(self._payloads))
        return number

    def first_equal(self, number: int) -> int:
        """The first of the payloads that are equal to this one, as far as is remembered."""
        return self._first_equal.get(number, number)

    def reach(self, number: int) -> int:
        """An event that is added next needs this payload, which an earlier batch may hold; returns it."""
        if number < self._payload_base:
            self._reached.add(number)
        return number

    def fact(self, tensor: int, field: int) -> None:
        """The event that is added next gives this tensor's value or `.grad`."""
        self._facts += PACK_FACT(tensor, field, self.position)

    def add(
        self, row: EventRow, *, phase: str, place: int = 0, context: int = 0, module: int = 0, subject: int = -1,
        extent: int = 0,
    ) -> int:  # fmt: skip
        """Adds an event; returns its position."""
        kind = KIND_CODE[row.__struct_config__.tag]  # type: ignore[index]
        return self.put(kind, PHASE_CODE[phase], min(extent, LARGEST_EXTENT), place, context, module, subject, row)

    def put(
        self, kind: int, phase: int, extent: int, place: int, context: int, module: int, subject: int, row: Any
    ) -> int:  # fmt: skip
        """The same with everything numbered already; `row` is an event's row, or the tuple that it is encoded as."""
        return self.put_encoded((kind, phase, extent, place, context, module, subject), self._encoder.encode(row))

    def put_encoded(self, columns: Sequence[int], row: bytes) -> int:
        """The same with the columns in their order, and the row as it lies in the file."""
        self._columns += PACK_COLUMNS(*columns, len(self._events))
        self._events += row
        self.count += 1
        self.position += 1
        return self.position - 1

    def flush(self, header: dict[str, Any] | None = None) -> Flushed | None:
        """Writes what was collected, with these changes of the header, as one transaction; None if nothing was."""
        collected = (
            self.contexts, self.context_values, self.leaves, self.names, self.grads, self.losses, self.optimizers,
            self.steps, self.derivatives, self.updates,
        )  # fmt: skip
        interned = (self.strings.take(), self.metas.take(), self.sites.take(), self.places.take())
        tables = Tables(*interned, *map(tuple, collected))  # type: ignore[arg-type]
        for rows in collected:
            rows.clear()
        if not self._columns and tables == Tables() and not header:
            return None
        self._batch += 1
        batch = Batch(
            self._batch,
            self._first,
            self.count,
            bytes(self._columns),
            bytes(self._facts),
            self._encoder.encode(tables),
        )
        count = len(self._offsets) - 1
        payloads = None
        if count:
            offsets = np.array(self._offsets, "<u4").tobytes()
            payloads = (self._payload_base, count, offsets, bytes(self._payloads))
            self._payload_base += count
        events = bytes(self._events)
        row = payloads[0] if payloads else None
        flushed = Flushed(batch.id, batch.first, batch.count, row, frozenset(self._reached | self._recent))
        self._recent, self._reached = self._reached | (set() if row is None else {row}), set()
        self._begin()
        self._writer.write_batch(batch, events, payloads, header or {})
        return flushed


def remember(table: OrderedDict[Any, T], key: Hashable, thing: T) -> None:
    """Puts it in a table that forgets its oldest."""
    table[key] = thing
    if len(table) > REMEMBERED_PAYLOADS:
        table.popitem(last=False)
