"""The whole run as a tree that folds like an accordion: only the way to now is open.

Rows are found by arithmetic on where stretches start; nothing is built beyond the window.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from rich.segment import Segment
from rich.style import Style

from backstep.replay.moment import Moment, PhaseSpan
from backstep.replay.runs import Runs, runs_of
from backstep.trace.event import Event, Value
from backstep.trace.memo import per_trace
from backstep.trace.trace import Trace
from backstep.view.brief import Figures, figures
from backstep.view.glyphs import PHASE_WORDS, glyph, ink, op_name
from backstep.view.numbers import number
from backstep.view.rows import Row, fill_rows, fit, join, lit, safe, tagged
from backstep.view.runs import context_label, iteration_context, phases_of
from backstep.view.theme import Theme
from backstep.view.title import title_row
from backstep.view.window import thumb, top_of_window

ALL_PHASES = 48
"""An iteration with more events than that opens only its current phase."""
OPEN, FOLDED = "▾", "▸"
FUTURE = "·"


LARGE = 10_000
"""Events of a trace of which what is still to come is told without being asked for."""
BAD = frozenset({"nan", "inf"})
"""Filters that ask for numbers, not for words."""


def title(moment: Moment, width: int, theme: Theme, *, only: str = "", future: bool | None = None) -> Row:
    note = f"{moment.count:,}" + (f"  filter: {only}" if only else "")
    return title_row(5, "Events", note, width, theme)


def build(
    moment: Moment, width: int, height: int, theme: Theme, *, only: str = "", future: bool | None = None
) -> list[Row]:  # fmt: skip
    """The rows around now, with a scroll bar when there are more.

    `only`: of the events those that speak of that; `future`: whether what is still to come is told, by itself if the
    trace is large.
    """
    outline = _Outline(moment, only, moment.count >= LARGE if future is None else future)
    total, current = outline.total, outline.current
    top = top_of_window(current, total, height)
    covered = thumb(top, total, height)
    rows = []
    for line, index in enumerate(range(top, min(total, top + height))):
        row = fit(outline.row(index, width - 1, theme), width - 1)
        if index == current:
            row = lit(row, theme.here(moment.event.phase))
        rows.append([*row, Segment(" ", Style(bgcolor=theme.rule.color) if line in covered else None)])
    return [*rows, *fill_rows([], width, height - len(rows))]


@dataclass(frozen=True, slots=True)
class _Block:
    """Rows that follow one another and are drawn by one function of their index."""

    count: int
    draw: Callable[[int, int, Theme], Row]


class _Outline:
    """Which rows there are at a moment: blocks, from the top down, and which row is now."""

    def __init__(self, moment: Moment, only: str, future: bool) -> None:
        self.moment, self.only, self.future = moment, only, future
        self.trace = moment.trace
        self.runs = runs_of(moment.trace)
        self.blocks: list[_Block] = []
        self.total = 0
        self.current = 0
        self._lay_out()

    def row(self, index: int, width: int, theme: Theme) -> Row:
        for block in self.blocks:
            if index < block.count:
                return block.draw(index, width, theme)
            index -= block.count
        return []

    def _add(self, count: int, draw: Callable[[int, int, Theme], Row]) -> None:
        if count > 0:
            self.blocks.append(_Block(count, draw))
            self.total += count

    def _lay_out(self) -> None:
        runs, now = self.runs, self.moment.position
        outer = runs.outer_at(now)
        inner = runs.inner_of(outer)
        self._add(outer + 1, partial(self._outer_row, 0))
        if len(inner) == 1:
            self._lay_out_phases(*runs.outer_span(outer), 1)
        else:
            here = runs.inner_at(now)
            self._add(here - inner.start + 1, partial(self._inner_row, inner.start))
            self._lay_out_phases(*runs.inner_span(here), 2)
            self._add(inner.stop - here - 1, partial(self._inner_row, here + 1))
        self._add(len(runs.outer) - outer - 1, partial(self._outer_row, outer + 1))

    def _lay_out_phases(self, first: int, last: int, depth: int) -> None:
        now = self.moment.position
        everything = last - first < ALL_PHASES
        for phase in phases_of(self.trace, first, last):
            here = phase.first <= now <= phase.last
            opened = here or everything
            self._add(1, partial(self._phase_row, phase, opened, depth))
            shown: Sequence[int] = range(phase.first, phase.last + 1)
            if self.only and opened:
                shown = sorted({*speaking_of(self.trace, phase.first, phase.last, self.only), *([now] * here)})
            if here:
                self.current = self.total + shown.index(now)
            if opened:
                self._add(len(shown), partial(self._event_row, shown, depth + 1))
                hidden = phase.last - phase.first + 1 - len(shown)
                self._add(min(1, hidden), partial(self._hidden_row, hidden, depth + 1))

    # rows

    def _outer_row(self, base: int, offset: int, width: int, theme: Theme) -> Row:
        index = base + offset
        key = int(self.runs.outer_keys[index])
        label = context_label(self.trace, key) if key else _outside(self.runs, index)
        return self._fold_row(label, self.runs.outer_span(index), 0, width, theme)

    def _inner_row(self, base: int, offset: int, width: int, theme: Theme) -> Row:
        first, last = self.runs.inner_span(base + offset)
        context = iteration_context(self.trace, first)
        label = context_label(self.trace, context) if context is not None else "between"
        return self._fold_row(label, (first, last), 1, width, theme)

    def _fold_row(self, label: str, span: tuple[int, int], depth: int, width: int, theme: Theme) -> Row:
        first, last = span
        now = self.moment.position
        opened = first <= now <= last
        style = theme.strong if opened else theme.text if last < now else theme.dim
        left = [Segment("  " * depth + (OPEN if opened else FOLDED) + " ", theme.dim), Segment(label, style)]
        loss = self.trace.losses.within(first, min(last, now) if opened and not self.future else last)
        known = self.trace.losses.within(first, last) is not None
        note = f"loss {number(loss)}" if loss is not None else FUTURE if known else _counted(last - first + 1)
        return tagged(join(left, [Segment(f"{note} ", theme.dim)], width), seek=first)

    def _phase_row(self, phase: PhaseSpan, opened: bool, depth: int, _: int, width: int, theme: Theme) -> Row:
        begun = phase.first <= self.moment.position
        style = theme.phase(phase.phase) + Style(bold=True) if begun else theme.dim
        left = [
            Segment("  " * depth + (OPEN if opened else FOLDED) + " ", theme.dim),
            Segment(PHASE_WORDS[phase.phase], style),
        ]
        row = join(left, [Segment(f"{_counted(phase.last - phase.first + 1)} ", theme.dim)], width)
        return tagged(row, seek=phase.first)

    def _hidden_row(self, count: int, depth: int, _: int, width: int, theme: Theme) -> Row:
        return fit([Segment(f"{'  ' * depth}… {count:,} hidden", theme.dim)], width)

    def _event_row(self, shown: Sequence[int], depth: int, offset: int, width: int, theme: Theme) -> Row:
        position = shown[offset]
        event = self.trace.event(position)
        now = self.moment.position
        color = ink(event.kind, event.phase, theme)
        mark = "➤ " if position == now else "  "
        past = position <= now
        name = theme.dim if not past else theme.strong if position == now else theme.text
        left = [
            Segment("  " * (depth - 1) + mark, theme.key),
            Segment(f"{glyph(event.kind)} ", color),
            Segment("╷ " if event.kind == "forward" and event["parent"] is not None else "", theme.rule),
            Segment(_name(event), name),
            Segment(_target(event), theme.dim),
        ]
        known = _result(self.trace, event) if past or self.future else Figures(FUTURE)
        style = known.style(color, theme) if past else theme.dim
        return tagged(join(left, [Segment(f" {known.text} ", style)], width), seek=position)


@per_trace(128)
def speaking_of(trace: Trace, first: int, last: int, only: str) -> tuple[int, ...]:
    """The events between two positions whose row, module or line has these words; `nan` and `inf` are numbers."""
    return tuple(at for at in range(first, last + 1) if _speaks_of(trace, trace.event(at), only.casefold().split()))


def _speaks_of(trace: Trace, event: Event, words: Sequence[str]) -> bool:
    source = "" if event.source is None else event.source.code
    said = f"{glyph(event.kind)} {_name(event)} {_target(event)} {event.module or ''} {source}".casefold()
    if any(word in BAD for word in words):
        said += f" {_result(trace, event).text}".casefold()
    return all(word in said for word in words)


def _outside(runs: Runs, index: int) -> str:
    if len(runs.outer) == 1:
        return "the script"
    return "before the loop" if index == 0 else "after the loop" if index == len(runs.outer) - 1 else "between loops"


def _counted(count: int) -> str:
    return f"{count:,} op" if count == 1 else f"{count:,} ops"


def _name(event: Event) -> str:
    match event.kind:
        case "accumulate":
            return "Accumulate"
        case "output" | "note":
            return safe(str(event["text"]).strip())
        case "exception":
            return safe(f"{event['type']}: {event['message']}")
        case _:
            return op_name(event)


def _target(event: Event) -> str:
    """What an event writes, or where the gradient goes."""
    match event.kind:
        case "forward":
            return f" → {safe(event['outputs'][0].name)}" if event["outputs"] else ""
        case "backward":
            inputs = [edge.input for edge in event["edges"] if edge.needed and edge.input]
            return f" ∇ {safe(', '.join(inputs))}" if inputs else ""
        case "backward_start":
            return f" from {safe(', '.join(root.name for root in event['roots']))}"
        case "accumulate" | "grad_write" | "zero_grad":
            return f" {safe(event['tensor'])}.grad"
        case "update":
            return f" {safe(event['tensor'])}"
        case _:
            return ""


def _result(trace: Trace, event: Event) -> Figures:
    """The number that an event leaves behind, or the norm."""
    value = _left_behind(event)
    if value is not None:
        return figures(trace, value)
    return Figures("None" if event.kind in ("zero_grad", "grad_write") else "")


def _left_behind(event: Event) -> Value | None:
    match event.kind:
        case "forward":
            return next(iter(event["outputs"]), None)
        case "backward_start":
            return next((seed for seed in event["seeds"] if seed is not None), None)
        case "backward":
            return next((e.downstream for e in event["edges"] if e.needed and e.downstream is not None), None)
        case "accumulate" | "grad_write" | "zero_grad" | "update":
            after: Value | None = event["after"]
            return after
        case _:
            return None
