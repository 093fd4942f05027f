"""The chain rule of one backward step: what arrives, the local factor, what leaves; and the product so far."""

from __future__ import annotations

from dataclasses import dataclass

from backstep.explain.formulas import local_formula
from backstep.trace.event import BackwardEvent, BackwardStartEvent, Edge, ForwardEvent
from backstep.trace.trace import Trace

LONGEST_CHAIN = 64
"""Factors that are followed back; a longer product is told by its result alone."""


@dataclass(frozen=True, slots=True)
class EdgeStory:
    """One edge in symbols: `dloss/dy_hat`, `dy_hat/dw = x`, `dloss/dw`, and where the gradient goes."""

    edge: Edge
    arrives: str
    local: str
    leaves: str
    target: str


@dataclass(frozen=True, slots=True)
class SoFar:
    """The product from the root to here: `dloss/dw = (-2) · 1 · 1 = -2`; `parts` where several paths meet."""

    left: str
    factors: tuple[float, ...]
    result: float | None
    parts: int = 1


def root_name(trace: Trace, position: int) -> str:
    """What the backward pass around a position started from: `loss`."""
    start, _ = trace.span_of_pass(position)
    event = trace.event(start)
    if isinstance(event, BackwardStartEvent) and event.roots:
        return short(event.roots[0].name)
    return "root"


def short(name: str, longest: int = 24) -> str:
    """A name that fits into a fraction."""
    name = " ".join(name.split())
    return name if len(name) <= longest else name[: longest - 1] + "…"


def twin(trace: Trace, event: BackwardEvent) -> ForwardEvent | None:
    """The forward op of a node."""
    if event.forward is None:
        return None
    op = trace.event(event.forward)
    return op if isinstance(op, ForwardEvent) else None


def result_name(trace: Trace, event: BackwardEvent) -> str:
    """What the node's output is called."""
    op = twin(trace, event)
    return short(op.outputs[0].name) if op is not None and op.outputs else event.op


def stories(trace: Trace, event: BackwardEvent) -> list[EdgeStory]:
    """The edges of a backward step, those that carry a gradient first."""
    root, result = root_name(trace, event.position), result_name(trace, event)
    op = twin(trace, event)
    told = []
    for index, edge in enumerate(event.edges):
        name = short(edge.input or "input")
        formula = None if op is None else local_formula(event.op, op, index)
        local = f"d{result}/d{name}" + (f" = {formula}" if formula else "")
        told.append(EdgeStory(edge, f"d{root}/d{result}", local, f"d{root}/d{name}", target(trace, edge)))
    return sorted(told, key=lambda story: not story.edge.needed)


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


def so_far(trace: Trace, event: BackwardEvent, edge: Edge) -> SoFar | None:
    """The product of the local factors from the root down to this edge, if each of them is one number."""
    left = f"d{root_name(trace, event.position)}/d{short(edge.input or 'input')}"
    downstream = None if edge.downstream is None else edge.downstream.scalar
    if downstream is None or edge.local is None or edge.local.scalar is None:
        return None
    start, _ = trace.span_of_pass(event.position)
    senders = senders_before(trace, start, event.position)
    factors: list[float] = [edge.local.scalar]
    node = event.node
    for _ in range(LONGEST_CHAIN):
        sent = senders.get(node, [])
        if len(sent) > 1:
            return SoFar(left, (), downstream, len(sent))
        if not sent:
            return SoFar(left, tuple(reversed(factors)), downstream)
        before, through = sent[0]
        if through.local is None or through.local.scalar is None:
            return None
        factors.append(through.local.scalar)
        node = before.node
    return None


def senders_before(trace: Trace, start: int, position: int) -> dict[int, list[tuple[BackwardEvent, Edge]]]:
    """Who sent a gradient to each node of this pass before a position; nothing for a pass too long to follow."""
    if position - start > 4 * LONGEST_CHAIN:
        return {}
    senders: dict[int, list[tuple[BackwardEvent, Edge]]] = {}
    for at in range(start, position):
        event = trace.event(at)
        if isinstance(event, BackwardEvent):
            for edge in event.edges:
                if edge.to is not None and "node" in edge.to:
                    senders.setdefault(edge.to["node"], []).append((event, edge))
    return senders
