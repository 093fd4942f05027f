"""The graph of a small iteration as boxes, left to right: values go right, gradients come back left."""

from __future__ import annotations

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from backstep.replay.moment import GradKind, Moment
from backstep.trace.event import Value
from backstep.trace.memo import per_trace
from backstep.trace.trace import Trace
from backstep.view.brief import BINS, figures, shape
from backstep.view.carried import arrived_at, has_run_backward, in_transit, is_leaf, value_of
from backstep.view.layers import Box, Layout, Node, Wire, lay_out
from backstep.view.paper import BLANK, Paper
from backstep.view.rows import Row, fill_rows, fit, is_path, join, lit, safe, shortened, width_of
from backstep.view.spine import Spine, SpineRow, spine_of
from backstep.view.theme import Theme

MOST = 12
"""Boxes; of more a spine says more."""
SMALLEST = (60, 5)
"""Cells and rows of a pane for boxes."""
SHORTEST = 6
"""A name is cut to no fewer cells."""
LANES = 6
GRADIENT = "∇"
SYMBOLS = {
    "add": "+", "sub": "-", "mul": "×", "div": "÷", "pow": "xⁿ", "matmul": "@", "mm": "@", "bmm": "@", "sum": "Σ",
    "mean": "Σ/n", "neg": "-", "exp": "eˣ", "sqrt": "√",
}  # fmt: skip
TO_COME, VALUE, GRADIENT_WENT, MOVING = range(4)
"""What a wire has carried by now, the most telling last."""


@per_trace(24)
def layout_of(trace: Trace, first: int, last: int, width: int, height: int, flat: bool) -> Layout | None:
    """Where the boxes of the events between two positions stand; None where they are too many for the room."""
    rows = spine_of(trace, first, last, LANES).rows
    if not 2 <= len(rows) <= MOST or width < SMALLEST[0] or height < SMALLEST[1]:
        return None
    # In-place ops have their input's row as their own; a wire from a box to itself says nothing.
    nodes = [Node(tuple(one for one in row.inputs if one < at), flat) for at, row in enumerate(rows)]
    return lay_out(nodes, width, height)


