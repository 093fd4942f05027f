"""The writer thread: takes what the hooks hand over, makes rows of it, writes them in batches.

The queue is bounded in bytes: when the disk cannot follow, the training thread waits rather than the memory grows.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from typing import Any

import msgspec
import torch

from backstep.recorder.frames import Where
from backstep.recorder.options import Options
from backstep.recorder.snapshot import Snapshot, payload_of, to_array
from backstep.recorder.syntax import Site
from backstep.trace import records as r
from backstep.trace.batch import GRAD, VALUE, BatchBuilder
from backstep.trace.file import TraceWriter

QUEUE_BYTES = 256 << 20
BATCH_BYTES = 1 << 20
BATCH_EVENTS = 4096
INTERVAL = 0.1
"""Seconds between two batches, so that a reader can follow."""


class Local:
    """A local gradient on its way: its numbers as a clone, or why there are none."""

    __slots__ = ("data", "form", "omitted", "shape")

    def __init__(self, form: str, shape: tuple[int, ...], data: torch.Tensor | None, omitted: str = "") -> None:
        self.form = form
        self.shape = shape
        self.data = data
        self.omitted = omitted


class EdgeFact:
    """An entry of `next_functions` on its way."""

    __slots__ = ("downstream", "input", "leaf", "local", "node", "output", "why")

    def __init__(self, name: str, why: str) -> None:
        self.input = name
        self.node = -1
        self.output = 0
        self.leaf = -1
        self.local: Local | None = None
        self.downstream: Snapshot | None = None
        self.why = why


class Scribe:
    """Owns the writer, its thread and the queue. Positions are given when an event is handed over."""

    def __init__(self, writer: TraceWriter, options: Options) -> None:
        self._writer = writer
        self._builder = BatchBuilder(writer)
        self._kept = options.kept_elements
        self._keep_source = options.source
        self._queue: deque[tuple[Any, ...]] = deque()
        self._bytes = 0
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stop = False
        self._thread: threading.Thread | None = None
        self._places: dict[tuple[Site, ...], int] = {}
        self._site_numbers: dict[Site, int] = {}
        self._metas: dict[tuple[Any, ...], int] = {}
        self._seen_leaves: dict[int, tuple[Any, ...]] = {}
        self._leaves: set[int] = set()
        self._position = 0
        self._written = 0
        self.failure: str | None = None
        """Why nothing is written any more, once that is so."""

    # the training thread's side

    @property
    def position(self) -> int:
        """The position of the next event."""
        return self._position

    def hand_over(self, event: tuple[Any, ...], size: int = 0) -> int:
        """Queues an event `(kind, phase, where, module, ...)`; returns its position."""
        with self._lock:
            position = self._position
            self._position += 1
            self._queue.append(event)
            if size:
                self._bytes += size
                self._queue.append(("release", size))
        self._push_back()
        return position

    def tell(self, fact: tuple[Any, ...]) -> None:
        """Queues what is no event: a leaf, a name, a pass of a loop."""
        self._queue.append(fact)

    def _push_back(self) -> None:
        if self._bytes > QUEUE_BYTES and threading.current_thread() is not self._thread:
            while self._bytes > QUEUE_BYTES // 2 and self.failure is None and self._alive():
                self._wake.set()
                time.sleep(0.001)
        elif len(self._queue) > BATCH_EVENTS:
            self._wake.set()

    def _alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="backstep-writer", daemon=True)
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
        try:
            if self.failure is None:
                self._drain()
                self._builder.flush(header)
            self._writer.close()
        except Exception as error:
            self.failure = self.failure or str(error)

    # the writer's side

    def _run(self) -> None:
        while not self._stop:
            self._wake.wait(INTERVAL)
            self._wake.clear()
            try:
                self._drain()
                self._builder.flush()
                self._written = self._builder.position
            except Exception as error:
                self.failure = f"{type(error).__name__}: {error}"
                self._queue.clear()
                self._bytes = 0
                return

    def _drain(self) -> None:
        queue = self._queue
        while queue:
            item = queue.popleft()
            getattr(self, f"_{item[0]}")(*item[1:])
            if self._builder.size > BATCH_BYTES or self._builder.count >= BATCH_EVENTS:
                self._builder.flush()
                self._written = self._builder.position

    def _release(self, size: int) -> None:
        with self._lock:
            self._bytes -= size

    # facts

    def _leaf(self, number: int, name: str) -> None:
        self._leaves.add(number)
        self._builder.leaves.append((number, self._text(name)))

    def _name(self, number: int, name: str) -> None:
        self._builder.names.append((number, self._text(name)))

    def _grad_of(self, number: int, leaf: int) -> None:
        self._builder.grads.append((number, leaf))

    def _begin(
        self, parent: int, loop: int, head: int, index: int, name: str, value: int | None, pending: bool
    ) -> None:
        self._builder.contexts.append(r.ContextRow(parent, loop, head, index, self._text(name), fit(value), pending))

    def _bind(self, context: int, name: str, value: int | None) -> None:
        self._builder.context_values.append((context, self._text(name), fit(value)))

    def _source(self, file: str, text: str) -> None:
        if self._keep_source:
            self._writer.write_source(file, text)

    def _header(self, values: dict[str, Any]) -> None:
        self._builder.flush(values)

    # events

    def _forward(
        self, phase: str, where: Where, module: str, op: str, aten: str, inputs: Any, outputs: Any, arguments: Any,
        first_node: int, nodes: int, parent: int, grad_enabled: bool, inplace: bool, autocast: str,
    ) -> None:  # fmt: skip
        ins = tuple(map(self._value, inputs))
        for shot, value in zip(inputs, ins, strict=True):
            self._sighting(shot, value)
        outs = tuple(map(self._value, outputs))
        for shot, value in zip(outputs, outs, strict=True):
            self._builder.fact(shot.tensor, VALUE)
            if shot.tensor in self._leaves:
                self._seen_leaves[shot.tensor] = (value.scalar, value.payload)
        given = tuple((self._text(name), value) for name, value in arguments)
        row = r.Forward(
            self._text(op), self._text(aten), ins, outs, given, first_node, nodes, parent, grad_enabled, inplace,
            self._text(autocast),
        )  # fmt: skip
        self._add(row, phase, where, module, first_node, nodes)

    def _sighting(self, shot: Snapshot, row: r.ValueRow) -> None:
        # A leaf that changed unseen (through `.data`, numpy) shows its new value where it is used next.
        if shot.tensor in self._leaves:
            content = (row.scalar, row.payload)
            if self._seen_leaves.get(shot.tensor) != content:
                self._seen_leaves[shot.tensor] = content
                self._builder.fact(shot.tensor, VALUE)

    def _backward_start(
        self, where: Where, number: int, api: str, roots: Any, seeds: Any, inputs: Any, retain: bool, create: bool
    ) -> None:
        rows = tuple(map(self._value, roots))
        if len(rows) == 1 and isinstance(rows[0].scalar, float):
            self._builder.losses.append((self._builder.position, rows[0].scalar))
        asked = None if inputs is None else tuple(map(self._value, inputs))
        row = r.BackwardStart(number, api, rows, tuple(map(self._maybe, seeds)), asked, retain, create)
        self._add(row, "backward", where, "", number)

    def _backward(
        self, where: Where, module: str, number: int, node: int, op: str, forward: int, why: str, upstream: Any,
        edges: list[EdgeFact],
    ) -> None:  # fmt: skip
        rows = tuple(map(self._edge, edges))
        up = tuple(map(self._maybe, upstream))
        row = r.Backward(number, node, self._text(op), forward, self._text(why), up, rows)
        self._add(row, "backward", where, module, node)

    def _backward_end(self, where: Where, number: int, captured: Any) -> None:
        self._add(r.BackwardEnd(number, tuple(map(self._maybe, captured))), "backward", where, "", number)

    def _accumulate(self, where: Where, leaf: int, before: Any, arrived: Any, after: Any, fresh: bool) -> None:
        row = r.Accumulate(leaf, self._maybe(before), self._value(arrived), self._maybe(after), fresh)
        self._builder.fact(leaf, GRAD)
        self._add(row, "backward", where, "", leaf)

    def _grad_write(self, phase: str, where: Where, leaf: int, by: str, before: Any, after: Any) -> None:
        row = r.GradWrite(leaf, self._text(by), self._maybe(before), self._maybe(after))
        self._builder.fact(leaf, GRAD)
        self._add(row, phase, where, "", leaf)

    def _zero_grad(self, where: Where, leaf: int, how: str, before: Any, after: Any) -> None:
        row = r.ZeroGrad(leaf, how, self._maybe(before), self._maybe(after))
        self._builder.fact(leaf, GRAD)
        self._add(row, "zero_grad", where, "", leaf)

    def _update(
        self, where: Where, leaf: int, by: str, before: Snapshot, after: Snapshot, grad: Any, lr: float | None,
        state: Any, grad_enabled: bool,
    ) -> None:  # fmt: skip
        new = self._value(after)
        changes = tuple((self._text(name), self._maybe(old), self._maybe(now)) for name, old, now in state)
        row = r.Update(
            leaf, self._text(by), self._value(before), new, self._maybe(grad), lr, changes, grad_enabled
        )  # fmt: skip
        self._builder.fact(leaf, VALUE)
        self._seen_leaves[leaf] = (new.scalar, new.payload)
        self._add(row, "update", where, "", leaf)

    def _output(self, where: Where, stream: str, text: str) -> None:
        self._add(r.Output(stream, text), "other", where, "")

    def _exception(self, phase: str, where: Where, name: str, message: str, caught: bool) -> None:
        self._add(r.Raised(name, message, caught), phase, where, "")

    def _note(self, where: Where, text: str) -> None:
        self._add(r.Note(text), "other", where, "")

    def _add(
        self, row: r.EventRow, phase: str, where: Where, module: str, subject: int = -1, extent: int = 0
    ) -> None:
        self._builder.add(
            row,
            phase=phase,
            place=self._place(where.sites),
            context=where.context,
            module=self._text(module),
            subject=subject,
            extent=extent,
        )

    # parts of events

    def _text(self, text: str) -> int:
        return self._builder.strings.number(text)

    def _place(self, sites: tuple[Site, ...]) -> int:
        number = self._places.get(sites)
        if number is None:
            stack = tuple(map(self._site, sites))
            row = r.PlaceRow(stack[0], stack) if stack else r.PlaceRow(-1, ())
            number = self._places[sites] = self._builder.places.number(row)
        return number

    def _site(self, site: Site) -> int:
        number = self._site_numbers.get(site)
        if number is None:
            code = site.code if self._keep_source else ""
            row = r.SiteRow(
                self._text(site.file), site.line, site.column, site.end_line, site.end_column, self._text(code)
            )
            number = self._site_numbers[site] = self._builder.sites.number(row)
        return number

    def _meta(self, meta: tuple[Any, ...]) -> int:
        number = self._metas.get(meta)
        if number is None:
            shape, dtype, layout, device, requires_grad, leaf = meta
            kind, form = str(dtype).removeprefix("torch."), str(layout).removeprefix("torch.")
            row = r.Meta(tuple(map(int, shape)), kind, form, str(device), requires_grad, leaf)
            number = self._metas[meta] = self._builder.metas.number(row)
        return number

    def _maybe(self, shot: Snapshot | None) -> r.ValueRow | None:
        return None if shot is None else self._value(shot)

    def _value(self, shot: Snapshot) -> r.ValueRow:
        name, meta = self._text(shot.name), self._meta(shot.meta)
        if shot.data is None:
            return r.ValueRow(shot.tensor, shot.version, name, meta, shot.scalar, -1, self._text(shot.omitted))
        data = shot.data
        keep = data.numel() <= self._kept
        payload = self._builder.payload(payload_of(to_array(data), keep=keep))
        return r.ValueRow(shot.tensor, shot.version, name, meta, None, payload, self._text(shot.omitted))

    def _edge(self, edge: EdgeFact) -> r.EdgeRow:
        local = None if edge.local is None else self._local(edge.local)
        text = self._text
        downstream = self._maybe(edge.downstream)
        return r.EdgeRow(text(edge.input), edge.node, edge.output, edge.leaf, local, downstream, 0, text(edge.why))

    def _local(self, local: Local) -> r.LocalRow:
        if local.data is None:
            return r.LocalRow(local.form, local.shape, None, -1, self._text(local.omitted))
        array = to_array(local.data)
        if not local.shape and array.dtype.kind == "f":
            return r.LocalRow(local.form, (), float(array), -1, 0, array.dtype.name)
        return r.LocalRow(
            local.form, local.shape, None, self._builder.payload(payload_of(array, keep=True)), 0, array.dtype.name
        )


def fit(value: int | None) -> int | None:
    """A loop's number, if the file can hold it."""
    return value if value is not None and -(1 << 63) <= value < 1 << 63 else None


def python_header() -> dict[str, Any]:
    """What the header says of the interpreter."""
    import platform

    return {"python": platform.python_version(), "pid": os.getpid(), "msgspec": msgspec.__version__}
