"""The graph of the iteration as a spine: values fill the left column downwards, gradients the right one upwards."""

from __future__ import annotations

from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style

from backstep.replay.moment import GradKind, Moment
from backstep.trace.event import Value
from backstep.view.brief import figures, shape
from backstep.view.glyphs import glyph
from backstep.view.rows import Row, fill_rows, fit, safe, width_of
from backstep.view.runs import runs_of
from backstep.view.spine import Spine, SpineRow, block_around, spine_of
from backstep.view.theme import Theme
from backstep.view.title import title_row
from backstep.view.window import thumb, top_of_window

RAN, TO_RUN, OUTSIDE, UNKNOWN, STALE = "◆", "◇", "○", "·", "~"
NARROW = 56
VALUE, GRAD = 20, 26
"""Cells of the two columns with histograms, and where in each the histogram starts."""
VALUE_SPREAD, GRAD_SPREAD = 9, 16
BLANK = Segment(" ")
VALUE_KINDS = frozenset({"forward", "update"})


@dataclass(frozen=True, slots=True)
class Widths:
    """Cells of the three columns; `spreads` tells whether there is room for histograms."""

    name: int
    value: int
    grad: int
    spreads: bool


def widths(width: int) -> Widths:
    """How a pane's width is shared out."""
    if width < NARROW:
        value, grad = min(9, width // 4), min(15, width * 3 // 8)
        return Widths(width - value - grad, value, grad, False)
    name = min(44, max(16, width - VALUE - GRAD))
    return Widths(name, VALUE, width - name - VALUE, True)


def title(moment: Moment, width: int, theme: Theme) -> Row:
    return title_row(2, "Graph", _counted(_spine(moment, width)), width, theme)


def _counted(spine: Spine) -> str:
    ops = sum(row.is_op for row in spine.rows)
    return "" if ops < 2 else f"{ops:,} ops"


def build(moment: Moment, width: int, height: int, theme: Theme) -> list[Row]:
    """The rows around the current one, under the names of the columns."""
    spine = _spine(moment, width)
    if not spine.rows:
        return fill_rows([[Segment(" no op of a graph runs here", theme.dim)]], width, height)
    total, room = len(spine.rows), height - 1
    drawing = _Drawing(moment, spine, widths(width - (total > room)), theme)
    top = top_of_window(spine.near[moment.position - spine.first], total, room)
    covered = thumb(top, total, room)
    rows = [fit(drawing.names(), width)]
    for line, index in enumerate(range(top, min(total, top + max(0, room)))):
        row = drawing.row(index)
        if total > room:
            row.append(Segment(" ", Style(bgcolor=theme.rule.color) if line in covered else None))
        rows.append(row)
    return [*rows, *fill_rows([], width, height - len(rows))][:height]


def _spine(moment: Moment, width: int) -> Spine:
    runs = runs_of(moment.trace)
    first, last = block_around(*runs.inner_span(runs.inner_at(moment.position)), moment.position)
    return spine_of(moment.trace, first, last, 3 if width < NARROW else 6)


def _tail(name: str, room: int) -> str:
    """A path says most at its end."""
    return name if cell_len(name) <= room else "…" + name[-max(1, room - 1) :]


class _Drawing:
    """Draws rows of a spine at one moment."""

    def __init__(self, moment: Moment, spine: Spine, columns: Widths, theme: Theme) -> None:
        self.moment, self.spine, self.columns, self.theme = moment, spine, columns, theme
        self.current = spine.row_of.get(moment.position)

    def names(self) -> Row:
        """What the columns show."""
        theme, columns = self.theme, self.columns
        forward = "forward ↓ value" if columns.value > 15 else "forward"
        backward = "backward ↑ grad" if columns.grad > 14 else "backward"
        return [
            Segment(" " * columns.name),
            Segment(set_cell_size(forward, columns.value), theme.forward),
            Segment(set_cell_size(backward, columns.grad), theme.backward),
        ]

    def row(self, index: int) -> Row:
        row = self.spine.rows[index]
        cells = [
            fit([*fit(self._name(row, index == self.current), self.columns.name - 1), BLANK], self.columns.name),
            fit(self._value(row), self.columns.value),
            fit(self._grad(row), self.columns.grad),
        ]
        if index == self.current:
            changed = 1 if self.moment.event.kind in VALUE_KINDS else 2
            here = self.theme.here(self.moment.event.phase)
            for cell in (0, changed):
                cells[cell] = [Segment(text, (own or Style.null()) + here) for text, own, _ in cells[cell]]
        return [segment for cell in cells for segment in cell]

    # the name

    def _name(self, row: SpineRow, current: bool) -> Row:
        theme, trace = self.theme, self.moment.trace
        ran = row.position <= self.moment.position
        sign = (RAN if ran else TO_RUN) if row.is_op else OUTSIDE
        color = theme.forward if row.is_op and ran else theme.text if row.tensor in trace.leaves else theme.dim
        color = theme.phase(self.moment.event.phase) if current else color
        before, after = row.lanes[: row.mark], row.lanes[row.mark + 1 :]
        lanes = [Segment(before, theme.dim), Segment(sign, color), Segment(after, theme.dim)]
        name = safe(trace.name(row.tensor, row.name)) if row.tensor >= 0 else ""
        if not row.is_op:
            style = theme.strong if row.tensor in trace.leaves else theme.dim
            return [*lanes, Segment(f" {_tail(name, self.columns.name - len(row.lanes) - 2)}", style)]
        indent = " " * (max(3, self.spine.width) - len(row.lanes) + 1)
        style = theme.strong if ran or current else theme.dim
        target = Segment(f" → {name}" if name else "", theme.text if ran else theme.dim)
        named = [*lanes, Segment(indent + safe(row.op), style), target]
        aside = self._aside(row, current)
        if not aside or width_of(named) + cell_len(aside) >= self.columns.name:
            return named
        return [*named, Segment(aside, theme.dim)]

    def _aside(self, row: SpineRow, current: bool) -> str:
        """The part that runs, or where an input without a lane comes from."""
        event = self.moment.event
        composite = row.begins != row.position
        if current and composite and event.position != row.position and event.kind in ("forward", "backward"):
            return f" ({safe(event['op'])})"
        far = ", ".join(safe(self.moment.trace.name(tensor, name)) for tensor, name in row.far)
        return f" ↑ {far}" if far else ""

    # the value

    def _value(self, row: SpineRow) -> Row:
        value = self._made(row) if row.is_op else self.moment.value(row.tensor) or self._as_taken(row)
        if value is None:
            return [Segment(UNKNOWN, self.theme.dim)]
        return self._figures(value, self.theme.value, self.theme.forward)

    def _made(self, row: SpineRow) -> Value | None:
        """What an op made when it ran."""
        if row.position > self.moment.position:
            return None
        outputs = self.moment.trace.event(row.position)["outputs"]
        return outputs[0] if outputs else None

    def _as_taken(self, row: SpineRow) -> Value | None:
        """An input that no event made, as its op took it."""
        if row.position > self.moment.position:
            return None
        inputs = self.moment.trace.event(row.position)["inputs"]
        return next((value for value in inputs if value.tensor == row.tensor), None)

    def _figures(self, value: Value, style: Style, bars: Style) -> Row:
        """The number, or the shape and a histogram."""
        known = figures(self.moment.trace, value)
        if known.told or (known.bad and not self.columns.spreads):
            return [Segment(known.text, known.style(style, self.theme))]
        if not self.columns.spreads:
            return [Segment(shape(value), self.theme.dim)]
        text = shape(value)
        if not known.spread:
            return [Segment(f"{text} ", self.theme.dim), Segment(known.text, known.style(self.theme.dim, self.theme))]
        return [Segment(f"{text:<{VALUE_SPREAD}} ", self.theme.dim), Segment(known.spread, bars)]

    # the gradient

    def _grad(self, row: SpineRow) -> Row:
        if not row.is_op and row.tensor in self.moment.trace.leaves:
            return self._leaf_grad(row.tensor)
        if not row.needs_grad:
            return [Segment(f"{UNKNOWN}  no grad", self.theme.dim)]
        if not row.backwards or row.backwards[0] > self.moment.position:
            return [Segment(UNKNOWN, self.theme.dim)]
        upstream = self.moment.trace.event(row.backwards[0])["upstream"]
        value = next((value for value in upstream if value is not None), None)
        return self._gradient(glyph("backward"), value, "", self.theme.backward)

    def _leaf_grad(self, leaf: int) -> Row:
        """The leaf's `.grad` with its state in a sign; a gradient on its way to it comes first."""
        state = self.moment.grad_state(leaf)
        coming = self._in_transit(leaf, state.since)
        if coming is not None:
            return self._gradient(glyph("backward"), coming, "", self.theme.backward)
        value: Value | None = None if state.since is None else self.moment.trace.event(state.since)["after"]
        if value is None:
            return [Segment(f"{glyph('zero_grad')} None", self.theme.dim)]
        if state.kind is GradKind.ZEROED:
            return self._gradient(glyph("zero_grad"), value, "", self.theme.zero)
        if state.kind is GradKind.STALE:
            return self._gradient(STALE, value, f" ×{state.count}", self.theme.dim)
        several = self.theme.warning if state.count > 1 else self.theme.backward
        return self._gradient(glyph("accumulate"), value, f" ×{state.count}", several)

    def _in_transit(self, leaf: int, written: int | None) -> Value | None:
        """A gradient that has left a node for this leaf and is not yet in its `.grad`."""
        left = [at for at in self.spine.arrivals.get(leaf, ()) if at[0] <= self.moment.position]
        if not left:
            return None
        position, index = left[-1]
        if written is not None and written > position:
            return None
        downstream: Value | None = self.moment.trace.event(position)["edges"][index].downstream
        return downstream

    def _gradient(self, sign: str, value: Value | None, note: str, style: Style) -> Row:
        if value is None:
            return [Segment(f"{sign} None", style)]
        known = figures(self.moment.trace, value)
        text, style = f"{sign} {known.text}{note}", known.style(style, self.theme)
        if not (self.columns.spreads and known.spread):
            return [Segment(text, style)]
        return [Segment(f"{text:<{GRAD_SPREAD}} {known.spread}", style)]
