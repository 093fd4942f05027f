"""The Tensors pane when a moment is pinned: each value and gradient there (A), here (B), and how far they are apart."""

from __future__ import annotations

import math

from rich.segment import Segment
from rich.style import Style

from backstep.replay.moment import Moment
from backstep.trace.event import Event, Value
from backstep.view.apart import SAME, UNKNOWN, difference
from backstep.view.brief import figures, number, shape
from backstep.view.glyphs import glyph, op_name
from backstep.view.numbers import signed
from backstep.view.rows import Row, fill_rows, fit, is_path, lit, safe, shortened
from backstep.view.tensors import target_of, values_of_iteration
from backstep.view.theme import Theme
from backstep.view.title import title_row

HEADS = ("name", "A value", "B value", "B - A", "A grad", "B grad", "B - A")
CELLS = (12, 11, 11, 11, 11, 11, 11)
"""Cells of the columns at least; what is to spare is the names'."""
LONGEST = 40
MARK = 2
NAME, VALUE_APART, GRAD_APART = 0, 3, 6


def title(moment: Moment, pinned: Moment, width: int, theme: Theme) -> Row:
    file = "" if pinned.trace is moment.trace else f" of {pinned.trace.path.name}"
    note = f"A = #{pinned.position}{file}, B = now, #{moment.position}   (d: unpin, D: swap)"
    return title_row(4, "Tensors", note, width, theme)


def build(moment: Moment, pinned: Moment, width: int, height: int, theme: Theme) -> list[Row]:
    """Parameters first, then what the iteration made; the row of what the event is about is lit."""
    lines = [*_leaves(moment, pinned), *_made(moment, pinned)]
    columns = _columns(width - MARK, max((len(line[0]) for line in lines), default=0))
    rows = [_row(HEADS, (theme.dim,) * len(HEADS), columns, "  ", theme)]
    target = target_of(moment)
    for name, tensor, a, b, a_grad, b_grad in lines:
        here = tensor == target
        texts = (
            safe(name), _text(pinned, a), _text(moment, b), apart(a, b),
            *(("", "") if tensor not in moment.trace.leaves else (_text(pinned, a_grad), _text(moment, b_grad))),
            apart(a_grad, b_grad),
        )  # fmt: skip
        styles = (
            theme.strong, theme.dim, theme.text, _ink(texts[VALUE_APART], theme),
            theme.dim, theme.backward, _ink(texts[GRAD_APART], theme),
        )  # fmt: skip
        row = _row(texts, styles, columns, "▸ " if here else "  ", theme)
        rows.append(lit(fit(row, width), theme.selected) if here else row)
    return fill_rows(rows, width, height)


Line = tuple[str, int, Value | None, Value | None, Value | None, Value | None]
"""Name, tensor, value and value, gradient and gradient."""


def _leaves(moment: Moment, pinned: Moment) -> list[Line]:
    there = {pinned.trace.leaves[leaf]: leaf for leaf in pinned.leaves}
    lines: list[Line] = []
    for leaf in moment.leaves:
        name = moment.trace.leaves[leaf]
        other = there.get(name)
        a, a_grad = (None, None) if other is None else (pinned.value(other), pinned.grad(other))
        lines.append((name, leaf, a, moment.value(leaf), a_grad, moment.grad(leaf)))
    return lines


def _made(moment: Moment, pinned: Moment) -> list[Line]:
    there = {value.name: value for value in values_of_iteration(pinned)}
    return [
        (value.name, value.tensor, there.get(value.name), value, None, None) for value in values_of_iteration(moment)
    ]


def apart(a: Value | None, b: Value | None) -> str:
    """B - A: a number, the norm of the difference, or `=`; a dot where it cannot be told."""
    told = difference(a, b)
    if isinstance(told, str):
        return told
    return signed(told) if b is not None and math.prod(b.shape) == 1 else f"‖{number(told)}‖"


def told(moment: Moment) -> str:
    """The event in a line, to stand above the same one of another moment."""
    event = moment.event
    return safe(f"#{moment.position} {glyph(event.kind)} {op_name(event)}{_numbers(moment, event)}")


def _numbers(moment: Moment, event: Event) -> str:
    match event.kind:
        case "forward" if event["outputs"]:
            result = event["outputs"][0]
            return f" → {result.name} {_text(moment, result)}"
        case "backward":
            edges = [edge for edge in event["edges"] if edge.needed]
            arrives = _text(moment, next((value for value in event["upstream"] if value is not None), None))
            if not edges:
                return f": arrives {arrives}"
            local = edges[0].local
            by = "" if local is None or local.scalar is None else f" × {number(local.scalar)}"
            return f" ∇ {edges[0].input or ''}: {arrives}{by} = {_text(moment, edges[0].downstream)}"
        case "accumulate":
            parts = [_text(moment, event[name]) for name in ("before", "arrived", "after")]
            return f" {event['tensor']}.grad: {parts[0]} + {parts[1]} = {parts[2]}"
        case "update" | "grad_write" | "zero_grad":
            return f" {event['tensor']}: {_text(moment, event['before'])} → {_text(moment, event['after'])}"
    return ""


def _text(moment: Moment, value: Value | None) -> str:
    """A number, a norm, or a shape."""
    if value is None:
        return "None"
    known = figures(moment.trace, value)
    return known.text or shape(value)


def _ink(text: str, theme: Theme) -> Style:
    return theme.dim if text in (SAME, UNKNOWN, "") else theme.update + Style(bold=True)


def _columns(width: int, names: int) -> list[int]:
    """The widths: the names get what is to spare; the differences of gradients go first, then all of gradients."""
    columns = list(CELLS)
    for last in (GRAD_APART, GRAD_APART - 1, GRAD_APART - 2, VALUE_APART):
        if sum(columns) <= width:
            break
        columns[last] = 0
    columns[NAME] += max(0, min(LONGEST, names + 1) - columns[NAME]) if sum(columns) < width else 0
    columns[NAME] -= max(0, sum(columns) - width)
    return columns


def _row(texts: tuple[str, ...], styles: tuple[Style, ...], columns: list[int], mark: str, theme: Theme) -> Row:
    row: Row = [Segment(mark, theme.key)]
    for at, (text, style, width) in enumerate(zip(texts, styles, columns, strict=True)):
        if width > 1:
            text = shortened(text, width - 1) if at == NAME and is_path(text) else text
            row += [*fit([Segment(text, style)], width - 1), Segment(" ")]
    return row
