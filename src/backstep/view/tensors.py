"""The Tensors pane: parameters first, with their gradients and in which of the five states those are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from backstep.replay.moment import GradKind, GradState, Moment
from backstep.replay.selection import Selection
from backstep.trace.batch import GRAD, KIND_CODE, VALUE
from backstep.trace.event import BackwardEvent, ForwardEvent, Value
from backstep.trace.memo import per_trace
from backstep.trace.records import UNWRITTEN
from backstep.trace.trace import Trace
from backstep.view.brief import BINS, Figures, figures, number, shape
from backstep.view.numbers import percent, signed
from backstep.view.rows import Row, fill_rows, fit, is_path, lit, safe, shortened, tagged
from backstep.view.theme import Theme
from backstep.view.title import title_row

WRITERS = [KIND_CODE[kind] for kind in ("accumulate", "grad_write", "zero_grad", "update")]
LOOKED_AT = 256
"""So many events back from here the values of this iteration are looked for."""
HEADS = ("name", "value", "change", "grad", "state", "last write", "moved", "mean", "std", "min", "max")
NAME, VALUE_COLUMN, CHANGE, GRAD_COLUMN, STATE, LAST, *MORE = range(len(HEADS))
MORE_WIDTH = 11
"""Cells of each column that is there only where all others have what they want."""
LEAST = (6, 10, 12, 12, 13, 10)
"""Cells that a column has at least, so that the others stand still while numbers come and go."""
COMFORT = (13, 18, 12, 12, 13, 10)
"""What a column grows to where there is room."""
MOST = (40, 26, 12, 22, 16, 12)
CONCESSIONS = ((LAST, 0), (NAME, 24), (CHANGE, 0), (NAME, 12), (STATE, 0), (VALUE_COLUMN, 10), (NAME, 6))
"""What gives way to what where there is no room for all: whole columns but for the ends of long names."""
EXPRESSION = 20
"""Cells that the name of a value without a name of its own can ask for."""
MARK = 2
"""Cells before each row: where the current one has its mark."""


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the table before its columns have widths: the texts under `HEADS`, their styles, a histogram."""

    texts: tuple[str, ...]
    styles: tuple[Style, ...]
    spread: str = ""
    here: bool = False
    tensor: int = -1
    chosen: bool = False


def title(moment: Moment, width: int, theme: Theme, *, selected: Selection | None = None) -> Row:
    note = "after this event" if selected is None else f"{selected} is followed, Esc ends that"
    return title_row(4, "Tensors", note, width, theme)


def build(
    moment: Moment, width: int, height: int, theme: Theme, *, selected: Selection | None = None
) -> list[Row]:  # fmt: skip
    """Exactly `height` rows of exactly `width` cells; the row of what is selected is among them."""
    lines = lines_of(moment, max(0, height - 1), theme, selected, more=width >= sum(COMFORT) + MORE_WIDTH)
    shapes = max((cell_len(line.texts[VALUE_COLUMN]) for line in lines if line.spread), default=0)
    blank = [at for at in range(LAST + 1) if not any(line.texts[at] for line in lines)]
    columns = columns_for(needs_of(lines, shapes), width - MARK, blank)
    heads = Line(HEADS, (theme.dim,) * len(HEADS))
    rows = [[Segment(" " * MARK), *cells(heads, columns, shapes)]]
    for line in lines:
        mark = Segment("● " if line.chosen else "▸ " if line.here else "  ", theme.key)
        row = tagged([mark, *cells(line, columns, shapes)], tensor=line.tensor)
        rows.append(lit(fit(row, width), theme.selected) if line.here or line.chosen else row)
    return fill_rows(rows, width, height)


# columns


def needs_of(lines: list[Line], shapes: int) -> list[int]:
    """Cells that each column needs for all of its texts, the blank after it included."""
    needs = [max([cell_len(line.texts[at]) for line in lines], default=0) + 1 for at in range(LAST + 1)]
    names = [line.texts[NAME] for line in lines]
    needs[NAME] = max([cell_len(n) if is_path(n) else min(cell_len(n), EXPRESSION) for n in names], default=0) + 1
    if shapes:
        needs[VALUE_COLUMN] = max(needs[VALUE_COLUMN], shapes + BINS + 2)
    return [min(max(need, least), most) for need, least, most in zip(needs, LEAST, MOST, strict=True)]


def columns_for(needs: list[int], width: int, blank: list[int]) -> list[int]:
    """The widths of the columns, 0 for one that is left out; those without a text first."""
    widths = list(needs)
    for column, cut in (*[(empty, 0) for empty in blank], *CONCESSIONS):
        if sum(widths) <= width:
            break
        widths[column] = min(widths[column], cut)
    widths[NAME] += max(0, min(needs[NAME] - widths[NAME], width - sum(widths)))
    for column, comfort in enumerate(COMFORT):
        if widths[column]:
            widths[column] += max(0, min(comfort - widths[column], width - 1 - sum(widths)))
    more = max(0, width - 2 - sum(widths)) // MORE_WIDTH if not any(widths[at] == 0 for at in range(LAST)) else 0
    widths[LAST] += bool(more)
    return [*widths, *(MORE_WIDTH if index < more else 0 for index in range(len(MORE)))]


