"""Heat maps side by side, each under its name and over its figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich.segment import Segment

from backstep.trace.event import Local, Summary, Value, summarize
from backstep.trace.memo import per_trace
from backstep.trace.trace import Trace
from backstep.view.heatmap import heatmap
from backstep.view.numbers import bad_text, number
from backstep.view.rows import Row, fit, safe, width_of
from backstep.view.theme import Theme

BETWEEN = 5
"""Cells of a sign between two panels."""
WIDEST, APART = 60, 6
"""Cells of the widest map; cells that are left between panels where there is room for more."""


@dataclass(frozen=True, slots=True)
class Panel:
    """What is drawn under which label; `brief` is the label where there is little room.

    `output_dims`: how many of the dims are those of the node's output, 0 but for a Jacobian.
    """

    label: str
    thing: Value | Local
    brief: str = ""
    output_dims: int = 0


def panels(trace: Trace, row: Sequence[Panel], signs: Sequence[str], width: int, room: int, theme: Theme) -> list[Row]:
    """The panels with the signs between them; their maps take at most `room` rows."""
    each = max(8, (width - BETWEEN * len(signs)) // max(1, len(row)))
    figures = [figure(trace, panel.thing, panel.output_dims, min(each, WIDEST), room, theme) for panel in row]
    labels, widths = _labelled(row, figures, each, width - BETWEEN * len(signs))
    drawn = [
        [[Segment(safe(label), theme.strong)], *rows] for label, rows in zip(labels, figures, strict=True)
    ]  # fmt: skip
    tallest = max(map(len, drawn))
    rows: list[Row] = []
    for y in range(tallest):
        line: Row = []
        for index, panel in enumerate(drawn):
            line += fit(panel[y] if y < len(panel) else [], widths[index])
            if index < len(signs):
                line += fit([Segment(f"  {signs[index]}" if y == tallest // 2 else "", theme.text)], BETWEEN)
        rows.append(line)
    return rows


def _labelled(row: Sequence[Panel], drawn: Sequence[list[Row]], each: int, room: int) -> tuple[list[str], list[int]]:
    """The labels and the widths of the panels: the same width for all if that will do, else what each needs."""
    below = [max((width_of(line) for line in rows), default=0) for rows in drawn]
    for labels in ([panel.label for panel in row], [panel.brief or panel.label for panel in row]):
        needs = [max(len(label), size) for label, size in zip(labels, below, strict=True)]
        if max(needs) <= each:
            return labels, [min(each, max(needs) + APART)] * len(row)
        if sum(needs) <= room:
            return labels, needs
    return labels, [each] * len(row)


@per_trace(256)
def figure(trace: Trace, thing: Value | Local, output_dims: int, width: int, height: int, theme: Theme) -> list[Row]:
    """A heat map over its figures; a Jacobian has its first `output_dims` dims as rows. One number is a box."""
    array, summary = thing.array, thing.summary if isinstance(thing, Value) else None
    drawn = thing.drawn if isinstance(thing, Value) else array
    if drawn is None:
        return [[Segment(safe(thing.omitted or "not kept"), theme.dim)]]
    real = np.abs(drawn) if np.iscomplexobj(drawn) else drawn
    if array is not None and array.size == 1:
        return [[Segment(f" {number(real.ravel().tolist()[0])} ", theme.chip("backward"))]]
    summary = summary or summarize(real)
    shown = real.reshape(math.prod(real.shape[:output_dims]), -1) if output_dims and real.size else real
    style = theme.error if summary.nan or summary.inf else theme.dim
    return [*heatmap(shown, width, height, theme), [Segment(measures(summary, thing.shape, width), style)]]


def measures(summary: Summary, shape: tuple[int, ...], width: int) -> str:
    """`‖0.2452‖ max 0.0538 12% zero 1 NaN`; where that is too long, the share of zeros and the greatest go."""
    norm = most = share = ""
    if summary.norm is not None and summary.min is not None and summary.max is not None:
        norm = f"‖{number(summary.norm)}‖"
        most = f"max {number(max(abs(summary.min), abs(summary.max)))}"
        zeros = round(100 * summary.zeros / max(1, math.prod(shape) - summary.nan - summary.inf))
        share = f"{zeros}% zero" if zeros else ""
    bad = bad_text(summary.nan, summary.inf)
    told = ""
    for parts in ((norm, most, share, bad), (norm, most, bad), (norm, bad), (bad or norm,)):
        told = " ".join(part for part in parts if part)
        if len(told) <= width:
            break
    return told
