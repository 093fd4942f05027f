"""The chain rule of one backward step: what arrives, the local factor, what leaves, in symbols and in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from backstep.explain.figures import number, places, spread_dims
from backstep.explain.formulas import equation, local_formula, product_operand
from backstep.explain.labels import edge_label, input_labels, result_label
from backstep.explain.names import LONGEST, derivative, short
from backstep.explain.pytorch import own_formula
from backstep.trace.event import BackwardEvent, BackwardStartEvent, Edge, ForwardEvent, Value
from backstep.trace.memo import per_trace
from backstep.trace.trace import Trace

COUNTED = 256
"""Events of a pass in which the gradients that meet are counted."""


@dataclass(frozen=True, slots=True)
class EdgeStory:
    """One edge in symbols: `dloss/dy_hat`, `dy_hat/dw = x`, `dloss/dw`, and where the gradient goes.

    `filled`: the local formula with the recorded numbers in it. `own`: the equation is PyTorch's own formula. `inputs`:
    what all inputs of the op are called.
    """

    edge: Edge
    index: int
    arrives: str
    local: str
    leaves: str
    target: str
    name: str
    result: str
    equation: str
    operand: Value | None
    formula: str | None
    filled: str | None
    own: bool
    inputs: tuple[str, ...]


def root_name(trace: Trace, position: int, longest: int = LONGEST) -> str:
    """What the backward pass around a position started from: `loss`."""
    start, _ = trace.span_of_pass(position)
    event = trace.event(start)
    if not isinstance(event, BackwardStartEvent) or not event.roots:
        return "root"
    ones = all(seed is None or (seed.scalar == 1 and not seed.shape) for seed in event.seeds)
    return short(" + ".join(root.name for root in event.roots), longest) if ones else "(seed · root)"


def twin(trace: Trace, event: BackwardEvent) -> ForwardEvent | None:
    """The forward op of a node."""
    if event.forward is None:
        return None
    op = trace.event(event.forward)
    return op if isinstance(op, ForwardEvent) else None


def stories(trace: Trace, event: BackwardEvent, longest: int = LONGEST) -> list[EdgeStory]:
    """The edges of a backward step: those that carry a gradient first, and of these the factors of a product.

    `longest`: so many characters of a name are told.
    """
    told = [story(trace, event, index, longest) for index in range(len(event.edges))]
    return sorted(told, key=lambda story: (not story.edge.needed, story.operand is None))


def story(trace: Trace, event: BackwardEvent, index: int, longest: int = LONGEST) -> EdgeStory:
    """One edge of a backward step."""
    edge, op = event.edges[index], twin(trace, event)
    root, result = root_name(trace, event.position, longest), result_label(trace, event, op, longest)
    name = edge_label(trace, event, edge, longest)
    arrives, leaves, formula, operand = derivative(root, result), derivative(root, name), None, None
    names = [] if op is None else input_labels(trace, event, op, longest)
    if op is not None:
        formula = local_formula(event.op, op, index, schema=schema_of(trace, event), names=names, result=result)
        operand = product_operand(event.op, op, index)
    written = equation(arrives, leaves, formula, is_elementwise(edge)) if formula else None
    own = None if formula else own_formula(trace, event, op, index, root, names, result)
    if written is not None:
        written += summed(event, edge, formula or "")
    local = derivative(result, name) + (f" = {formula}" if formula else "")
    return EdgeStory(
        edge, index, arrives, local, leaves, target(trace, edge), name, result,
        written or (f"{leaves} = {own}" if own else f"{leaves}   with {local}"),
        operand, formula, filled(trace, event, op, index) if formula else None, own is not None, tuple(names),
    )  # fmt: skip


def schema_of(trace: Trace, event: BackwardEvent) -> str:
    """The schema of the op that a node is of."""
    known = trace.derivatives.get(event.op.removesuffix("_copy"))
    return "" if known is None else known.schema


def is_elementwise(edge: Edge) -> bool:
    return edge.local is not None and edge.local.form == "elementwise"


def summed(event: BackwardEvent, edge: Edge, formula: str) -> str:
    """What is summed over because the input was broadcast; nothing where the formula says so itself."""
    dims = broadcast(event, edge)
    if not dims or "summed" in formula or formula.startswith("@") or formula.endswith("@"):
        return ""
    arrived = next(value for value in event.upstream if value is not None)
    return f", summed over {places(dims, arrived.shape)}"


def broadcast(event: BackwardEvent, edge: Edge) -> tuple[int, ...]:
    """The dims of an elementwise op's output over which this input was broadcast."""
    arrived = [value for value in event.upstream if value is not None]
    if not is_elementwise(edge) or len(arrived) != 1 or edge.downstream is None:
        return ()
    inner, outer = edge.downstream.shape, arrived[0].shape
    return spread_dims(inner, outer) if len(inner) <= len(outer) and inner != outer else ()


def filled(trace: Trace, event: BackwardEvent, op: ForwardEvent | None, index: int) -> str | None:
    """The local formula with the numbers in it, where everything in it is one number."""
    values = [] if op is None else [value.scalar for value in (*op.inputs, *op.outputs[:1])]
    if op is None or not op.outputs or any(value is None or isinstance(value, bool) for value in values):
        return None
    *given, made = [number(float(value)) for value in values if value is not None]
    return local_formula(event.op, op, index, schema=schema_of(trace, event), names=given, result=made)


def target(trace: Trace, edge: Edge) -> str:
    """The node that an edge leads to, by name."""
    if edge.to is None:
        return ""
    if "leaf" in edge.to:
        return f"AccumulateGrad({edge.to['leaf']})"
    runs = trace.backwards_of(edge.to["node"])
    if runs:
        node = trace.event(runs[-1])
        return str(node["op"])
    return f"node {edge.to['node']}"


def ways_to(trace: Trace, event: BackwardEvent, edge: Edge) -> int:
    """How many gradients of this pass meet where this one goes: what leaves here is one of so many contributions."""
    first, last = trace.span_of_pass(event.position)
    if edge.to is None or last - first > COUNTED:
        return 1
    return max(1, meetings(trace, first, last)[goal(edge.to)])


def goal(to: dict[str, Any]) -> tuple[str, int]:
    """Where an edge leads to, as a key."""
    return ("node", to["node"]) if "node" in to else ("leaf", to["number"])


@per_trace(64)
def meetings(trace: Trace, first: int, last: int) -> Counter[tuple[str, int]]:
    """How many edges of a pass lead to each node and leaf."""
    events = (trace.event(at) for at in range(first, last + 1))
    edges = (edge for event in events if isinstance(event, BackwardEvent) for edge in event.edges)
    return Counter(goal(edge.to) for edge in edges if edge.to is not None and edge.needed)


def live(stories: Sequence[EdgeStory]) -> list[EdgeStory]:
    """Those by which a gradient goes on."""
    return [story for story in stories if story.edge.needed]
