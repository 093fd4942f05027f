"""A trace, read: events by position, tensors by name, and what hindsight tells (iterations, names, hooks).

On opening only the columns and tables are read; an event is decoded, and a payload fetched, when it is asked
for. `refresh` takes in what a running recorder has added. Several threads may read one trace.
"""

from __future__ import annotations

import contextlib
import difflib
import gc
import os
import threading
import time
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import msgspec
import numpy as np
import numpy.typing as npt

from backstep.trace.batch import COLUMNS, FACT, GRAD, KIND_CODE, VALUE
from backstep.trace.decode import decode_event
from backstep.trace.event import (
    AccumulateEvent,
    Array,
    Event,
    Sketch,
    Source,
    Summary,
    Value,
    summarize,
    values_of,
)
from backstep.trace.file import Batch, TraceError, TraceReader
from backstep.trace.history import Curve, GradHistory, TensorHistory
from backstep.trace.holes import Holes
from backstep.trace.hooked import find_hooked, rows_of_pass
from backstep.trace.iterations import Iterations
from backstep.trace.losses import Losses
from backstep.trace.passes import IterationList
from backstep.trace.records import (
    KINDS,
    PHASES,
    Backward,
    EventRow,
    Forward,
    HeaderRow,
    Meta,
    PayloadRow,
    PlaceRow,
    SiteRow,
    Tables,
)  # fmt: skip
from backstep.trace.signature import parameters
from backstep.trace.sketch import corners, thumbnail
from backstep.trace.tables import events_table

STARTS, ENDS, ACCUMULATES, UPDATES, RAISES = (
    KIND_CODE[kind] for kind in ("backward_start", "backward_end", "accumulate", "update", "exception")
)
TELLING_ITERATIONS = [STARTS, ENDS, ACCUMULATES, UPDATES, RAISES]
WRITING_GRADIENTS = [KIND_CODE[kind] for kind in ("accumulate", "grad_write", "zero_grad")]
LONGEST = 1 << 15
"""Characters of a name or a piece of source that are read."""
CACHED_EVENTS = 4096
CACHED_BATCHES = 8

SECONDS_TO_FINISH = 2.0

Columns = npt.NDArray[np.void]


class Payload:
    """The numbers of a tensor as they lie in the file."""

    __slots__ = ("_row",)

    def __init__(self, row: PayloadRow) -> None:
        self._row = row

    def array(self, shape: tuple[int, ...]) -> Array | None:
        if self._row.values is None:
            return None
        try:
            dtype = np.dtype(self._row.dtype)
            if dtype.kind not in "fiubc":
                raise TypeError(dtype)
            return np.frombuffer(self._row.values, dtype).reshape(shape)
        except (TypeError, ValueError) as error:
            raise TraceError(f"damaged payload: {error}") from None

    def sketch(self, shape: tuple[int, ...]) -> Sketch | None:
        """Of numbers that are not kept."""
        row, summary = self._row.sketch, self._row.summary
        if row is None or summary is None:
            return None
        try:
            return Sketch(row.histogram, thumbnail(row, summary), corners(row, shape[-1] if shape else 1))
        except ValueError as error:
            raise TraceError(f"damaged payload: {error}") from None

    def summary(self, shape: tuple[int, ...]) -> Summary | None:
        if self._row.summary is not None:
            return Summary(*msgspec.structs.astuple(self._row.summary))
        array = self.array(shape)
        return None if array is None else summarize(array)


@dataclass(frozen=True, slots=True)
class Derivative:
    """PyTorch's own derivative of a kind of node: the op's schema, and for each of its arguments that has one its
    name and the formula."""

    schema: str
    formulas: tuple[tuple[str, str], ...]

    def of_edge(self, edge: int, edges: int) -> tuple[str, str, int] | None:
        """The argument and the formula of one of a node's edges, and which tensor of a list it is, else 0.

        The tensors of a list have an edge each and one formula in common.
        """
        lists = {parameter.name for parameter in parameters(self.schema) if parameter.is_list}
        others = len(self.formulas) - 1
        per_edge: list[tuple[str, str, int]] = []
        for argument, formula in self.formulas:
            count = max(0, edges - others) if argument in lists else 1
            per_edge += [(argument, formula, index) for index in range(count)]
        return per_edge[edge] if len(per_edge) == edges else None


@dataclass(frozen=True, slots=True)
class Optimizer:
    """An optimizer as it was at its last step: its class, where it was stepped, the numbers of its leaves."""

    name: str
    source: Source | None
    leaves: tuple[int, ...]


