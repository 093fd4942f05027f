"""The graph of an iteration as a spine: one row for each op in forward order, what comes from outside above its op.

Values that are still needed run down in lanes, as in a log of branches. The spine depends on the iteration and on what
is folded in it, not on where the cursor is, so it is made once and kept.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from backstep.trace.memo import per_trace
from backstep.trace.records import NONE, ValueRow
from backstep.trace.trace import Trace
from backstep.view.folding import Line
from backstep.view.ops import About, Op, Ops, folded, ops_of

LARGEST = 6000
"""Of a longer iteration the stretch of so many events around now is drawn."""
PASSING = -2
"""In a lane: what ends at the next op."""


@dataclass(frozen=True, slots=True)
class SpineRow:
    """An op (`position` is where it has run) or an input from outside (`position` is the op that it hangs above)."""

    lanes: str
    mark: int
    """The cell of `lanes` where the sign of the row goes."""
    tensor: int
    name: int
    meta: int
    is_op: bool
    position: int
    begins: int
    """The first part of a composite; else `position`."""
    needs_grad: bool
    op: str = ""
    backwards: tuple[int, ...] = ()
    """Where its nodes ran backward, ascending."""
    far: tuple[tuple[int, int], ...] = ()
    """Inputs `(tensor, name)` whose lanes were given up for want of room."""
    inputs: tuple[int, ...] = ()
    """The rows that an op's inputs come from, in their order."""
    folded: int = 0
    """How many ops are folded into this row; 0 where it is one op."""

    @property
    def tag(self) -> dict[str, int]:
        """What is there for who points at it: where it begins, and of what is not folded the tensor."""
        return {"seek": self.begins} if self.folded or self.tensor < 0 else {"seek": self.begins, "tensor": self.tensor}

    @property
    def is_head(self) -> bool:
        """Whether it only names the module or the pass that the rows below lie in."""
        return not self.is_op and self.tensor < 0


@dataclass(frozen=True, slots=True)
class Spine:
    """`row_of` is the row that an event is about; `arrivals` where a gradient left for a leaf, `(position, edge)`."""

    rows: tuple[SpineRow, ...]
    row_of: dict[int, int]
    arrivals: dict[int, list[tuple[int, int]]]
    width: int
    """Cells of the lanes."""
    known: tuple[int, ...]
    """The events that have a row, ascending."""

    def near(self, position: int) -> int:
        """The row of an event, or of the newest before it that has one."""
        at = bisect_right(self.known, position) - 1
        return 0 if at < 0 else self.row_of[self.known[at]]


def block_around(first: int, last: int, position: int) -> tuple[int, int]:
    """The part of a span that is drawn."""
    if last - first < LARGEST:
        return first, last
    start = first + (position - first) // LARGEST * LARGEST
    return start, min(last, start + LARGEST - 1)


@per_trace(24)
def spine_of(trace: Trace, first: int, last: int, lanes: int, lines: tuple[Line, ...] | None = None) -> Spine:
    """The spine of the events between two positions, in at most `lanes` lanes; unfolded, or with these rows for its
    ops."""
    found = ops_of(trace, first, last)
    layout = _Layout(trace, found, lines or tuple(Line(op, 1) for op in range(len(found.ops))), lanes)
    row_of = {}
    for position, about in found.about.items():
        row = layout.row_about(about)
        if row is not None:
            row_of[position] = row
    width = max((len(row.lanes) for row in layout.rows), default=0)
    return Spine(tuple(layout.rows), row_of, found.arrivals, width, tuple(row_of))


