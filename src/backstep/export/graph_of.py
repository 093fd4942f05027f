"""The graph of an iteration at a moment, as what is drawn of it needs it: boxes and the wires between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backstep.replay.moment import Moment
from backstep.replay.runs import runs_of
from backstep.trace.batch import KIND_CODE
from backstep.trace.event import Value
from backstep.trace.trace import Trace
from backstep.view.brief import figures, shape
from backstep.view.carried import arrived_at, has_run_backward, is_leaf, value_of
from backstep.view.rows import safe
from backstep.view.spine import SpineRow, block_around, spine_of

LANES = 6


@dataclass(frozen=True, slots=True)
class Box:
    """`kind`: `leaf`, `data` or `op`. `gradient` is empty where none is needed or none has come yet."""

    kind: str
    title: str
    value: str
    gradient: str
    inputs: tuple[int, ...]
    back: tuple[bool, ...]
    """For each input: whether a gradient has gone back to it."""


def default_position(trace: Trace) -> int:
    """The end of the last backward pass of the first iteration: all gradients are there, and the values that they are
    of. Without an iteration that of the trace, without a backward pass its end. ValueError for an empty trace."""
    if not len(trace):
        raise ValueError("the trace has no events")
    runs = runs_of(trace)
    iterations = np.flatnonzero(runs.inner_keys >= 0)
    first, last = runs.inner_span(int(iterations[0])) if len(iterations) else (0, len(trace) - 1)
    ends = np.flatnonzero(trace.columns["kind"][first : last + 1] == KIND_CODE["backward_end"])
    return first + int(ends[-1]) if len(ends) else last


def boxes_at(trace: Trace, at: int | None) -> tuple[Moment, list[Box]]:
    """The boxes of the iteration around a position, each after its inputs."""
    moment = Moment(trace, default_position(trace) if at is None else at)
    runs = runs_of(trace)
    span = block_around(*runs.inner_span(runs.inner_at(moment.position)), moment.position)
    rows = spine_of(trace, *span, LANES).rows
    return moment, [_box(moment, rows, index) for index in range(len(rows))]


def _box(moment: Moment, rows: tuple[SpineRow, ...], index: int) -> Box:
    row = rows[index]
    name = safe(moment.trace.name(row.tensor, row.name)) if row.tensor >= 0 else ""
    inputs = tuple(one for one in row.inputs if one < index)
    ran = has_run_backward(moment, row)
    back = tuple(ran and rows[one].needs_grad for one in inputs)
    leaf = is_leaf(moment, row)
    kind = "leaf" if leaf else "op" if row.is_op else "data"
    title = f"{safe(row.op)} → {name}" if row.is_op and name else safe(row.op) or name
    gradient = moment.grad(row.tensor) if leaf else arrived_at(moment, row) if ran and row.needs_grad else None
    return Box(kind, title, _told(moment, value_of(moment, row)), _told(moment, gradient), inputs, back)


def _told(moment: Moment, value: Value | None) -> str:
    """A number, or a shape and a norm."""
    if value is None:
        return ""
    known = figures(moment.trace, value)
    return known.text if known.told or not shape(value) else f"{shape(value)} {known.text}".strip()
