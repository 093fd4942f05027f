"""What values are called within a backward pass: a name that several of them bear is told with its maker's position.

`x = relu(x)` makes two values called `x`; `x#12` is the one that #12 made. The root and the leaves keep their names.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping

from backstep.explain.names import LONGEST, short, transpose
from backstep.trace.event import BackwardEvent, BackwardStartEvent, Edge, ForwardEvent, Value
from backstep.trace.memo import per_trace
from backstep.trace.records import Backward
from backstep.trace.trace import Trace

LONGEST_PASS = 4096
"""Events of a pass whose names are compared; in a longer one every value has its plain name."""
PLAIN = re.compile(r"[\w.]+(\[[^\[\]]*\])*")
"""A variable or an attribute; an expression gives way to the op's name where it is too long, or stands for several."""

Bearer = tuple[int, int]
"""What bears a name: a node and which of its outputs, or a leaf, or a root."""
LEAF, ROOT = -2, -1
PART_TRANSPOSED = "t"
"""What a part that only transposes is called, and its result."""


def edge_label(trace: Trace, event: BackwardEvent, edge: Edge, longest: int = LONGEST) -> str:
    """What an edge's input is called: its gradient leaves there."""
    to = edge.to or {}
    name = edge.input or str(to.get("leaf", "input"))
    if name == PART_TRANSPOSED and "node" in to and (told := transposed(trace, to["node"], longest)):
        return told
    if "node" not in to or (fits(name, longest) and name not in shared(trace, event.position)):
        return short(name, longest)
    return told_apart(trace, event.position, name, (to["node"], to["output"]), longest)


def result_label(trace: Trace, event: BackwardEvent, op: ForwardEvent | None, longest: int = LONGEST) -> str:
    """What a node's output is called: its gradient arrives."""
    place, arrived = next(((at, value) for at, value in enumerate(event.upstream) if value is not None), (0, None))
    name = name_of(event, op, place, arrived)
    if name == PART_TRANSPOSED and (told := transposed(trace, event.node, longest)):
        return told
    if is_root(trace, event, op, place) or (fits(name, longest) and name not in shared(trace, event.position)):
        return short(name, longest)
    return told_apart(trace, event.position, name, (event.node, place), longest)


def input_labels(trace: Trace, event: BackwardEvent, op: ForwardEvent, longest: int = LONGEST) -> list[str]:
    """What the inputs of the op are called, those that get a gradient as their edges are."""
    labels = [short(value.name, longest) for value in op.inputs]
    for index, place in input_places(trace, event, op).items():
        labels[place] = edge_label(trace, event, event.edges[index], longest)
    return labels


def input_places(trace: Trace, event: BackwardEvent, op: ForwardEvent) -> dict[int, int]:
    """Which input of the op each edge is of: by the tensor that it leads to, else by its name."""
    free = dict(enumerate(op.inputs))
    found: dict[int, int] = {}
    for same in (is_same_tensor, has_same_name):
        for index, edge in enumerate(event.edges):
            place = next((at for at, value in free.items() if index not in found and same(trace, edge, value)), None)
            if place is not None:
                found[index] = place
                del free[place]
    return found


def is_same_tensor(trace: Trace, edge: Edge, value: Value) -> bool:
    """Whether an edge leads to the leaf, or to the node, that a value is of."""
    to = edge.to or {}
    if "leaf" in to:
        return bool(to["number"] == value.tensor)
    made = trace.forward_of(to["node"]) if "node" in to else None
    op = None if made is None else trace.event(made)
    if not isinstance(op, ForwardEvent) or to["output"] >= len(op.outputs):
        return False
    return bool(op.outputs[to["output"]].tensor == value.tensor)


def has_same_name(trace: Trace, edge: Edge, value: Value) -> bool:
    return edge.input == value.name


def name_of(event: BackwardEvent, op: ForwardEvent | None, place: int, arrived: Value | None) -> str:
    """The name of what the gradient that arrives is of; the user's, if the op is only a part of what was written."""
    if arrived is not None and arrived.name.endswith(".grad"):
        return arrived.name.removesuffix(".grad")
    if op is not None and op.outputs and len(op.nodes) == 1:
        return op.outputs[min(place, len(op.outputs) - 1)].name
    return event.op if arrived is None else arrived.name


def is_root(trace: Trace, event: BackwardEvent, op: ForwardEvent | None, place: int) -> bool:
    """Whether the pass began with this output of the node."""
    start = trace.event(trace.span_of_pass(event.position)[0])
    if not isinstance(start, BackwardStartEvent) or op is None or place >= len(op.outputs):
        return False
    made = op.outputs[place]
    return any((root.tensor, root.version) == (made.tensor, made.version) for root in start.roots)


def transposed(trace: Trace, node: int, longest: int) -> str | None:
    """`fc.weightᵀ`, for what a linear layer turns before it multiplies."""
    made = trace.forward_of(node)
    op = None if made is None else trace.event(made)
    if not isinstance(op, ForwardEvent) or op.op != PART_TRANSPOSED or op.parent is None or not op.inputs[0].name:
        return None
    return transpose(short(op.inputs[0].name, longest))


def fits(name: str, longest: int) -> bool:
    """Whether a name can be told as it is; of an expression that is too long a part says nothing."""
    return len(" ".join(name.split())) <= longest or PLAIN.fullmatch(name) is not None


def told_apart(trace: Trace, position: int, name: str, value: Bearer, longest: int) -> str:
    """`x#12`; of an expression the op's name, `linear#40`; of one of several outputs which one, `split#7[1]`."""
    made = trace.forward_of(value[0])
    op = None if made is None else trace.event(made)
    if not isinstance(op, ForwardEvent):
        return short(name, longest)
    op = as_written(trace, op, value[1])
    told = name if PLAIN.fullmatch(name) else op.op
    bearers = shared(trace, position).get(name, ())
    several = sum(node == value[0] for node, _ in bearers) > 1
    return f"{short(told, longest)}#{op.position}" + (f"[{value[1]}]" if several else "")


def as_written(trace: Trace, op: ForwardEvent, output: int) -> ForwardEvent:
    """The op that the user wrote, if this output of one of its parts is what it gave."""
    if output >= len(op.outputs):
        return op
    made = op.outputs[output].tensor
    while op.parent is not None:
        whole = trace.event(op.parent)
        if not isinstance(whole, ForwardEvent) or all(value.tensor != made for value in whole.outputs):
            break
        op = whole
    return op


def shared(trace: Trace, position: int) -> Mapping[str, frozenset[Bearer]]:
    """The names that more than one value of the pass around a position bears, and which these are."""
    first, last = trace.span_of_pass(position)
    return {} if last - first > LONGEST_PASS else shared_names(trace, first, last)


@per_trace(16)
def shared_names(trace: Trace, first: int, last: int) -> Mapping[str, frozenset[Bearer]]:
    bearers: defaultdict[str, set[Bearer]] = defaultdict(set)
    start = trace.event(first)
    for at, root in enumerate(start.roots if isinstance(start, BackwardStartEvent) else ()):
        bearers[root.name].add((ROOT, at))
    for position in range(first, last + 1):
        row = trace.row(position)
        for edge in row.edges if isinstance(row, Backward) else ():
            if edge.node >= 0 or edge.leaf >= 0:
                value = (edge.node, edge.output) if edge.node >= 0 else (LEAF, edge.leaf)
                bearers[trace.strings[edge.input]].add(value)
    return {name: frozenset(values) for name, values in bearers.items() if len(values) > 1}
