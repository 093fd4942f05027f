"""The Chain rule pane: the work of one event. Seven forms, always in the same places."""

from __future__ import annotations

from rich.cells import cell_len
from rich.segment import Segment

from backstep.replay.moment import Moment
from backstep.trace.event import (
    AccumulateEvent,
    BackwardEndEvent,
    BackwardEvent,
    BackwardStartEvent,
    Event,
    ExceptionEvent,
    ForwardEvent,
    GradWriteEvent,
    NoteEvent,
    OutputEvent,
    UpdateEvent,
    ZeroGradEvent,
)
from backstep.trace.records import PHASES
from backstep.view import chain_backward, chain_forward, chain_leaves
from backstep.view.pen import Pen
from backstep.view.rows import Row, fill_rows, wrap
from backstep.view.theme import Theme
from backstep.view.title import title_row

INDENT = "  "
"""How a row begins that goes on with the one above."""
ROOMY = 9
"""From so many rows on numbers may stand in tall boxes."""


def title(moment: Moment, width: int, theme: Theme) -> Row:
    """What runs, in words."""
    return title_row(3, "Chain rule", heading(moment.event), width, theme)


def heading(event: Event) -> str:
    match event:
        case ForwardEvent():
            return f"{event.op} runs forward"
        case BackwardEvent():
            return f"{event.op} runs backward"
        case BackwardStartEvent():
            return f"a backward pass begins: {event.api}()"
        case BackwardEndEvent():
            return "the backward pass has ended"
        case AccumulateEvent():
            return f"AccumulateGrad  {event.tensor}.grad +="
        case UpdateEvent():
            return f"update {event.tensor}"
        case ZeroGradEvent():
            return f"zero {event.tensor}.grad"
        case GradWriteEvent():
            return f"{event.by} writes {event.tensor}.grad"
    return event.kind


def build(moment: Moment, width: int, height: int, theme: Theme, *, drawn: bool = True, term: int = 0) -> list[Row]:
    """Exactly `height` rows of exactly `width` cells, the important ones first; without colours nothing is drawn.

    A backward step begins with its input number `term`, counted on from the first again after the last."""
    pen = Pen(moment, width, height, theme, drawn, term)
    rows = unfolded(forms(pen, moment.event), pen.width, height)
    if drawn and height >= ROOMY:
        rows = grown(rows, height - 2 - len(rows), theme)
    return fill_rows([[Segment(" "), *row] for row in ended(rows, height)], width, height)


def ended(rows: list[Row], height: int) -> list[Row]:
    """The rows that have room; where a sentence would go on below, that is seen."""
    goes_on = 0 < height < len(rows) and rows[height] and rows[height][0].text == INDENT
    if not goes_on:
        return rows
    *kept, last = rows[:height]
    return [*kept, [*last, Segment(" …", last[-1].style if last else None)]]


def unfolded(rows: list[Row], width: int, height: int) -> list[Row]:
    """Rows that are too long go on below, as far as rows are free; where there are too few, the blank ones go."""
    rows = rows if len(rows) <= height else [row for row in rows if row]
    free = max(0, height - len(rows))
    result: list[Row] = []
    for row in rows:
        parts = wrap(row, width) if free else [row]
        more = min(free, len(parts) - 1)
        cut = [Segment(" …")] if more < len(parts) - 1 else []
        result += [*parts[:more], [*parts[more], *cut]]
        free -= more
    return result


def grown(rows: list[Row], free: int, theme: Theme) -> list[Row]:
    """Numbers in boxes of three rows, as far as so many rows are free."""
    chips = [theme.chip(phase) for phase in (*PHASES, "")]
    result: list[Row] = []
    for row in rows:
        if free < 2 or not any(style in chips for _, style, _ in row):
            result.append(row)
            continue
        edge = [Segment(" " * cell_len(text), style if style in chips else None) for text, style, _ in row]
        result += [edge, row, edge]
        free -= 2
    return result


def forms(pen: Pen, event: Event) -> list[Row]:
    match event:
        case ForwardEvent():
            return chain_forward.forward(pen, event)
        case BackwardEvent():
            return chain_backward.backward(pen, event)
        case AccumulateEvent():
            return chain_leaves.accumulate(pen, event)
        case UpdateEvent():
            return chain_leaves.update(pen, event)
        case ZeroGradEvent():
            return chain_leaves.zeroing(pen, event)
        case GradWriteEvent():
            return chain_leaves.grad_write(pen, event)
        case BackwardStartEvent():
            return chain_leaves.start(pen, event)
        case BackwardEndEvent():
            return chain_leaves.end(pen, event)
        case OutputEvent():
            return pen.text(event.text, pen.theme.text)
        case ExceptionEvent():
            ended = "caught by the script" if event.caught else "it ended the script"
            return pen.text(f"{event.type}: {event.message}\n{ended}", pen.theme.error)
        case NoteEvent():
            return pen.text(event.text, pen.theme.warning)
    return []
