"""The Tensors pane: parameters first, with their gradients and in which of the five states those are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rich.segment import Segment
from rich.style import Style

from backstep.replay.moment import GradKind, GradState, Moment
from backstep.trace.batch import GRAD, KIND_CODE, VALUE
from backstep.trace.event import BackwardEvent, ForwardEvent, Value
from backstep.trace.memo import per_trace
from backstep.trace.trace import Trace
from backstep.view.brief import figures, number, shape
from backstep.view.numbers import signed
from backstep.view.rows import Row, fill_rows, fit, safe
from backstep.view.theme import Theme
from backstep.view.title import title_row

LOOKED_AT = 256
"""So many events back from here the values of this iteration are looked for."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Widths in cells."""

    name: int
    value: int
    change: int
    grad: int
    state: int
    last: int


def title(moment: Moment, width: int, theme: Theme) -> Row:
    return title_row(4, "Tensors", "after this event", width, theme)


def build(moment: Moment, width: int, height: int, theme: Theme) -> list[Row]:
    """Exactly `height` rows of exactly `width` cells."""
    columns = columns_for(width)
    heads = ("name", "value", "change", "grad", "state", "last write")
    rows = [[Segment("  "), *cells(heads, columns, [theme.dim] * 6)]]
    target = target_of(moment)
    leaves = list(moment.leaves)
    shown = around(leaves, target, max(0, height - 1))
    rows += [leaf_row(moment, leaf, columns, theme, leaf == target, width) for leaf in shown]
    for value in values_of_iteration(moment):
        if len(rows) >= height:
            break
        rows.append(value_row(moment, value, columns, theme, value.tensor == target, width))
    return fill_rows(rows, width, height)


def columns_for(width: int) -> Columns:
    name = max(10, min(22, width * 18 // 100))
    change, state, last = 12, 15, 11
    rest = max(22, width - 2 - name - change - state - last)
    value = rest * 58 // 100
    return Columns(name, value, change, rest - value, state, last)


def cells(texts: tuple[str, ...], columns: Columns, styles: list[Style]) -> Row:
    widths = (columns.name, columns.value, columns.change, columns.grad, columns.state, columns.last)
    row: Row = []
    for text, width, style in zip(texts, widths, styles, strict=True):
        row += [*fit([Segment(safe(text), style)], width - 1), Segment(" ")]
    return row


def around(leaves: list[int], target: int | None, room: int) -> list[int]:
    """As many leaves as there is room for, the current one among them."""
    if len(leaves) <= room or target not in leaves:
        return leaves[:room]
    start = max(0, min(leaves.index(target) - room // 2, len(leaves) - room))
    return leaves[start : start + room]


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


def leaf_row(moment: Moment, leaf: int, columns: Columns, theme: Theme, here: bool, width: int) -> Row:
    value, grad = moment.value(leaf), moment.grad(leaf)
    state = moment.grad_state(leaf)
    value_now = moment.writer(leaf, VALUE) == moment.position
    grad_now = moment.writer(leaf, GRAD) == moment.position
    last = max((p for p in (moment.writer(leaf, VALUE), moment.writer(leaf, GRAD)) if p is not None), default=None)
    word, style = state_word(moment, state, theme)
    texts = (
        moment.trace.leaves[leaf],
        told(moment, value, columns.value),
        ("* " if value_now else "") + change(moment, leaf),
        ("* " if grad_now else "") + (told(moment, grad, columns.grad) if grad is not None else "None"),
        word,
        "" if last is None else f"#{last}",
    )
    marked = theme.backward if grad_now else theme.text
    changed = theme.update if value_now else theme.text
    styles: list[Style] = [theme.strong, changed, theme.update, marked, style, theme.dim]
    return highlighted([Segment("▸ " if here else "  ", theme.key), *cells(texts, columns, styles)], here, width, theme)


def value_row(moment: Moment, value: Value, columns: Columns, theme: Theme, here: bool, width: int) -> Row:
    state = "not kept" if value.requires_grad else "no grad"
    made = moment.writer(value.tensor)
    texts = (value.name, told(moment, value, columns.value), "", "-", state, "" if made is None else f"#{made}")
    styles: list[Style] = [theme.dim] * 6
    return highlighted([Segment("▸ " if here else "  ", theme.key), *cells(texts, columns, styles)], here, width, theme)


def highlighted(row: Row, here: bool, width: int, theme: Theme) -> Row:
    if not here:
        return row
    row = fit(row, width)
    return [Segment(s.text, theme.selected + s.style if s.style else theme.selected) for s in row]


def told(moment: Moment, value: Value | None, room: int) -> str:
    """The number, or shape and histogram where there is room for it."""
    if value is None:
        return "not seen yet"
    told = figures(moment.trace, value)
    if told.told:
        return told.text
    if value.array is None and value.summary is None:
        return f"{shape(value)} {value.omitted or 'not kept'}"
    spread = f"{shape(value)} {told.spread}"
    return spread if told.spread and len(spread) < room else f"{shape(value)} {told.text}"


def change(moment: Moment, leaf: int) -> str:
    """By how much the last write moved it."""
    last = moment.writer(leaf, VALUE)
    if last is None or moment.trace.kind_at(last) != KIND_CODE["update"]:
        return ""
    return change_at(moment.trace, last)


@per_trace(4096)
def change_at(trace: Trace, position: int) -> str:
    """By how much an update moved its weight: worked out once, for it stands there until the next one."""
    event = trace.event(position)
    before, after = event["before"].array, event["after"].array
    if before is None or after is None or before.shape != after.shape or np.iscomplexobj(after):
        return ""
    step = after.astype(np.float64) - before
    return signed(float(step.reshape(()))) if step.size == 1 else f"‖{number(float(np.linalg.norm(step)))}‖"


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
            return f"! sum of {state.count}", theme.error
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
