"""Gradients that are exactly zero in every pass: an op on the way has no slope anywhere."""

from __future__ import annotations

from collections.abc import Iterator

from backstep.diagnose.divergence import diverges
from backstep.diagnose.finding import Finding, Level, NotLooked, Related, Rule
from backstep.diagnose.lineage import described
from backstep.diagnose.magnitude import is_nonzero, is_zero
from backstep.diagnose.story import Leaf, Pass, Story
from backstep.diagnose.wording import at, listed, size, told
from backstep.trace.event import BackwardEvent, ForwardEvent, UpdateEvent

ENOUGH = 3
RECTIFIERS = frozenset({"relu", "relu_", "threshold", "relu6", "clamp_min"})
FLAT = RECTIFIERS | frozenset(
    """
    round sign floor ceil trunc clamp clamp_ clip hardtanh hardsigmoid softmax _softmax log_softmax heaviside sgn
    floor_divide frac where maximum minimum sigmoid tanh cross_entropy
    """.split()
)
"""Ops that have a slope of 0 over whole stretches; another op has one only where the problem is solved."""


def look(story: Story) -> Iterator[Finding | NotLooked]:
    if diverges(story) is not None:
        return  # units that a divergence has thrown off are told as that
    by_node: dict[tuple[object, ...], tuple[Pass, BackwardEvent, list[Leaf]]] = {}
    for leaf in story.leaves.values():
        arrived = leaf.contributions
        if len(arrived) < ENOUGH or not all(is_zero(act.arrived) for act in arrived[-max(ENOUGH, len(arrived) // 2) :]):
            continue
        one = next((p for p in reversed(story.finished) if any(act is arrived[-1] for act in p.contributions)), None)
        solved = any(is_nonzero(act.arrived) for act in arrived) and one is not None and one.loss == 0
        node = None if one is None or solved else where_it_died(one)
        if one is not None and node is not None:
            by_node.setdefault((node.op, node.position), (one, node, []))[2].append(leaf)
    for one, node, leaves in by_node.values():
        yield found(story, one, node, leaves)


def where_it_died(one: Pass) -> BackwardEvent | None:
    """The first node of a pass that a gradient reaches and none leaves."""
    for node in one.nodes:
        leaving = [edge.downstream for edge in node.edges if edge.downstream is not None]
        if any(is_nonzero(value) for value in node.upstream) and leaving and all(is_zero(value) for value in leaving):
            return node
    return None


def found(story: Story, one: Pass, node: BackwardEvent, leaves: list[Leaf]) -> Finding:
    twin = None if node.forward is None else story.event(node.forward)
    event = twin if isinstance(twin, ForwardEvent) else None
    what = node.op if event is None else described(event)
    upstream = next((value for value in node.upstream if is_nonzero(value)), None)
    dead = event is not None and event.op in RECTIFIERS
    passes = told(len(leaves[0].contributions), "pass", "passes")
    flat = f"`{event.op if event else node.op}` has slope 0 here"
    why = "every unit is off for every input, and stays so" if dead else flat
    cause = biased_from_the_start(story, event, leaves[0]) if dead and event is not None else None
    return Finding(
        Level.ERROR if event is not None and event.op in FLAT else Level.NOTE,
        f"No gradient gets back through {what}: {why}; {listed(leaf.name for leaf in leaves)} got exactly 0 in the last"
        f" of {passes}.",
        "Look at what comes in (learning rate, initial bias, scale); a LeakyReLU or a GELU keeps a slope."
        if dead
        else "Use an op with a slope (a soft version of it), or a straight-through estimator if it is meant.",
        node.source if event is None else (cause or event).source,
        (*((event.position,) if event is not None else ()), node.position, leaves[0].contributions[-1].position),
        f"upstream {size(upstream)} → downstream 0",
        (Related(one.source, f"the pass that ends on {at(event.source if event else None)}"),),
    )


def biased_from_the_start(story: Story, event: ForwardEvent, leaf: Leaf) -> UpdateEvent | None:
    """The initialisation that keeps a rectifier off: a bias that is negative throughout, before the first pass."""
    if any(is_nonzero(act.arrived) for act in leaf.contributions):
        return None
    layer = story.maker(event.inputs[0].tensor, event.position)
    for value in layer.inputs if layer is not None else ():
        known = story.leaves.get(value.tensor)
        summary = value.summary
        if known is not None and known.writes and len(value.shape) == 1 and summary is not None:
            write = known.writes[0] if not known.updates else before(known, known.updates[0].position)
            if summary.max is not None and summary.max < 0 and write is not None:
                return write
    return None


def before(leaf: Leaf, position: int) -> UpdateEvent | None:
    return next((write for write in reversed(leaf.writes) if write.position < position), None)


RULE = Rule("dead-gradient", "gradients are exactly zero, pass after pass", look)
