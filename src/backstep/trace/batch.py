"""A batch on its way to the file: rows become one blob, texts and payloads become numbers, equal ones once."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Hashable
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

FACT = np.dtype([("tensor", "<i8"), ("field", "u1"), ("position", "<i8")])
"""Where a tensor (`field` 0) or its `.grad` (`field` 1) got the value that it then had."""
VALUE, GRAD = 0, 1

REMEMBERED_PAYLOADS = 1 << 15
"""How many of the last payloads are known by their content, so that an equal one is stored once."""

KIND_CODE = {name: code for code, name in enumerate(KINDS)}
PHASE_CODE = {name: code for code, name in enumerate(PHASES)}
T = TypeVar("T", bound=Hashable)


class Interned(Generic[T]):
    """Numbers for equal things, given once; `fresh` are those that no batch has taken yet."""

    def __init__(self, none: T | None = None) -> None:
        self._numbers: dict[T, int] = {}
        self.fresh: list[T] = []
        if none is not None:
            self._numbers[none] = 0

    def number(self, thing: T) -> int:
        number = self._numbers.get(thing)
        if number is None:
            number = self._numbers[thing] = len(self._numbers)
            self.fresh.append(thing)
        return number

    def take(self) -> tuple[T, ...]:
        taken, self.fresh = tuple(self.fresh), []
        return taken


class BatchBuilder:
    """Collects events and writes them as one batch. The tables grow with the source, not with the run,
    but for `contexts`, which has a small row for each pass of a loop and forgets it once it is written."""

    def __init__(self, writer: TraceWriter) -> None:
        self._writer = writer
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
        self.position = 0
        self._batch = 0
        self._begin()
        self._payload_base = 0
        self._known: OrderedDict[bytes, int] = OrderedDict()

    def _begin(self) -> None:
        self._first = self.position
        self._columns: list[tuple[int, int, int, int, int, int, int, int]] = []
        self._facts: list[tuple[int, int, int]] = []
        self._events = bytearray()
        self._payloads = bytearray()
        self._offsets: list[int] = [0]

    @property
    def size(self) -> int:
        """Bytes collected for this batch."""
        return len(self._events) + len(self._payloads)

    @property
    def count(self) -> int:
        """Events collected for this batch."""
        return len(self._columns)

    def payload(self, row: PayloadRow) -> int:
        """The number of this payload: the old one's if an equal one was stored not long ago."""
        encoded = self._encoder.encode(row)
        key = encoded if len(encoded) <= 64 else hashlib.blake2b(encoded, digest_size=16).digest()
        number = self._known.get(key)
        if number is not None:
            self._known.move_to_end(key)
            return number
        number = self._payload_base + len(self._offsets) - 1
        self._payloads += encoded
        self._offsets.append(len(self._payloads))
        self._known[key] = number
        if len(self._known) > REMEMBERED_PAYLOADS:
            self._known.popitem(last=False)
        return number

    def fact(self, tensor: int, field: int) -> None:
        """The event that is added next gives this tensor's value or `.grad`."""
        self._facts.append((tensor, field, self.position))

    def add(
        self, row: EventRow, *, phase: str, place: int = 0, context: int = 0, module: int = 0, subject: int = -1,
        extent: int = 0,
    ) -> int:  # fmt: skip
        """Adds an event; returns its position."""
        kind = KIND_CODE[row.__struct_config__.tag]  # type: ignore[index]
        self._columns.append(
            (kind, PHASE_CODE[phase], min(extent, 65535), place, context, module, subject, len(self._events))
        )
        self._events += self._encoder.encode(row)
        self.position += 1
        return self.position - 1

    def flush(self, header: dict[str, Any] | None = None) -> None:
        """Writes what was collected, with these changes of the header, as one transaction."""
        tables = Tables(
            self.strings.take(),
            self.metas.take(),
            self.sites.take(),
            self.places.take(),
            tuple(self.contexts),
            tuple(self.context_values),
            tuple(self.leaves),
            tuple(self.names),
            tuple(self.grads),
            tuple(self.losses),
        )
        for rows in (self.contexts, self.context_values, self.leaves, self.names, self.grads, self.losses):
            rows.clear()
        if not self._columns and tables == Tables() and not header:
            return
        self._batch += 1
        batch = Batch(
            self._batch,
            self._first,
            len(self._columns),
            np.array(self._columns, COLUMNS).tobytes(),
            np.array(self._facts, FACT).tobytes(),
            self._encoder.encode(tables),
        )
        count = len(self._offsets) - 1
        payloads = None
        if count:
            offsets = np.array(self._offsets, "<u4").tobytes()
            payloads = (self._payload_base, count, offsets, bytes(self._payloads))
            self._payload_base += count
        events = bytes(self._events)
        self._begin()
        self._writer.write_batch(batch, events, payloads, header or {})
