"""What the columns say of an event, and events and payloads as they lie in the file."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import numpy as np

from backstep.trace.batch import KIND_CODE
from backstep.trace.event import Source
from backstep.trace.file import TraceError
from backstep.trace.loading import Columns, Loading
from backstep.trace.payload import Payload
from backstep.trace.records import (
    PHASES,
    Backward,
    EventRow,
    Forward,
    PayloadRow,
)

CACHED_BATCHES = 8


class Stored(Loading):
    """Looks up what is asked for, and keeps the batches that were read last."""

    @property
    def columns(self) -> Columns:
        """A row for each event: kind, phase, place, context, module, subject (see `batch.COLUMNS`)."""
        return self._columns

    def kind_at(self, position: int) -> int:
        return int(self._columns["kind"][position])

    def phase_at(self, position: int) -> str:
        return PHASES[self._columns["phase"][position]]

    def iteration_at(self, position: int) -> int | None:
        return self.contexts.number(int(self._columns["context"][position]))

    def loops_at(self, position: int) -> dict[str, int]:
        """The enclosing loops' variables, outermost first."""
        loops: dict[str, int] = {}
        seen: Counter[str] = Counter()
        for context in self.contexts.chain(int(self._columns["context"][position])):
            row = self.contexts.row(context)
            if row.pending:
                continue
            name = self.strings[row.name]
            seen[name] += 1
            if name in loops:
                name = f"{name}#{seen[name]}"
            loops[name] = row.index if row.value is None else row.value
        return loops

    def source_at(self, position: int) -> Source | None:
        """The script's own piece of source at a position."""
        place = self._places[self._columns["place"][position]]
        return None if place.site < 0 else self._site(place.site)

    def places(self) -> Iterator[tuple[int, Source]]:
        """The script's own piece of source at each place, by the number that `columns` has for it."""
        for number, place in enumerate(self._places):
            if place.site >= 0:
                yield number, self._site(place.site)

    def common(self, position: int) -> dict[str, Any]:
        """The fields that every event has."""
        column = self._columns[position]
        place = self._places[column["place"]]
        return {
            "position": position,
            "source": None if place.site < 0 else self._site(place.site),
            "stack": tuple(self._site(site) for site in place.stack),
            "module": self.strings[column["module"]] or None,
            "iteration": self.iteration_at(position),
            "loops": self.loops_at(position),
            "phase": PHASES[column["phase"]],
        }

    def row(self, position: int) -> EventRow:
        """The event as it lies in the file, undecoded."""
        batch = bisect_right(self._batch_first, position) - 1
        blob = self._event_blobs.get(batch)
        if blob is None:
            if len(self._event_blobs) >= CACHED_BATCHES:
                self._event_blobs.pop(next(iter(self._event_blobs)))
            blob = self._event_blobs[batch] = self._reader.events(self._batch_ids[batch])
        start = int(self._columns["offset"][position])
        end = self._end_of(batch, position)
        try:
            row: EventRow = self._decoder.decode(blob[start : end if end >= 0 else len(blob)])
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise TraceError(f"{self.path}: event {position} is damaged: {error}") from None
        if KIND_CODE[row.__struct_config__.tag] != self._columns["kind"][position]:  # type: ignore[index]
            raise TraceError(f"{self.path}: event {position} is damaged: it is not of the kind that it is said to be")
        return self._moved(row) if self._holes else row

    def _end_of(self, batch: int, position: int) -> int:
        """Where an event ends in its batch's blob: where the next one starts, unless some were let go."""
        ends = self._ends[batch]
        if ends is not None:
            return int(ends[position - self._batch_first[batch]])
        following = self._batch_first[batch + 1] if batch + 1 < len(self._batch_first) else self._count
        return int(self._columns["offset"][position + 1]) if position + 1 < following else -1

    def rows(self, positions: Iterable[int]) -> list[EventRow]:
        """Events as they lie in the file, for who looks through many of them."""
        with self._lock:
            return [self.row(position) for position in positions]

    def _moved(self, row: EventRow) -> EventRow:
        """The row with the positions of other events as they are read."""
        if isinstance(row, Forward):
            return msgspec.structs.replace(row, parent=self._holes.read(row.parent))
        if isinstance(row, Backward):
            return msgspec.structs.replace(row, forward=self._holes.read(row.forward))
        return row

    def payload(self, number: int) -> Payload:
        """The payload with this number."""
        row = self.payload_row(number)
        if row.same >= 0:
            row = self.payload_row(row.same)
        if row.same >= 0:
            raise TraceError(f"{self.path}: payload {number} is damaged: it refers to one that refers to another")
        return Payload(row)

    def payload_row(self, number: int) -> PayloadRow:
        """A payload as it lies in the file; `same` refers to an earlier one."""
        with self._lock:
            for base, (offsets, data) in self._payload_blobs.items():  # noqa: B007
                if base <= number < base + len(offsets) - 1:
                    break
            else:
                base, raw, data = self._reader.payloads(number)
                if len(raw) % 4 or number - base >= len(raw) // 4 - 1:
                    raise TraceError(f"{self.path}: payload {number} is missing")
                offsets = np.frombuffer(raw, "<u4")
                if len(self._payload_blobs) >= CACHED_BATCHES:
                    self._payload_blobs.pop(next(iter(self._payload_blobs)))
                self._payload_blobs[base] = (offsets, data)
            encoded = data[int(offsets[number - base]) : int(offsets[number - base + 1])]
        try:
            return self._payload_decoder.decode(encoded)
        except (msgspec.MsgspecError, ValueError) as error:
            raise TraceError(f"{self.path}: payload {number} is damaged: {error}") from None

    def last_fact(self, tensor: int, field: int, position: int) -> int | None:
        """Where this tensor's value (or `.grad`) was last written at or before a position."""
        with self._lock:
            return self.facts.last(tensor, field, position)

    def next_fact(self, tensor: int, field: int, position: int) -> int | None:
        """Where it is written next after a position."""
        with self._lock:
            return self.facts.next(tensor, field, position)
