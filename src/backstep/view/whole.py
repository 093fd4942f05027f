"""The Chain rule pane for a scope that is meant as a whole: what went in, what came out, and how much ran in it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from rich.segment import Segment

from backstep.replay.moment import Moment
from backstep.replay.tree import Scope, ScopeKind
from backstep.trace.event import AccumulateEvent, BackwardEvent, Event, ForwardEvent, UpdateEvent, Value
from backstep.trace.memo import per_trace
from backstep.trace.records import KINDS
from backstep.trace.trace import Trace
from backstep.view.brief import figures, number, shape
from backstep.view.glyphs import PHASE_WORDS, glyph, ink
from backstep.view.pen import Pen
from backstep.view.rows import Row, fill_rows, safe, shortened
from backstep.view.runs import context_label
from backstep.view.theme import Theme
from backstep.view.title import title_row

LOOKED_AT = 256
"""A scope with more events than that is told by their number alone."""
NAME, SHAPE, NORM = 24, 10, 11
"""Cells for the name of a value, its shape, and its norm or its numbers."""


def title(moment: Moment, scope: Scope, width: int, theme: Theme) -> Row:
    return title_row(3, "Chain rule", f"{label(moment.trace, scope)} as a whole", width, theme)


def label(trace: Trace, scope: Scope) -> str:
    """What a scope is called."""
    if scope.context:
        return context_label(trace, scope.context)
    if scope.kind is ScopeKind.OP:
        event = trace.event(scope.last)
        return event.op if isinstance(event, ForwardEvent) else "the op"
    return PHASE_WORDS[scope.name] if scope.kind is ScopeKind.PHASE else safe(scope.name)


def build(moment: Moment, scope: Scope, width: int, height: int, theme: Theme) -> list[Row]:
    """Exactly `height` rows of exactly `width` cells, the important ones first."""
    pen = Pen(moment, width, height, theme, False)
    rows: list[Row] = [
        [*_counts(moment.trace, scope, theme), Segment(f"  #{scope.first:,} to #{scope.last:,}", theme.dim)]
    ]
    rows += _loss(moment.trace, scope, theme)
    taken, made = _through(moment.trace, scope)
    room = max(2, pen.height - len(rows) - 1)
    for word, values in (("in", taken), ("out", made)):
        shown = values[: max(1, room * max(1, len(values)) // max(1, len(taken) + len(made)))]
        rows += [_value_row(moment.trace, word if not index else "", v, theme) for index, v in enumerate(shown)]
        if len(values) > len(shown):
            rows.append([Segment(f"      … {len(values) - len(shown)} more", theme.dim)])
    rows.append([Segment("S goes into it, from its end; o is what it is a part of", theme.dim)])
    return fill_rows([[Segment(" "), *row] for row in rows], width, height)


def _counts(trace: Trace, scope: Scope, theme: Theme) -> Row:
    row: Row = []
    for kind, count in _kinds_in(trace, scope.first, scope.last):
        row.append(Segment(f"{glyph(kind)} ", ink(kind, "", theme)))
        row.append(Segment(f"{count:,} {kind.replace('_', ' ')}  ", theme.text))
    return row


@per_trace(64)
def _kinds_in(trace: Trace, first: int, last: int) -> tuple[tuple[str, int], ...]:
    """How many events of each kind there are between two positions, both included."""
    counts = np.bincount(trace.columns["kind"][first : last + 1], minlength=len(KINDS)).tolist()
    return tuple((kind, count) for kind, count in zip(KINDS, counts, strict=True) if count)


def _loss(trace: Trace, scope: Scope, theme: Theme) -> list[Row]:
    inside = trace.losses.all_within(scope.first, scope.last)
    if not inside:
        return []
    first, last = inside[0], inside[-1]
    told = number(first) if len(inside) == 1 else f"{number(first)} → {number(last)}"
    return [[Segment("loss  ", theme.dim), Segment(told, theme.strong)]]


def _through(trace: Trace, scope: Scope) -> tuple[list[Value], list[Value]]:
    """What a scope takes from outside, parameters last, and what it leaves behind, the newest first; nothing is said
    of a large one."""
    if scope.last - scope.first >= LOOKED_AT:
        return [], []
    taken: dict[tuple[int, str], Value] = {}
    made: dict[int, Value] = {}
    used: set[int] = set()
    for position in range(scope.first, scope.last + 1):
        event = trace.event(position)
        for value in _read(event):
            if value.tensor in made:
                used.add(value.tensor)
            else:
                taken.setdefault((value.tensor, value.name), value)
        for value in _written(event):
            made[value.tensor] = value
            used.discard(value.tensor)
    ordered = sorted(taken.values(), key=lambda value: value.leaf)
    return ordered, [value for tensor, value in reversed(made.items()) if tensor not in used]


def _read(event: Event) -> Iterable[Value]:
    match event:
        case ForwardEvent():
            return event.inputs
        case BackwardEvent():
            return [value for value in event.upstream if value is not None]
        case UpdateEvent():
            return [value for value in (event.before, event.grad) if value is not None]
        case AccumulateEvent():
            return [event.arrived]
    return []


def _written(event: Event) -> Iterable[Value]:
    match event:
        case ForwardEvent():
            return event.outputs
        case BackwardEvent():
            return [edge.downstream for edge in event.edges if edge.downstream is not None]
        case UpdateEvent():
            return [event.after]
        case AccumulateEvent() if event.after is not None:
            return [event.after]
    return []


def _value_row(trace: Trace, word: str, value: Value, theme: Theme) -> Row:
    known = figures(trace, value)
    size = "" if known.told else shape(value)
    return [
        Segment(f"{word:<4} ", theme.dim),
        Segment(f"{shortened(safe(value.name), NAME - 1):<{NAME}}", theme.strong),
        Segment(f"{size:<{SHAPE}} ", theme.dim),
        Segment(f"{known.text:<{NORM}} ", known.style(theme.text, theme)),
        Segment(known.spread, theme.dim),
    ]