def cells(line: Line, columns: list[int], shapes: int) -> Row:
    row: Row = []
    last = max(at for at, width in enumerate(columns) if width or at == NAME)
    for at, (text, width, style) in enumerate(zip(line.texts, columns, line.styles, strict=True)):
        if at == NAME:
            text = shortened(text, width - 1)
        if at == VALUE_COLUMN and line.spread:
            text = f"{text:<{shapes}} {line.spread}"
        if width:
            row += [*fit([Segment(text, style)], width - (at != last)), Segment("" if at == last else " ")]
    return row


# rows


def lines_of(
    moment: Moment, room: int, theme: Theme, selected: Selection | None = None, *, more: bool = False
) -> list[Line]:  # fmt: skip
    """Parameters, then what this iteration made; both around what is selected, or else what the event is about.
    `more`: there may be room for all columns."""
    target = target_of(moment)
    leaves, values = list(moment.leaves), values_of_iteration(moment)
    made = [value.tensor for value in values]
    chosen = None if selected is None else row_of(moment, selected, values)
    center = target if chosen is None else chosen
    for_values = min(len(values), room // 3 if center in made and len(leaves) > 1 else 0)
    shown = around(leaves, leaf_in_focus(moment) if center not in leaves else center, room - for_values)
    lines = [leaf_line(moment, leaf, theme, leaf == target, more) for leaf in shown]
    for index in around(list(range(len(values))), made.index(center) if center in made else None, room - len(lines)):
        lines.append(value_line(moment, values[index], theme, made[index] == target, more))
    return [replace(line, chosen=line.tensor == chosen) for line in lines] if chosen is not None else lines


def row_of(moment: Moment, selected: Selection, values: Sequence[Value]) -> int | None:
    """The tensor that is now what was selected: a leaf stays, any other value is made anew under its name."""
    if selected.tensor in moment.trace.leaves:
        return selected.tensor
    return next((value.tensor for value in values if value.name == selected.name), None)


def listed(moment: Moment) -> list[tuple[int, str]]:
    """All tensors that can be selected, with their names, in the order of the rows."""
    leaves = [(leaf, moment.trace.leaves[leaf]) for leaf in moment.leaves]
    return [*leaves, *((value.tensor, value.name) for value in values_of_iteration(moment))]


def around(numbers: list[int], target: int | None, room: int) -> list[int]:
    """As many of a list as there is room for, the target among them."""
    if len(numbers) <= room or target not in numbers:
        return numbers[:room]
    start = max(0, min(numbers.index(target) - room // 2, len(numbers) - room))
    return numbers[start : start + room]


def leaf_in_focus(moment: Moment) -> int | None:
    """The leaf that the event is about or takes, or the one that was written last."""
    event, leaves = moment.event, moment.trace.leaves
    target = target_of(moment)
    if target in leaves:
        return target
    if isinstance(event, ForwardEvent):
        taken = [value.tensor for value in inputs_of(moment.trace, event) if value.tensor in leaves]
        if taken:
            return taken[0]
    first = max(moment.iteration_span[0], moment.position - LOOKED_AT)
    columns = moment.trace.columns[first : moment.position + 1]
    written = np.flatnonzero(np.isin(columns["kind"], WRITERS))
    return int(columns["subject"][written[-1]]) if len(written) else None


def inputs_of(trace: Trace, event: ForwardEvent) -> Sequence[Value]:
    """What an op takes; of a part of one, what the op takes that was written, if that is recorded by now."""
    if event.parent is None or event.parent >= len(trace):
        return event.inputs
    whole = trace.event(event.parent)
    return whole.inputs if isinstance(whole, ForwardEvent) else event.inputs


def target_of(moment: Moment) -> int | None:
    """The tensor that the event is about."""
    event = moment.event
    if event.kind in ("accumulate", "update", "zero_grad", "grad_write"):
        return int(event["number"])
    if isinstance(event, ForwardEvent) and event.outputs:
        return event.outputs[0].tensor
    if isinstance(event, BackwardEvent):
        leaves = [edge.to["number"] for edge in event.edges if edge.to is not None and "number" in edge.to]
        return leaves[0] if leaves else None
    return None


def leaf_line(moment: Moment, leaf: int, theme: Theme, here: bool, more: bool) -> Line:
    value, grad = moment.value(leaf), moment.grad(leaf)
    writers = moment.writer(leaf, VALUE), moment.writer(leaf, GRAD)
    value_now, grad_now = (writer == moment.position for writer in writers)
    last = max((writer for writer in writers if writer is not None), default=None)
    word, style = state_word(moment, moment.grad_state(leaf), theme)
    known, told = told_of(moment, value), told_of(moment, grad)
    texts = (
        safe(moment.trace.leaves[leaf]),
        value_text(value, known),
        ("* " if value_now else "") + change(moment, leaf),
        ("* " if grad_now else "") + grad_text(grad, told),
        word,
        "" if last is None else f"#{last}",
        moved(moment, leaf),
        *spread_texts(value if more else None),
    )
    marked = theme.backward if grad_now else theme.text
    changed = theme.update if value_now else theme.text
    styles = (
        theme.strong, known.style(changed, theme), theme.update, told.style(marked, theme), style, theme.dim,
        theme.update, *[theme.dim] * (len(MORE) - 1),
    )  # fmt: skip
    return Line(texts, styles, known.spread, here, leaf)


def value_line(moment: Moment, value: Value, theme: Theme, here: bool, more: bool) -> Line:
    state = "not kept" if value.requires_grad else "no grad"
    made = moment.writer(value.tensor)
    known = told_of(moment, value)
    written = "" if made is None else f"#{made}"
    told = spread_texts(value if more else None)
    texts = (safe(value.name), value_text(value, known), "", "-", state, written, "", *told)
    styles = [theme.dim] * len(HEADS)
    styles[VALUE_COLUMN] = known.style(theme.dim, theme)
    return Line(texts, tuple(styles), known.spread, here, value.tensor)


def spread_texts(value: Value | None) -> tuple[str, str, str, str]:
    """Mean, standard deviation, least and greatest; nothing of one number, or of what was not kept."""
    summary = None if value is None or math.prod(value.shape) == 1 else value.summary
    if summary is None:
        return "", "", "", ""
    mean, std, low, high = (
        "" if one is None else number(one) for one in (summary.mean, summary.std, summary.min, summary.max)
    )
    return mean, std, low, high


def told_of(moment: Moment, value: Value | None) -> Figures:
    return Figures("") if value is None else figures(moment.trace, value)


def value_text(value: Value | None, known: Figures) -> str:
    """The number, or the shape, beside which a histogram stands where there is one."""
    if value is None:
        return "not seen yet"
    if known.told:
        return known.text
    if value.array is None and value.summary is None:
        return safe(f"{shape(value)} {value.omitted or 'not kept'}")
    return shape(value) if known.spread else f"{shape(value)} {known.text}"


def grad_text(value: Value | None, known: Figures) -> str:
    """The number or the norm: the shape is that of the value."""
    if value is None:
        return "None"
    return known.text if value.array is not None or value.summary is not None else safe(value.omitted or "not kept")


def change(moment: Moment, leaf: int) -> str:
    """By how much the last write moved it."""
    return _of_update(moment, leaf)[0]


def moved(moment: Moment, leaf: int) -> str:
    """The same as a share of its norm: 0.1 to 1% is plain."""
    return _of_update(moment, leaf)[1]


def _of_update(moment: Moment, leaf: int) -> tuple[str, str]:
    last = moment.writer(leaf, VALUE)
    if last is None or moment.trace.kind_at(last) != KIND_CODE["update"]:
        return "", ""
    return change_at(moment.trace, last)


@per_trace(4096)
def change_at(trace: Trace, position: int) -> tuple[str, str]:
    """By how much an update moved its weight: worked out once, for it stands there until the next one."""
    event = trace.event(position)
    before, after = event["before"].array, event["after"].array
    if before is None or after is None:
        return "" if event["before"].omitted == UNWRITTEN else "not kept", ""  # it had no numbers to move from
    if before.shape != after.shape or np.iscomplexobj(after):
        return "", ""
    step = after.astype(np.float64) - before
    size, whole = float(np.linalg.norm(step)), float(np.linalg.norm(before.astype(np.float64)))
    told = signed(float(step.reshape(()))) if step.size == 1 else f"‖{number(size)}‖"
    return told, percent(size / whole) if whole else ""


def state_word(moment: Moment, state: GradState, theme: Theme) -> tuple[str, Style]:
    """The state as a glyph and a word, never by colour alone."""
    match state.kind:
        case GradKind.NONE:
            return "∅ none", theme.zero
        case GradKind.ZEROED:
            return "∅ zeroed", theme.zero
        case GradKind.FRESH:
            return "✓ fresh", theme.good
        case GradKind.SUM:
            return f"! sum of {state.count}", theme.warning if state.usual else theme.error
    left = None if state.since is None else moment.trace.iteration_at(state.since)
    return f"~ stale (i{left})" if left is not None else "~ stale", theme.warning


def values_of_iteration(moment: Moment) -> list[Value]:
    """What the forward ops of this iteration made by now, the newest of each name, in the order they were made."""
    trace = moment.trace
    first = max(moment.iteration_span[0], moment.position - LOOKED_AT)
    kinds = trace.columns["kind"][first : moment.position + 1]
    found: dict[str, Value] = {}
    for offset in np.flatnonzero(kinds == KIND_CODE["forward"]).tolist():
        event = trace.event(first + offset)
        if isinstance(event, ForwardEvent) and event.parent is None:
            for value in (*event.inputs, *event.outputs):
                if value.tensor not in trace.leaves and value.tensor not in trace.grads:
                    found[value.name] = value
    return list(found.values())
