"""What the hooks hand over is packed into parcels here, and a thread sends them to whoever writes the trace.

Everything is numbered and as the file has it. Parcels and the ring are bounded: when the disk cannot follow, the
training thread waits, and memory does not grow.
"""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from backstep.recorder.options import Options
from backstep.recorder.outlet import Elsewhere, Here, WriterError
from backstep.recorder.syntax import Site
from backstep.trace import records as r
from backstep.trace.batch import KIND_CODE, LARGEST_EXTENT, PHASE_CODE, Interned
from backstep.trace.file import TraceWriter, reason
from backstep.writer.parcel import (
    BYTES,
    BYTES_HEAD,
    EVENT,
    EVENT_HEAD,
    FACT,
    FACT_HEAD,
    NUMBERS,
    NUMBERS_HEAD,
    PIECE,
    SKETCH,
    SUMMARY,
    VALUES,
)
from backstep.writer.ring import CAPACITY, FULL, STOPPED, WRITTEN, Ring

PARCEL = 1 << 16
"""Bytes of a parcel; an event of scalars has some hundred."""
WAITING_BYTES = 32 << 20
"""Bytes of parcels that may wait."""
RING_STEP = 4 << 20
"""Bytes in the ring after which the writer is told: what it reads is then still in the processor's cache."""
INTERVAL = 0.05
"""Seconds after which what there is is sent, so that a reader can follow."""
PATIENCE = 0.25
"""Seconds after which a recording is worth a process of its own; a shorter one is written here when it ends."""

FORWARD, BACKWARD_START, BACKWARD, BACKWARD_END = range(4)
ACCUMULATE, GRAD_WRITE, ZERO_GRAD, UPDATE, OUTPUT, EXCEPTION, NOTE = range(4, 11)
IN_FORWARD, IN_BACKWARD, IN_UPDATE, IN_ZERO_GRAD, IN_OTHER = range(5)
assert list(KIND_CODE.values()) == list(range(11)) and KIND_CODE["note"] == NOTE and KIND_CODE["update"] == UPDATE
assert PHASE_CODE["other"] == IN_OTHER and PHASE_CODE["zero_grad"] == IN_ZERO_GRAD

pack_event, pack_numbers, pack_bytes, pack_fact = EVENT_HEAD.pack, NUMBERS_HEAD.pack, BYTES_HEAD.pack, FACT_HEAD.pack


class Later:
    """Numbers that are not in this machine's memory yet; `fetch` gives their dtype's index and their bytes."""

    def __init__(self, fetch: Callable[[], tuple[int, bytes]], elements: int, columns: int, *, keep: bool) -> None:
        self._fetch = fetch
        self._elements = elements
        self._columns = columns
        self.keep = keep
        self.kept = SUMMARY

    def parcel(self) -> bytes:
        try:
            dtype, data = self._fetch()
        except Exception:  # one tensor that cannot be read must not end the writing of all others
            return pack_bytes(BYTES, 0, SUMMARY, 0, 0, 0)
        return pack_bytes(BYTES, dtype, self.kept, self._elements, self._columns, len(data)) + data


