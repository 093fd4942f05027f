"""The ops of a stretch of the trace as their author wrote them, each with all that it is made of."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

from backstep.trace.memo import per_trace
from backstep.trace.records import KINDS, Backward, BackwardStart, Forward, ValueRow
from backstep.trace.trace import Trace

WRITERS = frozenset({"accumulate", "grad_write", "zero_grad", "update"})
MANY = 2
"""Inputs of folded ops, but for parameters: so many are shown."""


@dataclass(slots=True)
class Op:
    """An op, or several that are drawn as one: then `folded` of them, under a `label`."""

    position: int
    row: Forward
    parts: list[int] = field(default_factory=list)
    outputs: set[int] = field(default_factory=set)
    """Every tensor made by it or a part of it."""
    nodes: list[int] = field(default_factory=list)
    backwards: list[int] = field(default_factory=list)
    taken: list[ValueRow] = field(default_factory=list)
    """What comes into it, each tensor once."""
    label: str = ""
    folded: int = 0
    hidden: frozenset[int] = frozenset()
    """Tensors that are folded into it."""


@dataclass(frozen=True, slots=True)
class About:
    """What an event is about: the op with this index, or else one of these tensors."""

    op: int = -1
    tensors: tuple[int, ...] = ()


class Ops:
    """The ops of the autograd graph between two positions; where nothing made a node, all that made something."""

    def __init__(self, trace: Trace, first: int, last: int) -> None:
        self.first = first
        self.arrivals: dict[int, list[tuple[int, int]]] = {}
        """Where a gradient left for a leaf: `(position, edge)`."""
        self.outside: dict[int, list[int]] = {}
        """Where the node of a value from an earlier iteration ran backward, by the value's tensor."""
        self.about: dict[int, About] = {}
        """What each event is about, by its position, ascending; events about nothing drawn here are left out."""
        self._node_runs: list[tuple[int, int, int]] = []
        """(position, node, forward twin) of each backward event."""
        self._forwards: dict[int, Forward] = {}
        self._read(trace, first, last)
        ops = _grouped(self._forwards)
        self.ops = [op for op in ops if op.nodes] or [op for op in ops if op.row.outputs]
        self._take_node_runs(trace)
        for index, op in enumerate(self.ops):
            self.about.update(dict.fromkeys((*op.parts, *op.backwards), About(index)))
        self.users: dict[int, list[int]] = {}
        """The indices of the ops that take a tensor, ascending."""
        for index, op in enumerate(self.ops):
            for value in op.taken:
                self.users.setdefault(value.tensor, []).append(index)
        self.about = dict(sorted(self.about.items()))
        self._known = list(self.about)

    def near(self, position: int) -> About | None:
        """What the event, or the newest one before it that is about something here, is about."""
        at = bisect_right(self._known, position) - 1
        return None if at < 0 else self.about[self._known[at]]

    def op_near(self, position: int) -> int:
        """The index of the op that is nearest to what happens; of a leaf the first that takes it; -1 for none."""
        about = self.near(position)
        if about is None:
            return -1
        users = (self.users[tensor][0] for tensor in about.tensors if tensor in self.users)
        return about.op if about.op >= 0 else next(users, -1)

    def _read(self, trace: Trace, first: int, last: int) -> None:
        columns = trace.columns[first : last + 1]
        subjects = columns["subject"].tolist()
        for position, code in enumerate(columns["kind"].tolist(), first):
            kind = KINDS[code]
            if kind in WRITERS:
                self.about[position] = About(tensors=(subjects[position - first],))
            if kind not in ("forward", "backward", "backward_start"):
                continue
            match trace.row(position):
                case Forward() as row:
                    self._forwards[position] = row
                    self.about[position] = About(tensors=tuple(value.tensor for value in row.outputs))
                case Backward() as row:
                    self._take_backward(position, row)
                case BackwardStart() as row:
                    self.about[position] = About(tensors=tuple(root.tensor for root in row.roots))

    def _take_backward(self, position: int, row: Backward) -> None:
        self._node_runs.append((position, row.node, row.forward))
        for index, edge in enumerate(row.edges):
            if edge.leaf >= 0:
                self.arrivals.setdefault(edge.leaf, []).append((position, index))

    def _take_node_runs(self, trace: Trace) -> None:
        op_of_node = {node: op for op in self.ops for node in op.nodes}
        for position, node, forward in self._node_runs:
            if node in op_of_node:
                op_of_node[node].backwards.append(position)
            elif 0 <= forward < self.first:
                row = trace.row(forward)
                made = tuple(value.tensor for value in row.outputs) if isinstance(row, Forward) else ()
                for tensor in made:
                    self.outside.setdefault(tensor, []).append(position)
                self.about[position] = About(tensors=made)


@per_trace(24)
def ops_of(trace: Trace, first: int, last: int) -> Ops:
    """The ops between two positions, found once."""
    return Ops(trace, first, last)


def _grouped(forwards: dict[int, Forward]) -> list[Op]:
    """The ops with their parts, those of parts too, folded into them."""
    ops: dict[int, Op] = {}
    whole: dict[int, int] = {}
    for position in sorted(forwards, reverse=True):
        row = forwards[position]
        root = whole[position] = whole.get(row.parent, position) if row.parent > position else position
        op = ops.setdefault(root, Op(root, forwards[root]))
        op.parts.append(position)
        op.outputs.update(value.tensor for value in row.outputs)
        op.nodes.extend(range(row.first_node, row.first_node + row.nodes))
    for op in ops.values():
        op.taken = list({value.tensor: value for value in op.row.inputs}.values())
    return [ops[root] for root in sorted(ops)]


def folded(ops: list[Op], label: str, users: dict[int, list[int]], first: int, leaves: frozenset[int]) -> Op:
    """Ops that follow one another, the first of them with index `first`, as one under a label.

    Parameters that only they take are folded into it; so is what else only they take, if it is much.
    """
    made: set[int] = set().union(*(op.outputs for op in ops))
    last = first + len(ops) - 1
    taken = {value.tensor: value for op in ops for value in op.taken if value.tensor not in made}
    own = {t for t in taken if users[t][0] >= first and users[t][-1] <= last}
    own = own if len(own - leaves) > MANY else own & leaves
    kept = [value for tensor, value in taken.items() if tensor not in own]
    result = Op(
        ops[-1].position, ops[-1].row, outputs=made, taken=kept, label=label, folded=len(ops), hidden=frozenset(own)
    )  # fmt: skip
    result.parts = [part for op in ops for part in op.parts]
    result.nodes = [node for op in ops for node in op.nodes]
    result.backwards = sorted(position for op in ops for position in op.backwards)
    return result
