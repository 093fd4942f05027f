"""The chain rule of one backward step: what arrives, the local factor, what leaves; and the product so far."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

from backstep.explain.formulas import derivative, equation, local_formula, product_operand
from backstep.trace.event import BackwardEvent, BackwardStartEvent, Edge, ForwardEvent, Value
from backstep.trace.memo import per_trace
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
    name: str
    result: str
    equation: str
    operand: Value | None


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
    if not isinstance(event, BackwardStartEvent) or not event.roots:
        return "root"
    ones = all(seed is None or (seed.scalar == 1 and not seed.shape) for seed in event.seeds)
    return short(" + ".join(root.name for root in event.roots)) if ones else "(seed · root)"


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
    if op is not None and op.outputs and len(op.nodes) == 1:
        place = next((at for at, value in enumerate(event.upstream) if value is not None), 0)
        return short(op.outputs[min(place, len(op.outputs) - 1)].name)
    arrived = next((value for value in event.upstream if value is not None), None)
    return event.op if arrived is None else short(arrived.name.removesuffix(".grad"))


def stories(trace: Trace, event: BackwardEvent) -> list[EdgeStory]:
    """The edges of a backward step: those that carry a gradient first, and of these the factors of a product."""
    root, result = root_name(trace, event.position), result_name(trace, event)
    op = twin(trace, event)
    told = []
    for index, edge in enumerate(event.edges):
        name = short(edge.input or str((edge.to or {}).get("leaf", "input")))
        formula = None if op is None else local_formula(event.op, op, index)
        arrives, leaves = derivative(root, result), derivative(root, name)
        local = derivative(result, name) + (f" = {formula}" if formula else "")
        elementwise = edge.local is not None and edge.local.form == "elementwise"
        written = edge.formula or (equation(arrives, leaves, formula, elementwise) if formula else None)
        factor = None if op is None else product_operand(event.op, op, index)
        told.append(
            EdgeStory(
                edge, arrives, local, leaves, target(trace, edge), name, result, written or f"{leaves}   with {local}",
                factor,
            )
        )  # fmt: skip
    return sorted(told, key=lambda story: (not story.edge.needed, story.operand is None))


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
    left = derivative(root_name(trace, event.position), short(edge.input or "input"))
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
            return after_sum(left, trace, event, factors, downstream, node, len(sent))
        if not sent:
            return agreed(SoFar(left, (*seed_of(trace, start), *reversed(factors)), downstream))
        before, through = sent[0]
        if through.local is None or through.local.scalar is None:
            return None
        factors.append(through.local.scalar)
        node = before.node
    return None


def after_sum(
    left: str, trace: Trace, event: BackwardEvent, factors: list[float], result: float, node: int, parts: int
) -> SoFar | None:
    """The product from where several paths meet: what arrives there is a sum, and the first factor."""
    runs = [at for at in trace.backwards_of(node) if at <= event.position]
    met = trace.event(runs[-1]) if runs else None
    arrived = next((v for v in met.upstream if v is not None), None) if isinstance(met, BackwardEvent) else None
    total = None if arrived is None else arrived.scalar
    return agreed(SoFar(left, () if total is None else (total, *reversed(factors)), result, parts))


def ways_to(trace: Trace, event: BackwardEvent, edge: Edge) -> int:
    """How many gradients of this pass meet where this one goes: what leaves here is one of so many contributions."""
    first, last = trace.span_of_pass(event.position)
    if edge.to is None or last - first > 4 * LONGEST_CHAIN:
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


def seed_of(trace: Trace, start: int) -> tuple[float, ...]:
    """The first factor of all, unless it is 1."""
    event = trace.event(start)
    seeds = event.seeds if isinstance(event, BackwardStartEvent) else ()
    seed = None if len(seeds) != 1 or seeds[0] is None else seeds[0].scalar
    return () if seed is None or seed == 1 else (seed,)


def agreed(chain: SoFar) -> SoFar | None:
    """The product, if it is what the trace says: a hook may have replaced a gradient on its way."""
    if chain.result is None:
        return None
    product = math.prod(chain.factors)
    both_bad = not math.isfinite(product) and not math.isfinite(chain.result)
    return chain if both_bad or math.isclose(product, chain.result, rel_tol=1e-3, abs_tol=1e-30) else None


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