class FactIndex:
    """Where each tensor, and each `.grad`, got its values: sorted, so that a question is a few bisections.

    Kept as sorted runs, each of them later than the one before and at most half as long: what a recorder adds
    is merged without sorting everything again, and there are few runs to ask.
    """

    def __init__(self) -> None:
        self._runs: list[tuple[npt.NDArray[Any], npt.NDArray[Any]]] = []

    def add(self, facts: npt.NDArray[np.void]) -> None:
        keys, positions = small(facts["tensor"] * 2 + facts["field"]), small(facts["position"])
        while self._runs and len(self._runs[-1][0]) < 2 * len(keys):
            old_keys, old_positions = self._runs.pop()
            keys, positions = np.concatenate([old_keys, keys]), np.concatenate([old_positions, positions])
        if len(keys):
            order = np.lexsort((positions, keys))
            self._runs.append((keys[order], positions[order]))

    def positions(self, tensor: int, field: int) -> npt.NDArray[np.int64]:
        """The positions at which this tensor's value (or `.grad`) was written, ascending."""
        return np.concatenate([np.empty(0, np.int64), *self._of(tensor, field)])

    def last(self, tensor: int, field: int, position: int) -> int | None:
        """The last of them at or before a position."""
        last = None
        for run in self._of(tensor, field):
            if run[0] > position:
                break
            last = int(run[run.searchsorted(run.dtype.type(min(position, run[-1])), "right") - 1])
        return last

    def latest(self, tensor: int, field: int, position: int, count: int) -> npt.NDArray[np.int64]:
        """The last `count` of them at or before a position, ascending."""
        found: list[npt.NDArray[Any]] = []
        for run in reversed(list(self._of(tensor, field))):
            if run[0] <= position and count > 0:
                end = int(run.searchsorted(run.dtype.type(min(position, run[-1])), "right"))
                found.append(run[max(0, end - count) : end])
                count -= len(found[-1])
        return np.concatenate([np.empty(0, np.int64), *reversed(found)])

    def next(self, tensor: int, field: int, position: int) -> int | None:
        """The first of them after a position."""
        for run in self._of(tensor, field):
            if run[0] > position:
                return int(run[0])
            if run[-1] > position:
                return int(run[run.searchsorted(run.dtype.type(position), "right")])
        return None

    def _of(self, tensor: int, field: int) -> Iterator[npt.NDArray[Any]]:
        """What each run has of them, if it has any."""
        number = tensor * 2 + field
        for keys, positions in self._runs:
            if not keys[0] <= number <= keys[-1]:
                continue
            key = keys.dtype.type(number)  # of their own type: else all of them would be converted
            low = keys.searchsorted(key, "left")
            if keys[low] == key:
                yield positions[low : keys.searchsorted(key, "right")]


class Trace:
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
        self.grads: dict[int, int] = {}
        self.losses = Losses()
        """(position, value) of each backward pass from a scalar root."""
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

    # what is in it

    @property
    def events(self) -> Sequence[Event]:
        return Events(self)

    @property
    def header(self) -> dict[str, Any]:
        """The first line of the jsonl export."""
        with self._lock:
            stored = self._header
            exit_ = {"status": "running", "code": None, "exception": None, **(stored.get("exit") or {})}
            if exit_["status"] == "running" and not self._reader.running():
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
                **{name: stored[name] for name in ("rank", "world_size") if stored.get(name) is not None},
            }

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

    # columns: what is known of an event without decoding it

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

    def _site(self, number: int) -> Source:
        row = self._sites[number]
        return Source(
            self.strings[row.file], row.line, row.column, row.end_line, row.end_column, self.strings[row.code]
        )

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

    # events

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

    # names

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
            numbers = [grad for grad, leaf in self.grads.items() if leaf == owner]
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

    # questions

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

    def last_fact(self, tensor: int, field: int, position: int) -> int | None:
        """Where this tensor's value (or `.grad`) was last written at or before a position."""
        with self._lock:
            return self.facts.last(tensor, field, position)

    def next_fact(self, tensor: int, field: int, position: int) -> int | None:
        """Where it is written next after a position."""
        with self._lock:
            return self.facts.next(tensor, field, position)

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

    def close(self) -> None:
        """Closes the file; the trace cannot be read any more."""
        self._reader.close()

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


def small(numbers: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    """A copy in as few bytes as they need."""
    fits = len(numbers) > 0 and numbers.min() >= 0 and numbers.max() < 1 << 32
    return numbers.astype(np.uint32 if fits else np.int64)


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


def load(path: str | Path) -> Trace:
    """Opens a trace. Raises `TraceError`, one line, for what is none."""
    return Trace(path)
