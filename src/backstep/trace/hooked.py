"""Which edges of a backward pass a user's hook changed: what left is not what arrived. Seen afterwards."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from backstep.trace.decode import decode_value
from backstep.trace.records import Accumulate, Backward, BackwardEnd, BackwardStart, EventRow, ValueRow
from backstep.trace.rounding import largest, relative_error, tolerance

if TYPE_CHECKING:
    from backstep.trace.trace import Trace

Target = tuple[int, int, int]
"""(node, output, leaf): where an edge leads."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A gradient that arrived at `position`, and the edges `(position, index)` that sent its parts."""

    position: int
    arrived: ValueRow
    edges: tuple[tuple[int, int], ...]
    parts: tuple[ValueRow | None, ...]


def rows_of_pass(trace: Trace, first: int, last: int) -> dict[int, EventRow]:
    """What ran between the start and the end of a backward pass, without what passes inside it ran."""
    rows: dict[int, EventRow] = {}
    inside: list[int] = []
    start = trace.row(first)
    for position in range(first, last + 1):
        row = trace.row(position)
        if isinstance(row, BackwardStart) and position > first:
            inside.append(row.number)
        elif isinstance(row, BackwardEnd) and row.number in inside:
            inside.remove(row.number)
        elif isinstance(row, Backward):
            if not isinstance(start, BackwardStart) or row.number == start.number:
                rows[position] = row
        elif isinstance(row, Accumulate) and not inside:
            rows[position] = row
    return rows


def arrivals(rows: Mapping[int, EventRow]) -> Iterator[Arrival]:
    """What arrived at the nodes and leaves of one pass, each with what the edges into it sent.

    A root has no edge into it: what arrives there is the seed, and no arrival.
    """
    sent: dict[Target, list[tuple[tuple[int, int], ValueRow | None]]] = defaultdict(list)

    def arrive(position: int, target: Target, arrived: ValueRow | None) -> Iterator[Arrival]:
        parts = sent.pop(target, [])
        if arrived is not None and parts:
            yield Arrival(position, arrived, tuple(edge for edge, _ in parts), tuple(part for _, part in parts))

    for position, row in rows.items():
        if isinstance(row, Accumulate):
            yield from arrive(position, (-1, 0, row.leaf), row.arrived)
        elif isinstance(row, Backward):
            for output, arrived in enumerate(row.upstream):
                yield from arrive(position, (row.node, output, -1), arrived)
            for index, edge in enumerate(row.edges):
                if edge.node >= 0 or edge.leaf >= 0:
                    target = (edge.node, edge.output if edge.leaf < 0 else 0, edge.leaf)
                    sent[target].append(((position, index), edge.downstream))


def find_hooked(trace: Trace, rows: Mapping[int, EventRow]) -> frozenset[tuple[int, int]]:
    """The edges `(position, index)` among the rows of one pass whose gradient a hook replaced.

    The recorder tells of a hook on the node; after one on a tensor, a sum is not what arrived at its target.
    """
    told = {
        (position, index)
        for position, row in rows.items()
        if isinstance(row, Backward)
        for index, edge in enumerate(row.edges)
        if edge.hooked
    }
    return frozenset(told.union(edge for one in arrivals(rows) if adds_up(trace, one) is False for edge in one.edges))


def adds_up(trace: Trace, arrival: Arrival) -> bool | None:
    """Whether the parts make what arrived, but for rounding; None where the numbers of one are not known."""
    there = decode_value(trace, arrival.arrived).array
    parts = [decode_value(trace, part) for part in arrival.parts if part is not None]
    arrays = [array for part in parts if (array := part.array) is not None]
    if there is None or len(arrays) != len(parts) or not arrays:
        return None
    total = sum((array.astype(np.result_type(np.float64, array)) for array in arrays), np.zeros(()))
    if total.shape != there.shape:
        return None
    dtype = trace.metas[arrival.arrived.meta].dtype
    if len(parts) == 1 and parts[0].dtype == dtype:
        return np.array_equal(total, there, equal_nan=True)  # nothing was added, so nothing is rounded
    error = relative_error(total, there, dtype, len(arrays), max(largest(array) for array in (*arrays, there)))
    return error <= tolerance(dtype, *(part.dtype for part in parts))