class _Layout:
    """Puts ops and what comes from outside into rows, and values into lanes."""

    def __init__(self, trace: Trace, found: Ops, lines: Sequence[Line], most: int) -> None:
        self.trace, self.most = trace, most
        self.rows: list[SpineRow] = []
        self.row_of_op: dict[int, int] = {}
        """By the index of the op."""
        self.row_of_tensor: dict[int, int] = {}
        self.lanes: list[int | None] = []
        """The tensor in each lane."""
        self.uses = found.users
        self.outside = found.outside
        leaves = frozenset(trace.leaves)
        for line in lines:
            ops = found.ops[line.first : line.first + line.count]
            if not ops:
                self._add_head(line.label)
            else:
                op = folded(ops, line.label, found.users, line.first, leaves) if line.count > 1 else ops[0]
                self._place(line.first + line.count - 1, op)
                self.row_of_op.update(dict.fromkeys(range(line.first, line.first + line.count), len(self.rows) - 1))

    def row_about(self, about: About) -> int | None:
        """The row of what an event is about; None where nothing of it is drawn."""
        if about.op >= 0:
            return self.row_of_op[about.op]
        rows = (self.row_of_tensor.get(tensor) for tensor in about.tensors)
        return next((row for row in rows if row is not None), None)

    def _place(self, index: int, op: Op) -> None:
        """An op with what hangs above it; `index` is that of the last op in it."""
        known = [value for value in op.taken if value.tensor in self.row_of_tensor]
        fresh = [v for v in op.taken if v.tensor not in self.row_of_tensor and v.tensor not in op.outputs]
        joins = [self.lanes.index(value.tensor) for value in known if value.tensor in self.lanes]
        far = tuple((value.tensor, value.name) for value in known if value.tensor not in self.lanes)
        joins += self._hang(index, op, fresh, bool(joins))
        inputs = tuple(self.row_of_tensor[v.tensor] for v in op.taken if v.tensor in self.row_of_tensor)
        ends = [lane for lane in joins if self._done(lane, index)]
        lane = min(ends) if ends else self._free()
        text = _joined(self._alive(), set(joins), set(ends), lane)
        for ended in ends:
            self.lanes[ended] = None
        self._add_op(op, text, lane, far, inputs)
        self._keep(lane, index, op)

    def _add_op(
        self, op: Op, text: str, lane: int, far: tuple[tuple[int, int], ...], inputs: tuple[int, ...]
    ) -> None:  # fmt: skip
        self.row_of_tensor.update(dict.fromkeys((*op.outputs, *op.hidden), len(self.rows)))
        result = op.row.outputs[0] if op.row.outputs else None
        self.rows.append(
            SpineRow(
                lanes=text,
                mark=2 * lane,
                tensor=result.tensor if result else NONE,
                name=result.name if result else 0,
                meta=result.meta if result else NONE,
                is_op=True,
                position=op.position,
                begins=min(op.parts),
                needs_grad=bool(op.nodes),
                op=op.label or self.trace.strings[op.row.op],
                backwards=tuple(op.backwards),
                far=far,
                inputs=inputs,
                folded=op.folded,
            )
        )

    def _add_head(self, label: str) -> None:
        """A row that only says what the rows below it are."""
        lanes = " ".join("│" if alive else " " for alive in self._alive())
        self.rows.append(SpineRow(lanes, len(lanes), NONE, 0, NONE, False, NONE, NONE, False, op=label))

    def _hang(self, index: int, op: Op, fresh: list[ValueRow], joined: bool) -> list[int]:
        """Rows for what comes from outside. What only this op takes shares one lane, but for the start of a chain."""
        taken: list[int] = []
        shared: int | None = None
        for value in fresh:
            starts = not joined and not taken
            lasting = self.uses[value.tensor][-1] > index and self._free() < self.most
            if lasting or starts or shared is None:
                lane = self._free()
                self._occupy(lane, value.tensor if lasting else PASSING)
                shared = shared if lasting or starts else lane
                taken.append(lane)
            else:
                lane = shared
            self._add_input(value, lane, op)
        return taken

    def _add_input(self, value: ValueRow, lane: int, op: Op) -> None:
        self.row_of_tensor[value.tensor] = len(self.rows)
        self.rows.append(
            SpineRow(
                lanes=" ".join("│" if alive else " " for alive in self._alive()),
                mark=2 * lane,
                tensor=value.tensor,
                name=value.name,
                meta=value.meta,
                is_op=False,
                position=op.position,
                begins=op.position,
                needs_grad=self.trace.metas[value.meta].requires_grad,
                backwards=tuple(self.outside.get(value.tensor, ())),
            )
        )

    def _done(self, lane: int, index: int) -> bool:
        tensor = self.lanes[lane]
        return tensor is None or tensor == PASSING or self.uses.get(tensor, [index])[-1] <= index

    def _free(self) -> int:
        return self.lanes.index(None) if None in self.lanes else len(self.lanes)

    def _occupy(self, lane: int, tensor: int) -> None:
        if lane == len(self.lanes):
            self.lanes.append(None)
        self.lanes[lane] = tensor

    def _keep(self, lane: int, index: int, op: Op) -> None:
        """The output keeps its lane while something below needs it and there is room."""
        needed = [t for t in op.outputs if self.uses.get(t, [index])[-1] > index]
        if needed and lane < self.most:
            self._occupy(lane, needed[0])
        while self.lanes and self.lanes[-1] is None:
            self.lanes.pop()

    def _alive(self) -> list[bool]:
        return [tensor is not None for tensor in self.lanes]


def _joined(alive: list[bool], joins: set[int], ends: set[int], own: int) -> str:
    """The lanes of an op: its inputs come together in its own lane, and go on below where they are still needed."""
    low, high = min(joins | {own}), max(joins | {own})
    cells = []
    for lane in range(max(len(alive), own + 1)):
        inside = low < lane < high
        if lane == own:
            cell = "◆"
        elif lane in ends:
            cell = "┴" if inside else "┘" if lane > own else "└"
        elif lane in joins:
            cell = "┼" if inside else "┤" if lane > own else "├"
        elif lane < len(alive) and alive[lane]:
            cell = "│"
        else:
            cell = "─" if inside else " "
        cells.append(cell + ("─" if low <= lane < high else " "))
    return "".join(cells)[:-1]