class Scribe:
    """Positions, and the numbers of texts and payloads, are given when something is handed over."""

    thread_name = "backstep-writer"

    def __init__(self, writer: TraceWriter, options: Options, process: Elsewhere | None = None) -> None:
        """`process` writes, if it has been started already; else one is, when the recording turns out to be long."""
        self._writer = writer
        self._options = options
        self.ring = process.ring if process is not None else Ring()
        self.lock = threading.RLock()
        """Held while a position is given; by who must give several in a row."""
        self._process = process
        self._outlet: Elsewhere | Here | None = None
        self._here = False
        self._buffer = bytearray()
        self._parcels: deque[bytes | Later] = deque()
        self._sealed = self._sent = 0
        """Bytes of parcels, counted by the threads that hand over and by the one that sends."""
        self._wake = threading.Event()
        self._stop = False
        self._thread: threading.Thread | None = None
        self._position = 0
        self._in_ring = 0
        self._payloads = 0
        # A trace that is to be shared has no single numbers of a tensor in it.
        self._otherwise = SUMMARY if options.values == "summary" else SKETCH
        self._encode = msgspec.msgpack.Encoder(enc_hook=spelled).encode
        self._strings: Interned[str] = Interned("")
        self._metas: Interned[r.Meta] = Interned()
        self._sites: Interned[r.SiteRow] = Interned()
        self._places: Interned[r.PlaceRow] = Interned(r.PlaceRow(-1, ()))
        self.failure: str | None = None
        """Why nothing is written any more, once that is so."""
        self.text = self._strings.number
        """The number of a text in the trace."""
        self.text_of = self._strings.thing
        """The text with a number."""
        self.meta = self._metas.number

    # what is handed over

    @property
    def position(self) -> int:
        """The position of the next event."""
        return self._position

    @property
    def written(self) -> int:
        """Events that are in the file."""
        return self.ring.word(WRITTEN)

    @property
    def full(self) -> bool:
        """Whether the recording ends: the file is as large as it may be, or a stop has held."""
        return bool(self.ring.word(FULL))

    @property
    def stopped_at(self) -> int | None:
        """The position of the event at which the recording ends, where a stop has held."""
        word = self.ring.word(FULL)
        return word - STOPPED if word >= STOPPED else None

    @property
    def gone(self) -> bool:
        """Whether nobody writes any more."""
        return self.failure is not None

    def hand_over(
        self, kind: int, phase: int, extent: int, place: int, context: int, module: int, subject: int, row: Any
    ) -> int:  # fmt: skip
        """Takes an event; returns its position."""
        encoded = self._encode(row)
        if extent > LARGEST_EXTENT:
            extent = LARGEST_EXTENT
        with self.lock:
            position = self._position
            self._position = position + 1
            buffer = self._buffer
            buffer += pack_event(EVENT, kind, phase, extent, place, context, module, subject, len(encoded))
            buffer += encoded
            if len(buffer) > PARCEL:
                self._push_back()
        return position

    def tell(self, *fact: Any) -> None:
        """Takes what is no event: a leaf, a name, a pass of a loop."""
        encoded = self._encode(fact)
        with self.lock:
            self._buffer += pack_fact(FACT, len(encoded))
            self._buffer += encoded

    def numbers(
        self, dtype: int, keep: bool, elements: int, columns: int, offset: int, size: int, *, more: bool = False
    ) -> int:
        """Takes numbers that lie in the ring; returns the payload's number. To be called with the lock held."""
        kept = VALUES if keep else self._otherwise
        self._buffer += pack_numbers(PIECE if more else NUMBERS, dtype, kept, elements, columns, offset, size)
        if more:
            return -1
        self._payloads += 1
        return self._payloads - 1

    def numbers_later(self, later: Later) -> int:
        """Takes numbers that the sending thread fetches."""
        with self.lock:
            self._seal()
            later.kept = VALUES if later.keep else self._otherwise
            self._parcels.append(later)
            self._payloads += 1
            return self._payloads - 1

    def room(self, size: int) -> int:
        """So many bytes of the ring: their offset. The lock is to be held until the numbers are handed over."""
        self._in_ring += size
        if self._in_ring > RING_STEP:
            self._in_ring = 0
            self._seal()
            self._wake.set()
        return self.ring.allocate(size, self._wait_for_room)

    def _wait_for_room(self) -> bool:
        self._seal()
        self._wake.set()
        time.sleep(0.0005)
        return self.failure is None

    def place(self, sites: tuple[Site, ...]) -> int:
        """The number of a place: the script's own site, then the sites from there inwards."""
        stack = tuple(map(self._site, sites))
        return self._places.number(r.PlaceRow(stack[0], stack) if stack else r.PlaceRow(-1, ()))

    def _site(self, site: Site) -> int:
        code = site.code if self._options.source else ""
        text = self.text
        row = r.SiteRow(text(site.file), site.line, site.column, site.end_line, site.end_column, text(code))
        return self._sites.number(row)

    def source(self, file: str, content: str) -> None:
        """Takes the text of a source file."""
        if self._options.source:
            self.tell("source", file, content)

    # sending

    def _seal(self) -> None:
        """What has been handed over becomes a parcel, after what it is numbered by."""
        with self.lock:
            buffer = self._buffer
            self._buffer = bytearray()
            if self.failure is not None:
                return
            tables = bytearray()
            for name, table in (
                ("strings", self._strings), ("metas", self._metas), ("sites", self._sites), ("places", self._places),
            ):  # fmt: skip
                fresh = table.take()
                if fresh:
                    encoded = self._encode((name, fresh))
                    tables += pack_fact(FACT, len(encoded)) + encoded
            if tables or buffer:
                parcel = bytes(tables + buffer)
                self._sealed += len(parcel)
                self._parcels.append(parcel)

    def _push_back(self) -> None:
        """A parcel is full. Where too many wait, the training thread waits with them."""
        self._seal()
        if self._waiting < WAITING_BYTES // 8:
            return
        self._wake.set()
        if self._waiting < WAITING_BYTES or threading.current_thread() is self._thread:
            return
        while self._waiting > WAITING_BYTES // 2 and self.failure is None and self._alive():
            time.sleep(0.001)

    @property
    def _waiting(self) -> int:
        return self._sealed - self._sent

    def _alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name=self.thread_name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        begin = time.monotonic()
        while not self._stop and self.failure is None:
            self._wake.wait(INTERVAL)
            self._wake.clear()
            with self._failing():
                self.ring.warm()
                if self.lock.acquire(blocking=False):
                    try:
                        self._seal()
                    finally:
                        self.lock.release()
                if self._outlet is None and self._is_long(time.monotonic() - begin):
                    self._outlet = self._open()
                self._send()

    def _is_long(self, seconds: float) -> bool:
        """Whether it is time to decide who writes."""
        if self._process is not None or self._here or seconds > PATIENCE:
            return True
        return self._waiting > WAITING_BYTES // 8 or self.ring.used() > CAPACITY // 4

    def _open(self) -> Elsewhere | Here:
        """Who writes from now on: a process, unless none can be had or somebody reads already."""
        process = self._process
        if process is None and not self._here:
            with contextlib.suppress(OSError, ValueError, subprocess.SubprocessError):
                process = Elsewhere(self._writer.path, self._writer.lock.number, self.ring, self._options)
        if process is not None and process.takes_over(self.ring.warm):
            self._writer.hand_over()
            return process
        if process is not None:
            process.close()
        return Here(self._writer, self.ring, self._options)

    def _send(self) -> None:
        outlet = self._outlet
        if outlet is None:
            return
        while self._parcels:
            item = self._parcels.popleft()
            parcel = item if isinstance(item, bytes) else item.parcel()
            outlet.send(parcel)
            if item is parcel:
                self._sent += len(parcel)
        outlet.rest()

    @contextlib.contextmanager
    def _failing(self) -> Any:
        try:
            yield
        except WriterError as error:
            self._fail(str(error))
        except Exception as error:
            if isinstance(self._outlet, Here):
                self._writer.stop({"stopped": reason(error)})
            self._fail(reason(error))

    def _fail(self, why: str) -> None:
        """Nothing can be written any more: said at once, in one line. The script goes on."""
        self.failure = why
        self._parcels.clear()
        self._sent = self._sealed
        if sys.__stderr__ is not None:
            with contextlib.suppress(OSError, ValueError):
                print(f"backstep: recording stopped: {why}", file=sys.__stderr__, flush=True)

    def flush(self) -> None:
        """Returns when everything handed over so far can be read."""
        self._here = True
        target = self._position
        self.tell("flush")
        self._seal()
        while self.written < target and self.failure is None and self._alive():
            self._wake.set()
            time.sleep(0.0005)

    def finish(self, header: dict[str, Any]) -> None:
        """Writes the rest and the last words, and closes the file."""
        self._stop = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        with self._failing():
            if self.failure is None:
                if self._outlet is None:
                    self._here = self._process is None
                    self._outlet = self._open()
                self.tell("finish", {**header, "complete": True})
                self._seal()
                self._send()
                self._outlet.wait_for_end()
        if self.failure is not None:
            self._say_how_it_ended({**header, "complete": False, "stopped": self.failure})
        elif isinstance(self._outlet, Elsewhere):
            self._writer.abandon()

    def _say_how_it_ended(self, header: dict[str, Any]) -> None:
        """Nothing could be written; the last words perhaps can."""
        with contextlib.suppress(OSError, sqlite3.Error):
            if isinstance(self._outlet, Elsewhere):
                self._outlet.close()
            if isinstance(self._outlet, Elsewhere) or not self._writer.sound:
                self._writer.take_back()
            self._writer.stop(header)
            self._writer.close()

    def abandon(self) -> None:
        """In a forked child nothing of this is ours."""
        self._writer.abandon()
        for outlet in {self._process, self._outlet}:
            if outlet is not None:
                outlet.abandon()


def spelled(thing: Any) -> Any:
    """What stands in a row for what no row can hold: a number of numpy's, else the name of its type."""
    return thing.item() if isinstance(thing, np.generic) else f"<{type(thing).__name__}>"


def fit(value: int | None) -> int | None:
    """A loop's number, if the file can hold it."""
    return value if value is not None and -(1 << 63) <= value < 1 << 63 else None