def build(moment: Moment, span: tuple[int, int], width: int, height: int, theme: Theme) -> list[Row] | None:
    """The boxes of the iteration between two positions, flat ones if need be; None where they have no room."""
    full = layout_of(moment.trace, *span, width, height, False)
    layout = full or layout_of(moment.trace, *span, width, height, True)
    if layout is None:
        return None
    spine = spine_of(moment.trace, *span, LANES)
    right, bottom = (max(ends) for ends in zip(*((b.x + b.width, b.y + b.height) for b in layout.boxes), strict=True))
    spare = height - bottom
    paper = Paper(width, height, (width - right) // 2, max(0, spare - 1) // 2)
    drawing = _Drawing(moment, spine, theme, flat=full is None)
    states = [(drawing.state(wire), wire) for wire in layout.wires]
    for state, wire in sorted(states, key=lambda pair: pair[0]):
        drawing.wire(paper, wire, state)
    for index, box in enumerate(layout.boxes):
        drawing.box(paper, index, box)
    rows = paper.rows()
    if spare:
        rows[-1] = drawing.legend(width)
    return fill_rows(rows, width, height)


class _Drawing:
    """Draws boxes and wires as they are at one moment."""

    def __init__(self, moment: Moment, spine: Spine, theme: Theme, *, flat: bool) -> None:
        """`flat`: with the value and the gradient on one row."""
        self.moment, self.spine, self.theme, self.flat = moment, spine, theme, flat
        self.current = spine.row_of.get(moment.position)

    # wires

    def state(self, wire: Wire) -> int:
        """What has gone along a wire by now."""
        source, target = self.spine.rows[wire.source], self.spine.rows[wire.target]
        kind = self.moment.event.kind
        back = source.needs_grad and has_run_backward(self.moment, target)
        if wire.target == self.current and (kind == "forward" or (kind == "backward" and back)):
            return MOVING
        if back:
            return GRADIENT_WENT
        return VALUE if target.position <= self.moment.position else TO_COME

    def wire(self, paper: Paper, wire: Wire, state: int) -> None:
        theme, points = self.theme, wire.points
        backwards = state == GRADIENT_WENT or (state == MOVING and self.moment.event.kind == "backward")
        style = theme.rule if state == TO_COME else theme.backward if backwards else theme.forward
        paper.line(wire.source, points, state == MOVING, style)
        if backwards:
            paper.put(*points[0], "◀", style)
        else:
            paper.put(*points[-1], "▶", style)

    def legend(self, width: int) -> Row:
        theme = self.theme
        parts = [
            ("━◀", theme.backward, "gradient moving now"), ("─◀", theme.backward, "moved before"),
            ("─▶", theme.forward, "value only"), (GRADIENT, theme.backward, "gradient"),
        ]  # fmt: skip
        row: Row = []
        for sign, style, words in parts:
            row += [Segment(sign, style), Segment(f" {words}   ", theme.dim)]
        return fit(row[: 2 * sum(1 for end in _ends(row) if end <= width)], width)

    # boxes

    def box(self, paper: Paper, index: int, box: Box) -> None:
        row, here = self.spine.rows[index], index == self.current
        ran = row.position <= self.moment.position or not row.is_op
        phase = self.moment.event.phase
        frame = self.theme.phase(phase) if here else self._frame(row, ran)
        paper.tag(box, **row.tag)
        room = box.width - 4
        if self.flat:
            inner = [join(self._value(row), self._gradient_of(row), box.width - 2)]
            title = self._equation(row, box.width - 5)
        else:
            inner = [[BLANK, *line] for line in (self._named_value(row, room), self._spread_gradient(row, room))]
            title = self._title(row, box.width - 5)
        lines = _framed(title, inner, box, frame, self.theme, ran, here)
        for y, line in enumerate(lines):
            inside = here and 0 < y < box.height - 1
            cells = [line[0], *lit(line[1:-1], self.theme.here(phase)), line[-1]] if inside else line
            paper.write(box.x, box.y + y, cells)

    def _frame(self, row: SpineRow, ran: bool) -> Style:
        if row.is_op:
            return self.theme.forward if ran else self.theme.rule
        return self.theme.text if row.tensor in self.moment.trace.leaves else self.theme.dim

    def _title(self, row: SpineRow, room: int) -> str:
        if not row.is_op:
            return shortened(safe(self.moment.trace.name(row.tensor, row.name)), room)
        op = safe(row.op)
        symbol = SYMBOLS.get(op.strip("_"), "")
        return shortened(f"{symbol} {op}" if symbol and len(symbol) + 1 + len(op) <= room else op, room)

    def _equation(self, row: SpineRow, room: int) -> str:
        """`y_hat = w * x`; the op alone where that is too long."""
        if not row.is_op or row.tensor < 0:
            return self._title(row, room)
        source = self.moment.trace.source_at(row.position)
        name = safe(self.moment.trace.name(row.tensor, row.name))
        if source is None or not is_path(name):
            return self._title(row, room)
        code = safe(source.code)
        texts = (f"{name} = {right}" for right in (code, code.replace(" ", ""), safe(row.op)))
        return next((text for text in texts if cell_len(text) <= room), self._title(row, room))

    def _value(self, row: SpineRow) -> Row:
        """The number, or the shape."""
        value = value_of(self.moment, row)
        if value is None:
            return [Segment("·", self.theme.dim)]
        known = figures(self.moment.trace, value)
        told = known.text if known.told or known.bad else shape(value) or known.text
        return [Segment(told, known.style(self.theme.strong, self.theme))]

    def _named_value(self, row: SpineRow, room: int) -> Row:
        """The value after its name, where that is not in the title, and how its numbers are spread."""
        value, told = value_of(self.moment, row), self._value(row)
        name = self._name(row, room - width_of(told) - 1, self.theme.dim if value is None else self.theme.text)
        line = [*name, *told]
        return [*line, *self._spread(value, width_of(line), room, self.theme.forward)]

    def _name(self, row: SpineRow, room: int, style: Style) -> Row:
        """What an op's result is called; an expression only if all of it can be read, a path if enough of it can."""
        name = safe(self.moment.trace.name(row.tensor, row.name)) if row.is_op and row.tensor >= 0 else ""
        if not name or (cell_len(name) > room and (room < SHORTEST or not is_path(name))):
            return []
        return [Segment(f"{shortened(name, room)} ", style)]

    def _spread(self, value: Value | None, used: int, room: int, style: Style) -> Row:
        """The histogram behind what is told already, where there is room for it."""
        drawn = "" if value is None else figures(self.moment.trace, value).spread
        return [Segment(f" {drawn}", style)] if drawn and used + 1 + BINS <= room else []

    def _spread_gradient(self, row: SpineRow, room: int) -> Row:
        line = self._gradient_of(row)
        arrived = arrived_at(self.moment, row) if row.is_op and has_run_backward(self.moment, row) else None
        return [*line, *self._spread(arrived, width_of(line), room, self.theme.backward)]

    def _gradient_of(self, row: SpineRow) -> Row:
        """The gradient of what is in the box."""
        moment = self.moment
        if is_leaf(moment, row):
            return self._leaf(row.tensor)
        if not row.needs_grad:
            return [Segment("no grad", self.theme.dim)]
        if has_run_backward(moment, row):
            return [self._gradient(f"{GRADIENT} ", arrived_at(moment, row))]
        seed = self._seed(row)
        return [] if seed is None else [self._gradient(f"{GRADIENT} ", seed)]

    def _seed(self, row: SpineRow) -> Value | None:
        """The gradient that a backward pass starts with here."""
        event = self.moment.event
        if event.kind != "backward_start":
            return None
        pairs = zip(event["roots"], event["seeds"], strict=False)
        return next((seed for root, seed in pairs if root.tensor == row.tensor), None)

    def _leaf(self, leaf: int) -> Row:
        """A leaf's `.grad`, and what is on its way to it: two things, of which one becomes the other."""
        theme, moment = self.theme, self.moment
        state = moment.grad_state(leaf)
        several = f" ×{state.count}" if state.count > 1 else ""
        idle = state.kind in (GradKind.NONE, GradKind.ZEROED, GradKind.STALE)
        style = theme.dim if idle else theme.warning if several else theme.backward
        coming = in_transit(moment, self.spine, leaf, state.since)
        moving = [] if coming is None else [self._gradient(" ← ", coming, "", theme.backward + Style(bold=True))]
        if moving and self.flat:
            return [Segment(GRADIENT, style), *moving]
        return [self._gradient(f"{GRADIENT} ", moment.grad(leaf), several, style), *moving]

    def _gradient(self, before: str, value: Value | None, after: str = "", style: Style | None = None) -> Segment:
        """A number, or a norm."""
        style = style or self.theme.backward
        if value is None:
            return Segment(f"{before}None{after}", style)
        known = figures(self.moment.trace, value)
        return Segment(f"{before}{known.text}{after}", known.style(style, self.theme))


def _framed(
    title: str, inner: list[Row], box: Box, frame: Style, theme: Theme, ran: bool, heavy: bool
) -> list[Row]:  # fmt: skip
    """The rows of a box, each of its width."""
    across, up, corners = ("━", "┃", "┏┓┗┛") if heavy else ("─", "│", "┌┐└┘")
    named = Segment(f" {title} ", frame + Style(bold=True) if ran else theme.dim)
    rest = box.width - 3 - cell_len(named.text)
    top = [Segment(corners[0] + across, frame), named, Segment(across * rest + corners[1], frame)]
    rows: list[Row] = [top]
    for line in [*inner, *([[]] * (box.height - 2 - len(inner)))]:
        rows.append([Segment(up, frame), *fit(line, box.width - 2), Segment(up, frame)])
    rows.append([Segment(corners[2] + across * (box.width - 2) + corners[3], frame)])
    return rows


def _ends(row: Row) -> list[int]:
    """The cell behind each pair of segments, without the blanks after it."""
    ends, used = [], 0
    for sign, words in zip(row[::2], row[1::2], strict=True):
        used += cell_len(sign.text + words.text)
        ends.append(used - 3)
    return ends
