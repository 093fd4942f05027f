"""Which edges of a backward pass a user's hook changed: what left is not what arrived. Seen afterwards."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from backstep.trace.decode import decode_value
from backstep.trace.records import Accumulate, Backward, EventRow, ValueRow

if TYPE_CHECKING:
    from backstep.trace.trace import Trace

Target = tuple[int, int, int]
"""(node, output, leaf): where an edge leads."""

TOLERANCE = {"float64": 1e-6, "complex128": 1e-6, "float16": 2e-2, "bfloat16": 2e-2}
"""Relative to the largest magnitude, by dtype; 1e-4 for what is not named: that of single precision."""


def find_hooked(trace: Trace, rows: dict[int, EventRow]) -> frozenset[tuple[int, int]]:
    """The edges `(position, index)` among the rows of one pass whose sum is not what arrived at their target."""
    sent: dict[Target, list[tuple[tuple[int, int], ValueRow | None]]] = defaultdict(list)
    hooked: set[tuple[int, int]] = set()

    def arrive(target: Target, arrived: ValueRow | None) -> None:
        parts = sent.pop(target, [])
        if arrived is not None and parts and differs(trace, arrived, [part for _, part in parts]):
            hooked.update(edge for edge, _ in parts)

    for position, row in rows.items():
        if isinstance(row, Accumulate):
            arrive((-1, 0, row.leaf), row.arrived)
        elif isinstance(row, Backward):
            for output, arrived in enumerate(row.upstream):
                arrive((row.node, output, -1), arrived)
            for index, edge in enumerate(row.edges):
                if edge.node >= 0 or edge.leaf >= 0:
                    target = (edge.node, edge.output if edge.leaf < 0 else 0, edge.leaf)
                    sent[target].append(((position, index), edge.downstream))
    return frozenset(hooked)


def differs(trace: Trace, arrived: ValueRow, parts: list[ValueRow | None]) -> bool:
    """Whether the parts do not add up to what arrived, beyond rounding. Unknown values differ from nothing."""
    there = decode_value(trace, arrived).array
    left = [decode_value(trace, part).array for part in parts if part is not None]
    arrays = [array for array in left if array is not None]
    if there is None or len(arrays) != len(left) or not arrays:
        return False
    total = np.zeros((), np.result_type(np.float64, there))
    for array in arrays:
        total = total + array
    if total.shape != there.shape:
        return False
    scale = max(float(np.max(np.abs(array), initial=0.0, where=np.isfinite(array))) for array in arrays)
    tolerance = TOLERANCE.get(trace.metas[arrived.meta].dtype, 1e-4)
    return not np.allclose(total, there, rtol=tolerance, atol=tolerance * scale, equal_nan=True)
