"""Taking in a trace file, batch by batch, as far as it has been written: its columns and tables, no event yet."""

from __future__ import annotations

import contextlib
import gc
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from backstep.trace.batch import COLUMNS, FACT, GRAD, KIND_CODE
from backstep.trace.event import Array, Event, Source
from backstep.trace.facts import FactIndex
from backstep.trace.file import Batch, TraceError, TraceReader
from backstep.trace.holes import Holes
from backstep.trace.iterations import Iterations
from backstep.trace.optimizer import Optimizer
from backstep.trace.owners import Owners
from backstep.trace.records import (
    KINDS,
    PHASES,
    EventRow,
    HeaderRow,
    Meta,
    PayloadRow,
    PlaceRow,
    SiteRow,
    Tables,
)
from backstep.trace.series import Series
from backstep.trace.signature import Derivative

STARTS, ENDS, ACCUMULATES, UPDATES, RAISES = (
    KIND_CODE[kind] for kind in ("backward_start", "backward_end", "accumulate", "update", "exception")
)
TELLING_ITERATIONS = [STARTS, ENDS, ACCUMULATES, UPDATES, RAISES]
WRITING_GRADIENTS = [KIND_CODE[kind] for kind in ("accumulate", "grad_write", "zero_grad")]
LONGEST = 1 << 15
"""Characters of a name or a piece of source that are read."""
SECONDS_TO_FINISH = 2.0

Columns = npt.NDArray[np.void]


def exit_in(header: dict[str, Any]) -> dict[str, Any]:
    """How the script ended, as a header in the file says it."""
    return {"status": "running", "code": None, "exception": None, **(header.get("exit") or {})}


