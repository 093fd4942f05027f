"""The writer thread: takes what the hooks hand over and writes it in batches.

What is handed over is numbered and as the file has it, so that most of an event is encoded without Python looking
at it. The queue is bounded in bytes: when the disk cannot follow, the training thread waits, and memory does not grow.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from backstep.recorder.flight import Flight
from backstep.recorder.syntax import Site
from backstep.trace import records as r
from backstep.trace.batch import GRAD, KIND_CODE, LARGEST_EXTENT, PHASE_CODE, VALUE, BatchBuilder
from backstep.trace.file import TraceWriter, reason

if TYPE_CHECKING:
    from backstep.recorder.options import Options

QUEUE_BYTES = 256 << 20
QUEUE_ITEMS = 1 << 18
"""Events that may wait; one of scalars is about a kilobyte."""
BATCH_BYTES = 1 << 20
BATCH_EVENTS = 4096
LOOKED_AT = 64
"""Items between two looks at whether a batch is full."""
INTERVAL = 0.1
"""Seconds between two batches, so that a reader can follow."""

FORWARD, BACKWARD_START, BACKWARD, BACKWARD_END = range(4)
ACCUMULATE, GRAD_WRITE, ZERO_GRAD, UPDATE, OUTPUT, EXCEPTION, NOTE = range(4, 11)
IN_FORWARD, IN_BACKWARD, IN_UPDATE, IN_ZERO_GRAD, IN_OTHER = range(5)
assert list(KIND_CODE.values()) == list(range(11)) and KIND_CODE["note"] == NOTE and KIND_CODE["update"] == UPDATE
assert PHASE_CODE["other"] == IN_OTHER and PHASE_CODE["zero_grad"] == IN_ZERO_GRAD


class Scribe:
    """Owns the writer, its thread and the queue. Positions are given when an event is handed over."""

    def __init__(self, writer: TraceWriter, options: Options) -> None:
        self._writer = writer
        self._builder = BatchBuilder(writer, self._resolve)
        self._keep_source = options.source
        self._queue: deque[tuple[Any, ...]] = deque()
        self._bytes = 0
        self.lock = threading.RLock()
        """Held while a position is given; by who must give several in a row."""
        self._wake = threading.Event()
        self._stop = False
        self._thread: threading.Thread | None = None
        self._seen_leaves: dict[int, tuple[Any, ...]] = {}
        self._leaves: set[int] = set()
        self._position = 0
        self._written = 0
        self._flight = None if options.keep_last is None else Flight(writer, options.keep_last)
        self._holes: list[tuple[int, int]] = []
        self._max_size = options.max_size
        self.full = False
        """The file has reached the size at which the recording ends."""
        self.failure: str | None = None
        """Why nothing is written any more, once that is so."""
        self.text = self._builder.strings.number
        """The number of a text in the trace."""
        self.text_of = self._builder.strings.thing
        """The text with a number."""
        self.meta = self._builder.metas.number

    thread_name = "backstep-writer"

    # the training thread's side

    @property
    def position(self) -> int:
        """The position of the next event."""
        return self._position

    @property
    def written(self) -> int:
        """Events that are in the file."""
        return self._written

    def hold(self, size: int) -> None:
        """So many bytes wait for the writer."""
        with self.lock:
            self._bytes += size

    def hand_over(self, event: tuple[Any, ...]) -> int:
        """Queues an event: `(kind, phase, extent, place, context, module, subject, row)`; returns its position."""
        queue = self._queue
        with self.lock:
            position = self._position
            self._position = position + 1
            queue.append(event)
        if len(queue) > BATCH_EVENTS or self._bytes > BATCH_BYTES:
            self._push_back()
        return position

    def tell(self, fact: tuple[Any, ...]) -> None:
        """Queues what is no event: a leaf, a name, a pass of a loop."""
        self._queue.append(fact)

    def _push_back(self) -> None:
        self._wake.set()
        if self._bytes < QUEUE_BYTES and len(self._queue) < QUEUE_ITEMS:
            return
        if threading.current_thread() is self._thread:
            return
        while self.failure is None and self._alive():
            if self._bytes < QUEUE_BYTES // 2 and len(self._queue) < QUEUE_ITEMS // 2:
                return
            time.sleep(0.001)

    def _alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def place(self, sites: tuple[Site, ...]) -> int:
        """The number of a place: the script's own site, then the sites from there inwards."""
        stack = tuple(map(self._site, sites))
        return self._builder.places.number(r.PlaceRow(stack[0], stack) if stack else r.PlaceRow(-1, ()))

    def _site(self, site: Site) -> int:
        code = site.code if self._keep_source else ""
        text = self.text
        row = r.SiteRow(text(site.file), site.line, site.column, site.end_line, site.end_column, text(code))
        return self._builder.sites.number(row)

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name=self.thread_name, daemon=True)
        self._thread.start()

    def flush(self) -> None:
        """Returns when everything handed over so far can be read."""
        target = self._position
        while self._written < target and self.failure is None and self._alive():
            self._wake.set()
            time.sleep(0.001)

    def finish(self, header: dict[str, Any]) -> None:
        """Writes the rest and the last words, and closes the file."""
        self._stop = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        if self.failure is None:
            try:
                self._drain()
                self._flush(header)
            except Exception as error:
                self._fail(error)
        if self.failure is not None:
            self._writer.stop({**header, "complete": False, "stopped": self.failure})
        self._writer.close()

    def abandon(self) -> None:
        """In a forked child, which writes nothing."""
        self._writer.abandon()

    # the writer's side

    def _run(self) -> None:
        while not self._stop:
            self._wake.wait(INTERVAL)
            self._wake.clear()
            try:
                self._drain()
                self._flush()
            except Exception as error:
                self._fail(error)
                return

    def _fail(self, error: Exception) -> None:
        """Nothing can be written any more: said at once, in one line. The script goes on."""
        self.failure = reason(error)
        self._writer.stop({"stopped": self.failure})
        self._queue.clear()
        self._bytes = 0
        if sys.__stderr__ is not None:
            with contextlib.suppress(OSError, ValueError):
                print(f"backstep: recording stopped: {self.failure}", file=sys.__stderr__, flush=True)

    def _drain(self) -> None:
        queue, builder = self._queue, self._builder
        while queue:
            for _ in range(min(LOOKED_AT, len(queue))):
                item = queue.popleft()
                if type(item[0]) is int:
                    self._event(*item)
                else:
                    getattr(self, f"_{item[0]}")(*item[1:])
            if builder.size > BATCH_BYTES or builder.count >= BATCH_EVENTS:
                self._flush()

    def _flush(self, header: dict[str, Any] | None = None) -> None:
        flight = self._flight
        if flight is not None and flight.holes != self._holes:
            self._holes = flight.holes
            header = {"dropped": self._holes, **(header or {})}
        flushed = self._builder.flush(header)
        if flight is not None and flushed is not None:
            flight.wrote(flushed)
        self._written = self._builder.position
        if self._max_size is not None and not self.full:
            self.full = self._writer.size >= self._max_size

    def _event(
        self, kind: int, phase: int, extent: int, place: int, context: int, module: int, subject: int, row: Any
    ) -> None:  # fmt: skip
        builder = self._builder
        if kind == FORWARD:
            self._facts_of_forward(row[3], row[4])
        elif kind == UPDATE:
            builder.fact(subject, VALUE)
            self._seen_leaves[subject] = self._content(row[4])
        elif ACCUMULATE <= kind <= ZERO_GRAD:
            builder.fact(subject, GRAD)
        elif kind == BACKWARD_START:
            roots = row[3]
            if len(roots) == 1 and isinstance(roots[0][4], float):
                builder.losses.append((builder.position, roots[0][4]))
        if self._flight is not None and not self._flight.pinned and has_nan(row):
            self._flight.found_nan()
        builder.put(kind, phase, min(extent, LARGEST_EXTENT), place, context, module, subject, row)

    def _facts_of_forward(self, inputs: Any, outputs: Any) -> None:
        leaves = self._leaves
        for value in inputs:
            # A leaf that changed unseen (through `.data`, numpy) shows its new value where it is used next.
            if value[0] in leaves:
                content = self._content(value)
                if self._seen_leaves.get(value[0]) != content:
                    self._seen_leaves[value[0]] = content
                    self._builder.fact(value[0], VALUE)
        for value in outputs:
            self._builder.fact(value[0], VALUE)
            if value[0] in leaves:
                self._seen_leaves[value[0]] = self._content(value)

    def _content(self, value: Any) -> tuple[Any, int]:
        payload = value[5]
        return value[4], payload if isinstance(payload, int) else self._resolve(payload)

    def _resolve(self, numbers: Any) -> Any:
        """The number of a payload that a row holds in person; of anything else that no row can hold, its type."""
        if not hasattr(numbers, "take"):
            return f"<{type(numbers).__name__}>"
        if numbers.number >= 0:
            return self._builder.reach(numbers.number)
        size = numbers.nbytes
        row = numbers.take()
        numbers.number = self._builder.payload(row)
        self.hold(-size)
        if self._flight is not None and row.summary is not None and row.summary.nan:
            self._flight.found_nan()
        return numbers.number

    # facts

    def _fetch(self) -> None:
        """The training loop asks its iterator: if there is another element, the iteration begins here."""
        if self._flight is not None:
            self._flight.fetches(self._builder.position)

    def _iteration(self, number: int) -> None:
        """An iteration begins with the next event."""
        if self._flight is not None:
            self._flight.begins(number, self._builder.position)
            self._builder.forget_payloads()

    def _leaf(self, number: int, name: int) -> None:
        self._leaves.add(number)
        self._builder.leaves.append((number, name))

    def _name(self, number: int, name: int) -> None:
        self._builder.names.append((number, name))

    def _grad_of(self, number: int, leaf: int) -> None:
        self._builder.grads.append((number, leaf))

    def _optimizer(self, number: int, name: int, place: int, leaves: tuple[int, ...]) -> None:
        self._builder.optimizers.append((number, name, place, leaves))

    def _step(self, number: int, place: int) -> None:
        self._builder.steps.append((self._builder.position, number, place))

    def _derivative(self, name: int, schema: int, formulas: tuple[tuple[int, int], ...]) -> None:
        self._builder.derivatives.append((name, schema, formulas))

    def _begin(
        self, parent: int, loop: int, head: int, index: int, name: str, value: int | None, pending: bool
    ) -> None:
        row = r.ContextRow(parent, loop, head, index, self.text(name), fit(value), pending)
        self._builder.contexts.append(row)

    def _bind(self, context: int, name: str, value: int | None) -> None:
        self._builder.context_values.append((context, self.text(name), fit(value)))

    def _source(self, file: str, text: str) -> None:
        if self._keep_source:
            self._writer.write_source(file, text)


def has_nan(row: Any) -> bool:
    """Whether a single number in an event is NaN; of larger tensors their summaries tell."""
    if isinstance(row, tuple):
        return any(map(has_nan, row))
    return isinstance(row, float) and row != row


def fit(value: int | None) -> int | None:
    """A loop's number, if the file can hold it."""
    return value if value is not None and -(1 << 63) <= value < 1 << 63 else None
