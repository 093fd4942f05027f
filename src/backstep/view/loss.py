"""The Loss pane: the loss iteration by iteration, and under it the learning rate and the norm of the gradients.

The curves are kept for each size of the trace; a step only puts the playhead on them.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rich.cells import set_cell_size
from rich.segment import Segment
from rich.style import Style

from backstep.replay.moment import Moment
from backstep.replay.runs import runs_of
from backstep.trace.memo import per_trace
from backstep.trace.series import Series
from backstep.trace.trace import Trace
from backstep.view.axis import stride, ticked
from backstep.view.braille import filled
from backstep.view.numbers import number
from backstep.view.rows import Row, fill_rows, fit
from backstep.view.scale import scale_of
from backstep.view.theme import Theme
from backstep.view.title import title_row

LABEL, RIGHT = 9, 10
GROWTH = 1.25
"""A run that grows is drawn anew in jumps."""
ROOM_FOR_MORE, ROOM_FOR_TALLER = 8, 15
"""Rows of a pane that has the learning rate and the gradients too; that has two rows of them."""

EMPTY = "⠀"
"""A cell of the curve with no dot in it."""

Numbers = npt.NDArray[np.float64]


def title(moment: Moment, width: int, theme: Theme) -> Row:
    losses = moment.trace.losses
    if not len(losses):
        return title_row(6, "Loss", "none recorded", width, theme)
    here = moment.trace.iteration_at(moment.position)
    note = "by backward pass" if not _iterations(moment) else "by iteration" if here is None else f"iteration {here:,}"
    logarithmic = scale_of(moment.trace, len(losses)).logarithmic
    return title_row(6, "Loss", f"{note}, logarithmic" if logarithmic else note, width, theme)


def build(moment: Moment, width: int, height: int, theme: Theme) -> list[Row]:
    """Exactly `height` rows of exactly `width` cells."""
    if not len(moment.trace.losses):
        text = "a curve needs a backward pass that starts from one number, as from a loss"
        return fill_rows([[Segment(f" {text}", theme.dim)]], width, height)
    room = max(1, width - LABEL - RIGHT)
    extras = [
        one for one in (("lr", moment.trace.rates), ("‖grads‖", moment.trace.norms)) if len(one[1])
    ]  # fmt: skip
    each = 0 if height < ROOM_FOR_MORE else 1 if height < ROOM_FOR_TALLER else 2
    curve = max(1, height - 1 - each * len(extras))
    rows = _curve(moment, room, curve, theme)
    rows.append([Segment(" " * LABEL), *_axis(moment, room, theme)])
    for name, series in extras if each else ():
        rows += _extra(moment, name, series, room, each, theme)
    return fill_rows([fit(row, width) for row in rows[:height]], width, height)


def position_at(moment: Moment, width: int, x: int) -> int:
    """Where the iteration begins that a cell of the pane stands for."""
    room = max(1, width - LABEL - RIGHT)
    at = max(0, min(room - 1, x - LABEL)) * _extent(moment) // room
    if not _iterations(moment):
        positions = moment.trace.losses.positions
        return positions[min(at, len(positions) - 1)]
    runs = runs_of(moment.trace)
    there = np.flatnonzero(runs.inner_keys >= at)
    return int(runs.inner[there[0] if len(there) else -1])


def _curve(moment: Moment, room: int, rows: int, theme: Theme) -> list[Row]:
    trace, losses = moment.trace, moment.trace.losses
    scale = scale_of(trace, len(losses))
    lines = drawn(trace, "losses", len(losses), trace.contexts.version, _extent(moment), room, rows).lines
    head = _head(moment, room)
    labels = {rows - 1: scale.low, 0: scale.high} | ({rows // 2: scale.middle} if rows > 4 else {})
    now = losses.upto(moment.position)
    right = {0: number(now)} if now is not None else {}
    return [
        [
            Segment(f"{number(labels[y]) if y in labels else '':>{LABEL - 2}} ", theme.dim),
            Segment("┤" if y in labels else "│", theme.rule),
            *_played(line, head, theme.forward, theme),
            Segment(f"{right.get(y, ''):>{RIGHT - 1}}", theme.strong),
        ]
        for y, line in enumerate(lines)
    ]


def _played(line: str, head: int, style: Style, theme: Theme) -> Row:
    """The part up to now bright; the playhead is a thin line where the curve leaves room."""
    now = line[head]
    here = Segment("│", theme.key) if now == EMPTY else Segment(now, theme.key + Style(reverse=True))
    return [Segment(line[:head], style), here, Segment(line[head + 1 :], theme.rule)]


def _axis(moment: Moment, room: int, theme: Theme) -> Row:
    extent = _extent(moment)
    step = stride(extent, room, len(f"{extent:,}"))
    line = ticked(room, ((at * room // extent, f"{at:,}") for at in range(0, extent, step)))
    trace = moment.trace
    for column in drawn(trace, "losses", len(trace.losses), trace.contexts.version, extent, room, 1).bad:
        line[column] = "✗"
    head = _head(moment, room)
    cells = [Segment(c, theme.error if c == "✗" else theme.dim if c not in "─┴" else theme.rule) for c in line]
    cells[head] = Segment("▲", theme.key)
    return cells


def _extra(moment: Moment, name: str, series: Series, room: int, rows: int, theme: Theme) -> list[Row]:
    trace = moment.trace
    which = "rates" if series is trace.rates else "norms"
    lines = drawn(trace, which, len(series), trace.contexts.version, _extent(moment), room, rows).lines
    now = series.upto(moment.position)
    style = theme.update if which == "rates" else theme.backward
    return [
        [
            Segment(set_cell_size(f" {name}" if y == 0 else "", LABEL), theme.dim),
            *_played(line, _head(moment, room), style, theme),
            Segment(f"{number(now) if now is not None and y == 0 else '':>{RIGHT - 1}}", theme.strong),
        ]
        for y, line in enumerate(lines)
    ]


# what is drawn


@dataclass(frozen=True, slots=True)
class Drawn:
    """A curve as rows of braille, and the columns in which it is not a number."""

    lines: tuple[str, ...]
    bad: tuple[int, ...]


@per_trace(32)
def drawn(trace: Trace, which: str, count: int, version: int, extent: int, room: int, rows: int) -> Drawn:
    """One of the series as far as it has `count` points, over `extent` iterations in `room` cells."""
    series: Series = getattr(trace, which)
    at = _places(trace, series, count)
    values = np.array(series.values[:count], np.float64)
    known = (at >= 0) & (at < extent)
    at, values = at[known], values[known]
    bad = ~np.isfinite(values)
    columns = at * 2 * room // max(1, extent)
    heights = _means(columns[~bad], _heights(trace, which, values[~bad]), 2 * room)
    _hold(heights, int(columns.max()) if len(columns) else -1, 2 * room, extent)
    return Drawn(tuple(filled(heights, rows)), tuple(sorted(set((columns[bad] // 2).tolist()))))


def _heights(trace: Trace, which: str, values: Numbers) -> Numbers:
    """From 0 to 1: the losses by their scale, everything else from nothing to its greatest."""
    if which != "losses":
        return values / max(float(values.max(initial=0)), 1e-300)
    return scale_of(trace, len(trace.losses)).heights(values)


def _means(columns: npt.NDArray[np.int64], values: Numbers, room: int) -> Numbers:
    """The mean of what falls into each column; NaN where nothing does."""
    sums = np.bincount(columns, values, room)
    with np.errstate(invalid="ignore"):
        return np.asarray(sums / np.bincount(columns, minlength=room))


def _hold(heights: Numbers, last: int, room: int, extent: int) -> None:
    """Fills the columns between two iterations, and the width of the last one, with what was before."""
    end = min(room, max(last + 1, last + room // max(1, extent)))
    known = np.flatnonzero(np.isfinite(heights[:end]))
    if len(known):
        before = np.searchsorted(known, np.arange(known[0], end), "right") - 1
        heights[known[0] : end] = heights[known[before]]


def _places(trace: Trace, series: Series, count: int) -> npt.NDArray[np.int64]:
    """For each point its iteration, -1 in none; where no loop was found, the backward pass that it belongs to."""
    positions = np.array(series.positions[:count], np.int64)
    runs = runs_of(trace)
    if not _iterations(Moment(trace, 0)):
        return np.maximum(0, np.searchsorted(np.array(trace.losses.positions), positions, "right") - 1)
    return np.asarray(runs.inner_keys[np.maximum(0, np.searchsorted(runs.inner, positions, "right") - 1)])


def _iterations(moment: Moment) -> int:
    """How many iterations there are, as far as is known; 0 where the backward passes tell more."""
    trace = moment.trace
    count = _greatest(trace, len(runs_of(trace).inner_keys), trace.contexts.version)
    return 0 if count == 1 < len(trace.losses) else count


@per_trace(4)
def _greatest(trace: Trace, stretches: int, version: int) -> int:
    return int(runs_of(trace).inner_keys.max(initial=-1)) + 1


def _extent(moment: Moment) -> int:
    """How many iterations, or backward passes, the width stands for."""
    count = max(1, _iterations(moment) or len(moment.trace.losses))
    if moment.trace.header["exit"]["status"] != "running":
        return count
    extent = 16.0
    while extent < count:
        extent *= GROWTH
    return int(extent)


def _head(moment: Moment, room: int) -> int:
    """The column of the playhead."""
    trace = moment.trace
    extent = _extent(moment)
    if _iterations(moment):
        runs = runs_of(trace)
        keys = runs.inner_keys[: runs.inner_at(moment.position) + 1]
        at = trace.iteration_at(moment.position)
        at = at if at is not None else int(keys[-2]) if len(keys) > 1 else 0
    else:
        at = bisect_right(trace.losses.positions, moment.position) - 1
    return max(0, min(room - 1, max(0, at) * room // extent))
