"""The graph of the iteration, as boxes or as a spine: there values fill the left column downwards, gradients the right
one upwards."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style

from backstep.replay.moment import GradKind, Moment
from backstep.replay.runs import runs_of
from backstep.trace.event import Value
from backstep.trace.trace import Trace
from backstep.view import boxes
from backstep.view.apart import SAME, UNKNOWN, Key, Pinned, briefly, keys_of
from backstep.view.brief import figures, shape
from backstep.view.carried import arrived_at, has_run_backward, in_transit, is_leaf, value_of
from backstep.view.folding import level_shown, levels_of, lines_of, way_to
from backstep.view.glyphs import glyph
from backstep.view.ops import ops_of
from backstep.view.rows import Row, fill_rows, fit, is_path, lit, safe, shortened, tagged, width_of
from backstep.view.spine import Spine, SpineRow, block_around, spine_of
from backstep.view.spine_columns import ARROW, NARROW, Widths, indent, needs_of, widths
from backstep.view.theme import Theme
from backstep.view.title import title_row
from backstep.view.window import thumb, top_of_window

RAN, TO_RUN, OUTSIDE, STALE = "◆", "◇", "○", "~"
OPEN, FOLDED = "▾", "▸"
SHORTEST = 6
"""An op is cut to no fewer cells."""
BLANK = Segment(" ")
BOLD = Style(bold=True)
VALUE_KINDS = frozenset({"forward", "update"})
UNFOLDS = ": + unfolds"
"""What a title says where the key is at hand."""


def title(moment: Moment, width: int, theme: Theme, *, spine: bool = False, fold: int | None = None) -> Row:
    """How many ops there are; that some are folded, where they are."""
    span = _stretch(moment, width)[1:3]
    ops = len(ops_of(moment.trace, *span).ops)
    note = "" if ops < 2 else f"{ops:,} ops"
    if level_shown(moment.trace, *span, fold) < levels_of(moment.trace, *span):
        note += f", folded{UNFOLDS}"
    return title_row(2, "Graph", note, width, theme)


def build(
    moment: Moment, width: int, height: int, theme: Theme, *, spine: bool = False, fold: int | None = None,
    pinned: Moment | None = None,
) -> list[Row]:  # fmt: skip
    """A small graph as boxes, unless the `spine` is asked for; any other as a spine, unfolded `fold` times.

    Compared with a `pinned` moment it is a spine that tells how far each value is from what it was there.
    """
    as_boxes = not spine and pinned is None
    drawn = boxes.build(moment, _stretch(moment, width)[1:3], width, height, theme) if as_boxes else None
    return drawn or _build_spine(moment, width, height, theme, fold, pinned)


def levels(moment: Moment, fold: int | None) -> tuple[int, int]:
    """How often the graph is unfolded, and how often it can be."""
    span = _stretch(moment, NARROW)[1:3]
    return level_shown(moment.trace, *span, fold), levels_of(moment.trace, *span)


def _folded_spine(moment: Moment, width: int, fold: int | None) -> Spine:
    """The spine with what is folded at this moment."""
    trace, first, last, lanes = _stretch(moment, width)
    way = way_to(trace, first, last, ops_of(trace, first, last).op_near(moment.position))
    level = level_shown(trace, first, last, fold)
    if level == levels_of(trace, first, last):
        return spine_of(trace, first, last, lanes)
    return spine_of(trace, first, last, lanes, lines_of(trace, first, last, level, way))


def _build_spine(
    moment: Moment, width: int, height: int, theme: Theme, fold: int | None, pinned: Moment | None
) -> list[Row]:  # fmt: skip
    """The rows around the current one, under the names of the columns."""
    stretch = _stretch(moment, width)
    spine = _folded_spine(moment, width, fold)
    if not spine.rows:
        return fill_rows([[Segment(" no op of a graph runs here", theme.dim)]], width, height)
    total, room = len(spine.rows), height - 1
    columns = widths(width - (total > room), needs_of(*stretch), moment.event.phase not in ("forward", "other"))
    there = None if pinned is None else Pinned(pinned, _folded_spine(pinned, width, fold))
    drawing = _Drawing(moment, spine, columns, theme, there)
    top = top_of_window(spine.near(moment.position), total, room)
    covered = thumb(top, total, room)
    rows = [fit(drawing.names(), width)]
    for line, index in enumerate(range(top, min(total, top + max(0, room)))):
        row = drawing.row(index)
        if total > room:
            row.append(Segment(" ", Style(bgcolor=theme.rule.color) if line in covered else None))
        rows.append(row)
    return [*rows, *fill_rows([], width, height - len(rows))][:height]


def _stretch(moment: Moment, width: int) -> tuple[Trace, int, int, int]:
    """What the spine is of: the iteration around now, in so many lanes."""
    runs = runs_of(moment.trace)
    first, last = block_around(*runs.inner_span(runs.inner_at(moment.position)), moment.position)
    return moment.trace, first, last, 3 if width < NARROW else 6


class _Drawing:
    """Draws rows of a spine at one moment."""

    def __init__(
        self, moment: Moment, spine: Spine, columns: Widths, theme: Theme, pinned: Pinned | None
    ) -> None:  # fmt: skip
        self.moment, self.spine, self.columns, self.theme = moment, spine, columns, theme
        self.pinned = pinned
        self.keys = [] if pinned is None else keys_of(moment.trace, spine)
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
        """One row; the current one lit in its whole width, what changed in it in bold."""
        row = self.spine.rows[index]
        if row.is_head:
            return self._head(row)
        cells = [
            fit([*fit(self._name(row, index == self.current), self.columns.name - 1), BLANK], self.columns.name),
            fit(self._value(row), self.columns.value),
            fit(self._grad(row), self.columns.grad),
        ]
        if self.pinned is not None:
            cells[1:] = self._apart(row, self.keys[index], self.pinned, cells[1:])
        if index == self.current:
            here = self.theme.here(self.moment.event.phase)
            changed = 1 if self.moment.event.kind in VALUE_KINDS else 2
            cells = [lit(cell, here + BOLD if at == changed else here) for at, cell in enumerate(cells)]
        return tagged([segment for cell in cells for segment in cell], **row.tag)

    def _apart(self, row: SpineRow, key: Key, pinned: Pinned, cells: list[Row]) -> list[Row]:
        """The cells with how far they are from the pinned ones, where there else is a histogram."""
        starts = self.columns.value_spread, self.columns.grad_spread
        here = value_of(self.moment, row), self._gradient_of(row)
        there = pinned.value(key), pinned.grad(key)
        told = []
        for start, cell, a, b in zip(starts, cells, there, here, strict=True):
            text, width = briefly(a, b), width_of(cell)
            style = self.theme.dim if text in (SAME, UNKNOWN) else self.theme.update + BOLD
            told.append(fit([*Segment.adjust_line_length(cell, start), Segment(text, style)], width) if start else cell)
        return told

    def _gradient_of(self, row: SpineRow) -> Value | None:
        if is_leaf(self.moment, row):
            return self.moment.grad(row.tensor)
        return arrived_at(self.moment, row) if has_run_backward(self.moment, row) else None

    # the name

    def _head(self, row: SpineRow) -> Row:
        """The name of what the rows below lie in."""
        room = self.columns.name - len(row.lanes) - 4
        label = Segment(f" {OPEN} {shortened(safe(row.op), room)}", self.theme.dim)
        columns = self.columns
        return fit([Segment(row.lanes, self.theme.dim), label], columns.name + columns.value + columns.grad)

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
            return [*lanes, Segment(f" {shortened(name, self.columns.name - len(row.lanes) - 2)}", style)]
        blank = " " * (self._indent(row) - len(row.lanes))
        style = theme.strong if ran or current else theme.dim
        op = f"{FOLDED} {safe(row.op)}" if row.folded else safe(row.op)
        target = Segment(self._target(row, op, name), theme.text if ran else theme.dim)
        op = self._op(row, op, cell_len(target.text))
        named = [*lanes, Segment(blank + op, style), target]
        aside = self._aside(row, current)
        if not aside or width_of(named) + cell_len(aside) >= self.columns.name:
            return named
        return [*named, Segment(aside, theme.dim)]

    def _target(self, row: SpineRow, op: str, name: str) -> str:
        """What the result is called; an expression only where all of it can be read."""
        room = self.columns.name - 1 - self._indent(row)
        told = f"{ARROW}{name}" if name else ""
        if row.folded:
            room -= cell_len(self._aside(row, False))
        return told if name and (cell_len(op + told) <= room or (is_path(name) and not row.folded)) else ""

    def _indent(self, row: SpineRow) -> int:
        """The cell where the name of an op starts: all in a column, unless room is tight."""
        return len(row.lanes) + 1 if self.columns.tight else indent(self.spine)

    def _op(self, row: SpineRow, op: str, target: int) -> str:
        """The name of an op, cut when that lets its result be read in full."""
        room = self.columns.name - 1 - self._indent(row) - target
        if SHORTEST <= room < cell_len(op):
            return set_cell_size(op, room - 1) + "…"
        return op

    def _aside(self, row: SpineRow, current: bool) -> str:
        """The part that runs, or where an input without a lane comes from."""
        event = self.moment.event
        if row.folded:
            return f" {row.folded:,} ops"
        composite = row.begins != row.position
        if current and composite and event.position != row.position and event.kind in ("forward", "backward"):
            return f" ({safe(event['op'])})"
        far = ", ".join(safe(self.moment.trace.name(tensor, name)) for tensor, name in row.far)
        return f" ↑ {far}" if far else ""

    # the value

    def _value(self, row: SpineRow) -> Row:
        value = value_of(self.moment, row)
        if value is None:
            return [Segment(UNKNOWN, self.theme.dim)]
        return self._figures(value, self.theme.value, self.theme.forward)

    def _figures(self, value: Value, style: Style, bars: Style) -> Row:
        """The number, or the shape and a histogram."""
        theme, columns = self.theme, self.columns
        known, size = figures(self.moment.trace, value), shape(value)
        alone = known.told and (not size or cell_len(known.text) < columns.value)
        if alone or (known.bad and not columns.value_spread):
            return [Segment(known.text, known.style(style, theme))]
        if not columns.value_spread or known.text == size:
            return [Segment(size, theme.dim)]
        if not known.spread:
            return [Segment(f"{size} ", theme.dim), Segment(known.text, known.style(theme.dim, theme))]
        return [Segment(set_cell_size(size, columns.value_spread), theme.dim), Segment(known.spread, bars)]

    # the gradient

    def _grad(self, row: SpineRow) -> Row:
        if is_leaf(self.moment, row):
            return self._leaf_grad(row.tensor)
        if not row.needs_grad:
            return [Segment(f"{UNKNOWN}  no grad", self.theme.dim)]
        if not has_run_backward(self.moment, row):
            return [Segment(UNKNOWN, self.theme.dim)]
        return self._gradient(glyph("backward"), arrived_at(self.moment, row), "", self.theme.backward)

    def _leaf_grad(self, leaf: int) -> Row:
        """The leaf's `.grad` with its state in a sign; a gradient on its way to it comes first."""
        state = self.moment.grad_state(leaf)
        coming = in_transit(self.moment, self.spine, leaf, state.since)
        if coming is not None:
            return self._gradient(glyph("backward"), coming, "", self.theme.backward)
        value: Value | None = None if state.since is None else self.moment.trace.event(state.since)["after"]
        if value is None:
            return [Segment(f"{glyph('zero_grad')} None", self.theme.dim)]
        if state.kind is GradKind.ZEROED:
            return self._gradient(glyph("zero_grad"), value, "", self.theme.zero)
        stale, several = state.kind is GradKind.STALE, state.count > 1
        sign, count = STALE if stale else glyph("accumulate"), f" ×{state.count}"
        if self.columns.tight:
            sign, count = count.strip() if several else sign, ""
        style = self.theme.dim if stale else self.theme.warning if several else self.theme.backward
        return self._gradient(sign, value, count, style)

    def _gradient(self, sign: str, value: Value | None, note: str, style: Style) -> Row:
        if value is None:
            return [Segment(f"{sign} None", style)]
        known = figures(self.moment.trace, value)
        text, style = f"{sign} {known.text}{note}", known.style(style, self.theme)
        start = self.columns.grad_spread
        if not known.spread or cell_len(text) >= start:
            return [Segment(text, style)]
        return [Segment(f"{text:<{start}}{known.spread}", style)]
