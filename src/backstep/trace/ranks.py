"""Several processes of one training, a trace each: a folder of traces, ranks in order, and where they part.

What a collective has written to a leaf or its gradient is the same on every rank, bit by bit, and so is every value
that is computed from it alike. The first that is not is the divergence.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backstep.trace.batch import KIND_CODE
from backstep.trace.event import Array, GradWriteEvent, UpdateEvent, Value
from backstep.trace.file import TraceError
from backstep.trace.trace import Trace

SHARING = frozenset({"all_reduce", "broadcast", "all_reduce_coalesced"})
"""The collectives after which every rank has the same."""
WRITES = [KIND_CODE["update"], KIND_CODE["grad_write"]]
OF_A_LEAF = [*WRITES, KIND_CODE["accumulate"], KIND_CODE["zero_grad"]]


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first value that should be equal and is not: the leaf, and the event on each of the two ranks."""

    leaf: str
    kind: str
    iteration: int | None
    ranks: tuple[int, int]
    positions: tuple[int, int]
    largest: float | None
    """The largest difference of two elements; None where the values were not kept."""


def files_of(path: Path) -> list[Path]:
    """The traces of a folder, or the one trace. TraceError for a folder without any."""
    if not path.is_dir():
        return [path]
    files = [file for pattern in ("*.backstep", "*.backstep/*.backstep") for file in path.glob(pattern)]
    files = sorted(file for file in files if file.is_file())
    if not files:
        raise TraceError(f"{path}: no trace in this folder")
    return files


@contextlib.contextmanager
def opened(path: str | Path, *, patience: float | None = None) -> Iterator[list[Trace]]:
    """The trace, or those of the folder by rank; closed afterwards. TraceError for what is none.

    Of a single trace no more is read than there is `patience` for, in seconds; `refresh` reads on.
    """
    with contextlib.ExitStack() as stack:
        files = files_of(Path(path))
        patience = patience if len(files) == 1 else None
        traces = [stack.enter_context(Trace(file, patience=patience)) for file in files]
        yield sorted(traces, key=lambda trace: (trace.header.get("rank", 0), trace.path.name))


def name_of(trace: Trace) -> str:
    """What a rank is called: `rank 0 of 2`, else by its file."""
    header = trace.header
    return f"rank {header['rank']} of {header['world_size']}" if "rank" in header else trace.path.name


def first_divergence(traces: Sequence[Trace]) -> Divergence | None:
    """Where two ranks first have different values of what is shared; None where they agree, or share nothing."""
    first, *others = traces
    found = [
        divergence
        for rank, other in enumerate(others, 1)
        for name in sorted(set(first.leaves.values()) & set(other.leaves.values()))
        if (divergence := _of_leaf(first, other, name, rank)) is not None
    ]
    return min(found, key=lambda divergence: divergence.positions[0], default=None)


def shared_leaves(trace: Trace) -> list[str]:
    """The leaves that a collective has written, or whose gradient it has."""
    return [name for name in trace.leaves.values() if _shared_writes(trace, name)]


def counterpart(trace: Trace, position: int, other: Trace) -> int | None:
    """The event of another rank that is this one: of a leaf the n-th of its kind, else that at the same position."""
    kind, subject = trace.kind_at(position), int(trace.columns["subject"][position])
    if kind not in OF_A_LEAF or subject not in trace.leaves:
        return position if position < len(other) and other.kind_at(position) == kind else None
    mine = _of_kind(trace, kind, subject)
    numbers = [number for number, name in other.leaves.items() if name == trace.leaves[subject]]
    theirs = _of_kind(other, kind, numbers[0]) if numbers else np.empty(0, np.int64)
    index = int(np.searchsorted(mine, position))
    return int(theirs[index]) if index < len(theirs) else None


def _of_kind(trace: Trace, kind: int, subject: int) -> Array:
    columns = trace.columns
    return np.flatnonzero((columns["kind"] == kind) & (columns["subject"] == subject))


def _of_leaf(first: Trace, other: Trace, name: str, rank: int) -> Divergence | None:
    """The values of the leaf, one after the other, and those of its gradient: the first pair that differs."""
    parted = []
    for kind in ("update", "grad_write"):
        ours, others = ([write for write in _shared_writes(one, name) if write.kind == kind] for one in (first, other))
        pairs = zip(ours, others, strict=False)
        parted += [(mine, theirs) for mine, theirs in pairs if not equal(mine.after, theirs.after)][:1]
    if not parted:
        return None
    mine, theirs = min(parted, key=lambda pair: pair[0].position)
    largest = _difference(mine.after, theirs.after)
    earlier = min(mine, theirs, key=lambda write: write.position)
    return Divergence(name, mine.kind, earlier.iteration, (0, rank), (mine.position, theirs.position), largest)


def _shared_writes(trace: Trace, name: str) -> list[GradWriteEvent | UpdateEvent]:
    """The writes of a leaf and its gradient, from the first that a collective made on."""
    number = next(number for number, other in trace.leaves.items() if other == name)
    columns = trace.columns
    chosen = np.isin(columns["kind"], WRITES) & (columns["subject"] == number)
    writes: list[GradWriteEvent | UpdateEvent] = []
    for position in np.flatnonzero(chosen).tolist():
        event = trace.event(position)
        if isinstance(event, GradWriteEvent | UpdateEvent) and (writes or event.by in SHARING):
            writes.append(event)
    return writes


def equal(one: Value | None, other: Value | None) -> bool:
    """Whether two values are the same bit by bit, as far as they were kept."""
    if one is None or other is None:
        return one is other
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    mine, theirs = one.array, other.array
    if mine is None or theirs is None:
        return one.summary == other.summary
    return bool(np.array_equal(mine, theirs, equal_nan=mine.dtype.kind in "fc"))


def _difference(one: Value | None, other: Value | None) -> float | None:
    mine, theirs = (None if value is None else value.array for value in (one, other))
    if mine is None or theirs is None or mine.shape != theirs.shape or not mine.size:
        return None
    return float(np.abs(mine.astype(np.complex128) - theirs.astype(np.complex128)).max())
