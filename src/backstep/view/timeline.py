"""The run in three scales: the loss curve, the passes of the outermost loop, and the iteration event by event.

The curve and the ruler are kept for each size of the trace; a step only puts the playhead on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rich.cells import set_cell_size
from rich.segment import Segment
from rich.style import Style

from backstep.replay.moment import Moment
from backstep.replay.runs import runs_of
from backstep.trace.memo import per_trace
from backstep.trace.records import PHASES
from backstep.trace.trace import Trace
from backstep.view.axis import stride, ticked
from backstep.view.braille import filled
from backstep.view.chips import chips
from backstep.view.marks import Marks, columns_of
from backstep.view.numbers import number
from backstep.view.rows import Row, fit
from backstep.view.runs import (
    context_name,
    context_value,
    iteration_context,
)
from backstep.view.scale import Scale, scale_of
from backstep.view.theme import Theme

LABEL = 7
RIGHT = 10
GROWTH = 1.25
"""The scale of a growing run changes in jumps, so that the curve does not creep."""


def build(
    moment: Moment, width: int, height: int, theme: Theme, *, marks: Sequence[Marks] = ()
) -> list[Row]:  # fmt: skip
    """The curve in what room there is, then the ruler with the marks, of which the first goes first, then the
    iteration."""
    room = max(1, width - LABEL - RIGHT)
    rows = [*_curve(moment, room, height - 2, theme), _ruler(moment, room, theme, marks)]
    rows = [*rows[: max(0, height - 1)], _iteration(moment, width, theme)]
    return [fit(row, width) for row in rows[:height]]


def position_at(moment: Moment, width: int, x: int) -> int:
    """The event at a cell of the curve or of the ruler."""
    room = max(1, width - LABEL - RIGHT)
    column = max(0, min(room - 1, x - LABEL))
    return min(moment.count - 1, -(-column * extent_of(moment) // room))


def extent_of(moment: Moment) -> int:
    """How many events the width of the timeline stands for."""
    if moment.trace.header["exit"]["status"] != "running":
        return moment.count
    extent = 64.0
    while extent < moment.count:
        extent *= GROWTH
    return int(extent)


def _label(text: str, theme: Theme) -> Segment:
    return Segment(set_cell_size(f" {text[: LABEL - 2]}", LABEL), theme.dim)


# the run


@dataclass(frozen=True, slots=True)
class Curve:
    """What is drawn for the whole run, and what it is: a label for each of its rows."""

    labels: tuple[str, ...]
    lines: tuple[str, ...]


@per_trace(16)
def curve_of(trace: Trace, count: int, losses: int, extent: int, room: int, rows: int) -> Curve:
    """The curve of a trace with `count` events and `losses` losses, in `room` cells by `rows`."""
    edges = np.arange(2 * room + 1) * extent // (2 * room)
    labels = ["loss" if losses else "grads", *[""] * rows]
    if losses:
        heights = _loss_heights(trace, edges)
        labels[1] = "(log)" if scale_of(trace, losses).logarithmic else ""
    else:
        heights = _backward_share(trace, edges, count)
    heights[edges[:-1] >= count] = np.nan
    return Curve(tuple(labels), tuple(filled(heights, rows)))


def _loss_heights(trace: Trace, edges: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """From 0 to 1 over the run: in each column the mean of its losses, or else the one that comes next."""
    losses = trace.losses
    positions, values = np.array(losses.positions), np.array(losses.values, np.float64)
    finite = np.isfinite(values)
    positions, values = positions[finite], values[finite]
    if not len(values):
        return np.full(len(edges) - 1, np.nan)
    scale = scale_of(trace, len(losses))
    if not scale.logarithmic:
        scale = Scale(float(values.min()), float(values.max()))
    values = scale.heights(values)
    at = np.searchsorted(positions, edges)
    first, last = at[:-1], at[1:]
    sums = np.concatenate([[0.0], np.cumsum(values)])
    means = (sums[last] - sums[first]) / np.maximum(1, last - first)
    heights: npt.NDArray[np.float64] = np.where(last > first, means, values[np.minimum(first, len(values) - 1)])
    return heights


def _backward_share(trace: Trace, edges: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.float64]:
    """Which part of the events of each column ran backward: what is left to draw when there is no scalar loss."""
    backward = trace.columns["phase"][:count] == PHASES.index("backward")
    sums = np.concatenate([[0], np.cumsum(backward)])
    low, high = np.minimum(edges[:-1], count - 1), np.minimum(np.maximum(edges[1:], edges[:-1] + 1), count)
    share: npt.NDArray[np.float64] = (sums[high] - sums[low]) / np.maximum(1, high - low)
    return share


def _curve(moment: Moment, room: int, rows: int, theme: Theme) -> list[Row]:
    if rows < 1:
        return []
    extent = extent_of(moment)
    curve = curve_of(moment.trace, moment.count, len(moment.trace.losses), extent, room, rows)
    head = _column(moment.position, extent, room)
    lines = []
    for index, line in enumerate(curve.lines):
        lines.append(
            [
                _label(curve.labels[index], theme),
                Segment(line[:head], theme.forward),
                Segment(line[head], theme.key + Style(reverse=True)),
                Segment(line[head + 1 :], theme.rule),
                Segment("" if index else _loss_now(moment), theme.strong),
            ]
        )
    return lines


def _loss_now(moment: Moment) -> str:
    loss = moment.trace.losses.upto(moment.position)
    return "" if loss is None else f"{number(loss):>{RIGHT - 1}}"


def _column(position: int, extent: int, room: int) -> int:
    return min(room - 1, position * room // max(1, extent))


# the outermost loop


@dataclass(frozen=True, slots=True)
class Ruler:
    """The ticks of the outermost loop's passes, thinned to what fits."""

    label: str
    line: str


