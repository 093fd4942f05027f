"""The graph of an iteration as a spine: one row for each op in forward order, what comes from outside above its op.

Values that are still needed run down in lanes, as in a log of branches. The spine depends on the iteration alone,
not on where the cursor is in it, so it is made once and kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from backstep.trace.batch import KIND_CODE
from backstep.trace.memo import per_trace
from backstep.trace.records import KINDS, NONE, Backward, BackwardStart, Forward, ValueRow
from backstep.trace.trace import Trace

LARGEST = 6000
"""Of a longer iteration the stretch of so many events around now is drawn."""
PASSING = -2
"""In a lane: what ends at the next op."""
WRITERS = frozenset({"accumulate", "grad_write", "zero_grad", "update"})


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


@dataclass(frozen=True, slots=True)
class Spine:
    """`row_of` is the row that an event is about; `arrivals` where a gradient left for a leaf, `(position, edge)`."""

    first: int
    rows: tuple[SpineRow, ...]
    row_of: dict[int, int]
    near: tuple[int, ...]
    """For each event from `first` on: its row, or that of the newest event that has one."""
    arrivals: dict[int, list[tuple[int, int]]]
    width: int
    """Cells of the lanes."""


def block_around(first: int, last: int, position: int) -> tuple[int, int]:
    """The part of a span that is drawn."""
    if last - first < LARGEST:
        return first, last
    start = first + (position - first) // LARGEST * LARGEST
    return start, min(last, start + LARGEST - 1)


@per_trace(24)
def spine_of(trace: Trace, first: int, last: int, lanes: int) -> Spine:
    """The spine of the events between two positions, in at most `lanes` lanes."""
    found = _Found(trace, first, last)
    layout = _Layout(trace, found, lanes)
    row_of = _rows_of_events(trace, found, layout, first, last)
    near, newest = [], 0
    for position in range(first, last + 1):
        newest = row_of.get(position, newest)
        near.append(newest)
    width = max((len(row.lanes) for row in layout.rows), default=0)
    return Spine(first, tuple(layout.rows), row_of, tuple(near), found.arrivals, width)


@dataclass(slots=True)
class _Op:
    """An op as its author wrote it, with everything that it is made of."""

    position: int
    row: Forward
    parts: list[int] = field(default_factory=list)
    outputs: set[int] = field(default_factory=set)
    """Every tensor made by it or a part of it."""
    nodes: list[int] = field(default_factory=list)
    backwards: list[int] = field(default_factory=list)

    @property
    def inputs(self) -> list[ValueRow]:
        """What comes into it, each tensor once."""
        return list({value.tensor: value for value in self.row.inputs}.values())


class _Found:
    """The ops, backward events and arrivals of a span."""

    def __init__(self, trace: Trace, first: int, last: int) -> None:
        self.arrivals: dict[int, list[tuple[int, int]]] = {}
        self.roots: dict[int, list[int]] = {}
        """Tensors that each backward pass starts from, by its position."""
        self.node_runs: list[tuple[int, int, int]] = []
        """(position, node, forward twin) of each backward event."""
        forwards: dict[int, Forward] = {}
        kinds = trace.columns["kind"][first : last + 1].tolist()
        for position, kind in enumerate(kinds, first):
            if KINDS[kind] not in ("forward", "backward", "backward_start"):
                continue
            match trace.row(position):
                case Forward() as row:
                    forwards[position] = row
                case Backward() as row:
                    self._take_backward(position, row)
                case BackwardStart() as row:
                    self.roots[position] = [root.tensor for root in row.roots]
        self.ops = _chosen(_grouped(forwards))
        op_of_node = {node: op for op in self.ops for node in op.nodes}
        self.outside: dict[int, list[int]] = {}
        """Where the node of a value from an earlier iteration ran backward, by the value's tensor."""
        for position, node, forward in self.node_runs:
            if node in op_of_node:
                op_of_node[node].backwards.append(position)
            elif 0 <= forward < first:
                self._take_outside(trace, position, forward)

    def _take_backward(self, position: int, row: Backward) -> None:
        self.node_runs.append((position, row.node, row.forward))
        for index, edge in enumerate(row.edges):
            if edge.leaf >= 0:
                self.arrivals.setdefault(edge.leaf, []).append((position, index))

    def _take_outside(self, trace: Trace, position: int, forward: int) -> None:
        row = trace.row(forward)
        if isinstance(row, Forward):
            for value in row.outputs:
                self.outside.setdefault(value.tensor, []).append(position)


def _grouped(forwards: dict[int, Forward]) -> list[_Op]:
    """The ops with their parts, those of parts too, folded into them."""
    ops: dict[int, _Op] = {}
    whole: dict[int, int] = {}
    for position in sorted(forwards, reverse=True):
        row = forwards[position]
        root = whole[position] = whole.get(row.parent, position) if row.parent > position else position
        op = ops.setdefault(root, _Op(root, forwards[root]))
        op.parts.append(position)
        op.outputs.update(value.tensor for value in row.outputs)
        op.nodes.extend(range(row.first_node, row.first_node + row.nodes))
    return [ops[root] for root in sorted(ops)]