class Loading:
    """What is known of a trace without decoding an event. Several threads may use it."""

    def __init__(
        self, path: str | Path, *, first: int = 0, last: int | None = None, reader: TraceReader | None = None,
        patience: float | None = None,
    ) -> None:  # fmt: skip
        """`patience`: after so many seconds of reading the rest is left to `refresh`."""
        self.path = Path(path)
        self._reader = reader or TraceReader(self.path)
        self._lock = threading.RLock()
        self._first, self._last = first, last
        self._decoder = msgspec.msgpack.Decoder(EventRow)
        self._tables_decoder = msgspec.msgpack.Decoder(Tables)
        self._payload_decoder = msgspec.msgpack.Decoder(PayloadRow)
        self.keep: object = None
        """Whatever must live as long as this trace: the folder of a temporary file."""
        self._begin_reading(Holes([]))
        try:
            self._let_the_writer_finish()
            self.refresh(patience)
        except BaseException:
            self._reader.close()
            raise

    def _let_the_writer_finish(self) -> None:
        """A script that was killed has left its writer the rest to write: that is a matter of milliseconds."""
        process = self._read_header().get("process")
        deadline = time.monotonic() + SECONDS_TO_FINISH
        while process and not is_alive(process) and self._reader.running() and time.monotonic() < deadline:
            time.sleep(0.005)

    def _begin_reading(self, holes: Holes) -> None:
        """Nothing has been read yet."""
        self.behind = False
        """Whether there is more in the file that was not read for want of time."""
        self._batch_ids: list[int] = []
        self._batch_first: list[int] = []
        self._recorded = 0
        """Events in the file, and those that a flight recorder has let go."""
        self._holes = holes
        self._ends: list[npt.NDArray[np.int64] | None] = []
        """For each batch of which some events may be gone: where the others end in their blob; -1 is its end."""
        self._columns = self._room = np.empty(0, COLUMNS)
        """`_columns` is the part of `_room` that is in use."""
        self._count = 0
        self.strings: list[str] = [""]
        self.metas: list[Meta] = []
        self._sites: list[SiteRow] = []
        self._places: list[PlaceRow] = [PlaceRow(-1, ())]
        self.contexts = Iterations()
        self.facts = FactIndex()
        self.leaves: dict[int, str] = {}
        """The leaves by number, in the order in which they were first seen, with their names."""
        self._leaf_numbers: dict[int, str] = {}
        self._names: dict[int, int] = {}
        self.grads = Owners()
        self.losses = Series()
        """(position, value) of each backward pass from a scalar root."""
        self.rates = Series()
        """(position, learning rate) of each row of updates, where one is known."""
        self.norms = Series()
        """(position, norm of all the gradients) of each row of updates."""
        self.optimizers: dict[int, Optimizer] = {}
        self.steps: list[tuple[int, int]] = []
        """(position of the event after it, optimizer) of each step of an optimizer."""
        self.derivatives: dict[str, Derivative] = {}
        """By the name of the node, for each kind of node that ran."""
        self._formulas: dict[tuple[str, int], tuple[str | None, ...]] = {}
        self._event_cache: dict[int, Event] = {}
        self._event_blobs: dict[int, bytes] = {}
        self._payload_blobs: dict[int, tuple[npt.NDArray[np.uint32], bytes]] = {}
        self._sources: dict[str, str] | None = None
        self._header: dict[str, Any] = {}
        self._hooked: tuple[int, int, frozenset[tuple[int, int]]] | None = None
        self._open_passes: set[int] = set()
        self._passes: tuple[int, Array, Array, Array] | None = None
        self._node_forward: tuple[int, Array, Array] | None = None
        self._node_backward: tuple[int, Array, Array] | None = None

    @property
    def header(self) -> dict[str, Any]:
        """The first line of the jsonl export."""
        with self._lock:
            stored, exit_ = self._header, exit_in(self._header)
            if exit_["status"] == "running" and not self._reader.running():
                # Nobody writes any more: what its last words were may not have been read yet.
                with contextlib.suppress(TraceError):
                    stored = self._header = self._read_header()
                exit_ = exit_in(stored)
                if exit_["status"] == "running":
                    exit_["status"] = "killed"
            return {
                "schema": "backstep",
                "version": 1,
                "script": stored.get("script"),
                "argv": stored.get("argv", []),
                "torch": stored.get("torch"),
                "python": stored.get("python"),
                "complete": bool(stored.get("complete", False)),
                "exit": exit_,
                "options": stored.get("options", {}),
                "events": len(self),
                **{name: stored[name] for name in ("rank", "world_size", "child") if stored.get(name) is not None},
            }

    @property
    def as_read(self) -> dict[str, Any]:
        """How the script had ended when this was read last."""
        return exit_in(self._header)

    @property
    def stopped(self) -> str | None:
        """Why the recording ended before the script, if it did."""
        reason: str | None = self._header.get("stopped")
        return reason

    @property
    def running(self) -> bool:
        """Whether the recorder still writes."""
        return bool(self.header["exit"]["status"] == "running")

    @property
    def sources(self) -> dict[str, str]:
        """The text of each source file that an event names."""
        with self._lock:
            if self._sources is None:
                self._sources = self._reader.sources()
            return self._sources

    def __len__(self) -> int:
        return max(0, self.end - self._first)

    @property
    def end(self) -> int:
        """The position after the last event."""
        return self._count if self._last is None else min(self._last + 1, self._count)

    def refresh(self, seconds: float | None = None) -> bool:
        """Takes in what was added since; True if there was anything. After so many seconds the rest is left to the
        next time, and the trace is `behind`."""
        deadline = None if seconds is None else time.monotonic() + seconds
        with self._lock:
            if not self._reader.changed() and self._count and not self.behind:
                return False
            self._header = self._read_header()
            self._sources = None
            holes = self._read_holes()
            if holes.spans != self._holes.spans:
                # A flight recorder has let more go: what is left has other positions now.
                header = self._header
                self._begin_reading(holes)
                self._header = header
            before = self._count
            try:
                with uncollected():
                    self.behind = False
                    for batch in self._reader.batches(self._batch_ids[-1] if self._batch_ids else 0):
                        self._take_batch(batch)
                        if deadline is not None and time.monotonic() > deadline:
                            self.behind = True
                            break
            except (msgspec.MsgspecError, ValueError, IndexError, TypeError) as error:
                raise TraceError(f"{self.path}: damaged: {error}") from None
            finally:
                self._columns = self._room[: self._count]
            return self._count != before

    def _take_batch(self, batch: Batch) -> None:
        columns, ends = self._columns_of(batch)
        self._take_tables(self._tables_decoder.decode(batch.tables))
        self.facts.add(self._facts_of(batch))
        self._take_columns(columns)
        self._put_columns(columns)
        self._batch_ids.append(batch.id)
        self._batch_first.append(self._count)
        self._ends.append(ends)
        self._count += len(columns)
        self._recorded += batch.count

    def _read_holes(self) -> Holes:
        try:
            return Holes([(int(begin), int(end)) for begin, end in self._header.get("dropped", [])])
        except (ValueError, TypeError) as error:
            raise TraceError(f"{self.path}: damaged header: {error}") from None

    def _columns_of(self, batch: Batch) -> tuple[Columns, npt.NDArray[np.int64] | None]:
        """The columns of the events of a batch that are left, and where each ends in the batch's blob, if some of
        them may be gone."""
        columns = np.frombuffer(batch.columns, COLUMNS)
        if batch.first != self._recorded or batch.count < 0:
            raise TraceError(f"{self.path}: batch {batch.id} is damaged")
        left = None
        if self._holes:
            left = self._holes.kept(np.arange(batch.first, batch.first + batch.count))
            if not len(columns) and not left.any():
                return columns, np.empty(0, np.int64)
        if len(columns) != batch.count:
            raise TraceError(f"{self.path}: batch {batch.id} is damaged")
        if left is None:
            return columns, None
        ends = np.append(columns["offset"][1:].astype(np.int64), -1) if len(columns) else np.empty(0, np.int64)
        return columns[left], ends[left]

    def _facts_of(self, batch: Batch) -> npt.NDArray[np.void]:
        facts = np.frombuffer(batch.facts, FACT)
        self._check_facts(batch, facts)
        if self._holes and len(facts):
            facts = facts[self._holes.kept(facts["position"])]
            facts["position"] = self._holes.read_all(facts["position"])
        return facts

    def _check_facts(self, batch: Batch, facts: npt.NDArray[np.void]) -> None:
        """ValueError unless each is of an event of its batch, and a gradient's of one that writes gradients."""
        at = facts["position"] - batch.first
        if len(facts) and not (at.min() >= 0 and at.max() < batch.count and facts["field"].max() <= GRAD):
            raise ValueError("a fact of no event")
        kinds = np.frombuffer(batch.columns, COLUMNS)["kind"]
        if not np.isin(kinds[at[facts["field"] == GRAD]], WRITING_GRADIENTS).all():
            raise ValueError("a gradient that was not written")

    def _read_header(self) -> dict[str, Any]:
        header = self._reader.header()
        try:
            msgspec.convert(header, HeaderRow)
        except (msgspec.ValidationError, ValueError) as error:
            raise TraceError(f"{self.path}: damaged header: {error}") from None
        return header

    def _put_columns(self, columns: Columns) -> None:
        """Behind those that are there already, in memory that is taken once for all that are in the file."""
        count = self._count + len(columns)
        if count > len(self._room):
            room = np.empty(max(count, self._reader.recorded(), 2 * len(self._room)), COLUMNS)
            room[: self._count] = self._room[: self._count]
            self._room = room
        self._room[self._count : count] = columns

    def _take_tables(self, tables: Tables) -> None:
        self.strings += [text if len(text) <= LONGEST else f"{text[:LONGEST]}…" for text in tables.strings]
        self.metas.extend(tables.metas)
        self._sites.extend(tables.sites)
        self._places.extend(tables.places)
        self.contexts.extend(tables.contexts)
        for context, name, value in tables.context_values:
            self.contexts.bind(context, name, value)
        for number, name in tables.leaves:
            self.leaves[number] = self.strings[name]
            self._event_cache.clear()
        if tables.names:
            self._names.update(tables.names)
            self._event_cache.clear()
        self.grads.update(tables.grads)
        for number, name, place, leaves in tables.optimizers:
            site = self._places[place].site
            self.optimizers[number] = Optimizer(self.strings[name], None if site < 0 else self._site(site), leaves)
        for recorded, number, _ in tables.steps:
            position = self._holes.read(recorded)
            if position >= 0 and number in self.optimizers:
                self.steps.append((position, number))
        for name, schema, formulas in tables.derivatives:
            told = tuple((self.strings[argument], self.strings[formula]) for argument, formula in formulas)
            self.derivatives[self.strings[name]] = Derivative(self.strings[schema], told)
        for recorded, loss in tables.losses:
            position = self._holes.read(recorded)
            if position >= 0:
                self.losses.append(position, loss)
        for recorded, rate, norm in tables.updates:
            position = self._holes.read(recorded)
            if position >= 0:
                self.norms.append(position, norm)
                if rate is not None:
                    self.rates.append(position, rate)

    def _take_columns(self, columns: Columns) -> None:
        """Takes in what the columns of a batch tell; ValueError where they point to nothing."""
        limits = {
            "kind": len(KINDS),
            "phase": len(PHASES),
            "place": len(self._places),
            "context": len(self.contexts.numbers),
            "module": len(self.strings),
        }
        for name, limit in limits.items():
            if len(columns) and columns[name].max() >= limit:
                raise ValueError(f"there is no {name} {columns[name].max()}")
        version = self.contexts.version
        self._take_passes(columns)
        if self.contexts.version != version:
            self._event_cache.clear()

    def _take_passes(self, columns: Columns) -> None:
        """What tells of the training loop. A run has many backward passes: those like others are not looked at."""
        kinds, contexts, subjects = columns["kind"], columns["context"], columns["subject"]
        if self.contexts.has_news(contexts[kinds == STARTS].tolist()):
            self._take_each(columns[np.isin(kinds, TELLING_ITERATIONS)])
            return
        told = np.flatnonzero((kinds == ACCUMULATES) | (kinds == UPDATES))
        delivered, updated = self.contexts.delivered, self.contexts.updated
        for kind, context, subject in zip(kinds[told].tolist(), contexts[told].tolist(), subjects[told].tolist(),
                                          strict=True):  # fmt: skip
            if kind == ACCUMULATES:
                delivered(subject, context)
            else:
                updated(subject, context)
        self._note_open_passes(kinds, subjects)

    def _take_each(self, columns: Columns) -> None:
        for kind, context, subject in columns[["kind", "context", "subject"]].tolist():
            if kind == STARTS:
                if not self._open_passes:  # one inside another says nothing of the training loop
                    self.contexts.backward(context)
                self._open_passes.add(subject)
            elif kind == ENDS:
                self._open_passes.discard(subject)
            elif kind == ACCUMULATES:
                self.contexts.delivered(subject, context)
            else:
                self._open_passes.clear()  # a pass that raised has no end
                if kind == UPDATES:
                    self.contexts.updated(subject, context)

    def _note_open_passes(self, kinds: Array, subjects: Array) -> None:
        """Which passes are open after a batch whose passes are like others."""
        closing = np.flatnonzero((kinds == UPDATES) | (kinds == RAISES))
        first = int(closing[-1]) + 1 if len(closing) else 0
        if first:
            self._open_passes.clear()
        kinds, subjects = kinds[first:], subjects[first:]
        self._open_passes |= set(subjects[kinds == STARTS].tolist())
        self._open_passes -= set(subjects[kinds == ENDS].tolist())

    def _site(self, number: int) -> Source:
        row = self._sites[number]
        return Source(
            self.strings[row.file], row.line, row.column, row.end_line, row.end_column, self.strings[row.code]
        )

    def close(self) -> None:
        """Closes the file; the trace cannot be read any more."""
        self._reader.close()


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Meanwhile nobody looks for garbage: what is made is kept, and looking through it again and again takes long."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def is_alive(process: int) -> bool:
    """Whether there is a process with this number here."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
