"""Looking for a text among ops, tensors, modules and source."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backstep.replay.search import Wanted
from backstep.trace.batch import KIND_CODE
from backstep.trace.memo import per_trace
from backstep.trace.records import Accumulate, Backward, EventRow, Forward, GradWrite, Update, ValueRow, ZeroGrad
from backstep.trace.trace import Trace

NAMED = [KIND_CODE[k] for k in ("forward", "backward", "accumulate", "grad_write", "zero_grad", "update")]


def wanted_text(trace: Trace, text: str) -> Wanted:
    """The events whose op, tensors, module or source has the text, capitals or not."""
    text = text.lower()
    strings, leaves, places = _where(trace, text, len(trace.strings), len(trace.leaves))

    if not (strings or leaves or places or any(text in f"{leaf}.grad".lower() for leaf in trace.leaves.values())):
        return lambda first, end: ()

    def is_named(value: ValueRow | None) -> bool:
        if value is None:
            return False
        return value.tensor in leaves or text in trace.name(value.tensor, value.name).lower()

    def holds(row: EventRow) -> bool:
        match row:
            case Forward():
                return row.op in strings or any(map(is_named, (*row.inputs, *row.outputs)))
            case Backward():
                return row.op in strings or any(edge.input in strings or edge.leaf in leaves for edge in row.edges)
            case Accumulate() | ZeroGrad():
                return row.leaf in leaves
            case GradWrite() | Update():
                return row.leaf in leaves or row.by in strings
        return False

    def wanted(first: int, end: int) -> Sequence[int]:
        columns = trace.columns[first:end]
        by_column = np.isin(columns["module"], list(strings - {0})) | np.isin(columns["place"], places)
        by_row = np.flatnonzero(~by_column & np.isin(columns["kind"], NAMED)) + first
        rows = trace.rows(by_row.tolist())
        more = [p for p, row in zip(by_row.tolist(), rows, strict=True) if holds(row)]
        return sorted([*(np.flatnonzero(by_column) + first).tolist(), *more])

    return wanted


@per_trace(4)
def _where(trace: Trace, text: str, strings: int, leaves: int) -> tuple[frozenset[int], frozenset[int], list[int]]:
    """The strings, the leaves and the places that have the text, of so many as there are by now."""
    having = frozenset(n for n, string in enumerate(trace.strings) if text in string.lower())
    named = frozenset(number for number, name in trace.leaves.items() if text in name.lower())
    return having, named, [number for number, source in trace.places() if text in source.code.lower()]