def _chosen(ops: list[_Op]) -> list[_Op]:
    """The ops of the autograd graph; where nothing made a node, all that made something."""
    return [op for op in ops if op.nodes] or [op for op in ops if op.row.outputs]


class _Layout:
    """Puts ops and what comes from outside into rows, and values into lanes."""

    def __init__(self, trace: Trace, found: _Found, most: int) -> None:
        self.trace, self.most = trace, most
        self.rows: list[SpineRow] = []
        self.row_of_op: dict[int, int] = {}
        self.row_of_tensor: dict[int, int] = {}
        self.lanes: list[int | None] = []
        """The tensor in each lane."""
        self.uses = _uses(found.ops)
        self.outside = found.outside
        for index, op in enumerate(found.ops):
            self._place(index, op)

    def _place(self, index: int, op: _Op) -> None:
        """An op with what hangs above it."""
        known = [value for value in op.inputs if value.tensor in self.row_of_tensor]
        fresh = [v for v in op.inputs if v.tensor not in self.row_of_tensor and v.tensor not in op.outputs]
        joins = [self.lanes.index(value.tensor) for value in known if value.tensor in self.lanes]
        far = tuple((value.tensor, value.name) for value in known if value.tensor not in self.lanes)
        joins += self._hang(index, op, fresh, bool(joins))
        inputs = tuple(self.row_of_tensor[v.tensor] for v in op.inputs if v.tensor in self.row_of_tensor)
        ends = [lane for lane in joins if self._done(lane, index)]
        lane = min(ends) if ends else self._free()
        text = _joined(self._alive(), set(joins), set(ends), lane)
        for ended in ends:
            self.lanes[ended] = None
        self._add_op(op, text, lane, far, inputs)
        self._keep(lane, index, op)

    def _add_op(
        self, op: _Op, text: str, lane: int, far: tuple[tuple[int, int], ...], inputs: tuple[int, ...]
    ) -> None:  # fmt: skip
        self.row_of_op[op.position] = len(self.rows)
        self.row_of_tensor.update(dict.fromkeys(op.outputs, len(self.rows)))
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
                op=self.trace.strings[op.row.op],
                backwards=tuple(op.backwards),
                far=far,
                inputs=inputs,
            )
        )

    def _hang(self, index: int, op: _Op, fresh: list[ValueRow], joined: bool) -> list[int]:
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

    def _add_input(self, value: ValueRow, lane: int, op: _Op) -> None:
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

    def _keep(self, lane: int, index: int, op: _Op) -> None:
        """The output keeps its lane while something below needs it and there is room."""
        needed = [t for t in op.outputs if self.uses.get(t, [index])[-1] > index]
        if needed and lane < self.most:
            self._occupy(lane, needed[0])
        while self.lanes and self.lanes[-1] is None:
            self.lanes.pop()

    def _alive(self) -> list[bool]:
        return [tensor is not None for tensor in self.lanes]


def _uses(ops: Iterable[_Op]) -> dict[int, list[int]]:
    """The indices of the ops that take a tensor, ascending."""
    uses: dict[int, list[int]] = {}
    for index, op in enumerate(ops):
        for value in op.inputs:
            uses.setdefault(value.tensor, []).append(index)
    return uses


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


def _rows_of_events(trace: Trace, found: _Found, layout: _Layout, first: int, last: int) -> dict[int, int]:
    """Which row each event is about: an op's for its parts and its nodes, a leaf's for what writes it."""
    rows: dict[int, int] = {}
    for op in found.ops:
        for position in (*op.parts, *op.backwards):
            rows[position] = layout.row_of_op[op.position]
    for tensor, positions in found.outside.items():
        for position in positions:
            _note(rows, position, (layout.row_of_tensor.get(tensor),))
    for position, tensors in found.roots.items():
        _note(rows, position, (layout.row_of_tensor.get(tensor) for tensor in tensors))
    columns = trace.columns[first : last + 1]
    subjects = columns["subject"].tolist()
    for offset, kind in enumerate(columns["kind"].tolist()):
        position = first + offset
        if KINDS[kind] in WRITERS:
            _note(rows, position, (layout.row_of_tensor.get(subjects[offset]),))
        elif kind == KIND_CODE["forward"] and position not in rows:
            row = trace.row(position)
            if isinstance(row, Forward):
                _note(rows, position, (layout.row_of_tensor.get(value.tensor) for value in row.outputs))
    return rows


def _note(rows: dict[int, int], position: int, candidates: Iterable[int | None]) -> None:
    for row in candidates:
        if row is not None:
            rows[position] = row
            return
