"""Looking for the next event of a kind, piece by piece from a position, so that a long way need not stop anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from backstep.trace.batch import KIND_CODE
from backstep.trace.event import Event
from backstep.trace.records import EventRow
from backstep.trace.trace import Trace

Positions = npt.NDArray[np.int64]
Wanted = Callable[[int, int], Iterator[int] | Sequence[int]]
"""The positions that are wanted, of those from one to before another, ascending."""

NEAR, FAR = 64, 1024
"""Events in the first piece, and in the largest."""


def search(wanted: Wanted, start: int, direction: int, count: int) -> Iterator[int | None]:
    """The nearest wanted position after `start` (1) or before it (-1), of `count` events.

    Yields None after each piece that holds none, then the position; ends where there is none.
    """
    piece = NEAR
    at = start + 1 if direction > 0 else start
    while at < count if direction > 0 else at > 0:
        first, end = (at, min(count, at + piece)) if direction > 0 else (max(0, at - piece), at)
        found = wanted(first, end)
        nearest = next(iter(found), None) if direction > 0 else max(found, default=None)
        if nearest is not None:
            yield nearest
            return
        yield None
        at = end if direction > 0 else first
        piece = min(FAR, piece * 2)


def of_columns(mask: Callable[[int, int], npt.NDArray[np.bool_]]) -> Wanted:
    """Wanted is where the columns from one position to before another say so."""

    def wanted(first: int, end: int) -> Sequence[int]:
        found: list[int] = (np.flatnonzero(mask(first, end)) + first).tolist()
        return found

    return wanted


def of_rows(trace: Trace, kinds: Sequence[str], holds: Callable[[int, EventRow], bool]) -> Wanted:
    """Wanted are events of some kinds of which something holds that the undecoded event tells."""
    codes = [KIND_CODE[kind] for kind in kinds]

    def wanted(first: int, end: int) -> Iterator[int]:
        positions = np.flatnonzero(np.isin(trace.columns["kind"][first:end], codes)) + first
        rows = trace.rows(positions.tolist())
        return (p for p, row in zip(positions.tolist(), rows, strict=True) if holds(p, row))

    return wanted


def of_events(trace: Trace, candidates: Callable[[int, int], Positions], holds: Callable[[Event], bool]) -> Wanted:
    """Wanted are the candidates of which something holds."""

    def wanted(first: int, end: int) -> Iterator[int]:
        return (p for p in candidates(first, end).tolist() if holds(trace.event(p)))

    return wanted