@per_trace(16)
def ruler_of(trace: Trace, count: int, version: int, extent: int, room: int) -> Ruler:
    """The ruler of a trace with `count` events; `version` is that of its iterations."""
    runs = runs_of(trace)
    passes = np.flatnonzero(runs.outer_keys)
    if not len(passes):
        return Ruler("run", "─" * room)
    name = context_name(trace, int(runs.outer_keys[passes[0]]))
    widest = len(str(context_value(trace, int(runs.outer_keys[passes[-1]]))))
    ticks = [
        (_column(int(runs.outer[index]), extent, room), str(context_value(trace, int(runs.outer_keys[index]))))
        for index in passes[:: stride(len(passes), room, widest)].tolist()
    ]
    line = ticked(room, ticks)
    _mark_bad_losses(trace, line, extent)
    return Ruler(name, "".join(line))


def _mark_bad_losses(trace: Trace, line: list[str], extent: int) -> None:
    """NaN and Inf are no point of a curve; they are marked under it."""
    losses = trace.losses
    for index in np.flatnonzero(~np.isfinite(losses.values)).tolist():
        line[_column(losses.positions[index], extent, len(line))] = "✗"


def _ruler(moment: Moment, room: int, theme: Theme, marks: Sequence[Marks]) -> Row:
    extent = extent_of(moment)
    ruler = ruler_of(moment.trace, moment.count, moment.trace.contexts.version, extent, room)
    cells = [(c, theme.rule if c in "─┴" else theme.error if c == "✗" else theme.dim) for c in ruler.line]
    for mark in reversed(marks):
        for column in columns_of(moment.trace, mark, extent, room):
            cells[column] = (mark.sign, getattr(theme, mark.style))
    cells[_column(moment.position, extent, room)] = ("▲", theme.key)
    percent = 100 * moment.position // max(1, moment.count - 1)
    return [_label(ruler.label, theme), *_joined(cells), Segment(f"{percent:>{RIGHT - 2}}%", theme.dim)]


def _joined(cells: Sequence[tuple[str, Style]]) -> Row:
    """Cells as segments, one for each run of a style."""
    row: Row = []
    for character, style in cells:
        if row and row[-1].style is style:
            row[-1] = Segment(row[-1].text + character, style)
        else:
            row.append(Segment(character, style))
    return row


# the iteration


def _iteration(moment: Moment, width: int, theme: Theme) -> Row:
    inside = iteration_context(moment.trace, moment.position) is not None
    return [_label("iter" if inside else "", theme), *chips(moment, width - LABEL, theme)]
