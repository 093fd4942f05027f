"""Gradients that vanish or explode on their way through the layers: norms by depth, in pass after pass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from backstep.diagnose.divergence import diverges
from backstep.diagnose.finding import Finding, Level, NotLooked, Related, Rule
from backstep.diagnose.lineage import described
from backstep.diagnose.magnitude import norm_of
from backstep.diagnose.story import Pass, Story
from backstep.diagnose.wording import at, figure, told
from backstep.trace.event import BackwardEvent, ForwardEvent, GradWriteEvent, Source

VANISHED, FADED, EXPLODED = 1e-8, 1e-5, 1e5
"""What is left of a gradient's norm from the loss's end of the layers to the other; `FADED` is enough where an
activation that saturates takes it: a deep network fades a little in any case."""
SATURATING = ("SigmoidBackward", "TanhBackward", "SoftmaxBackward")
ENOUGH = 3
DEEP = 4
"""So many weights must lie on the way: a large input or a small loss is no matter of depth."""
WEIGHTED = frozenset({"AddmmBackward0", "MmBackward0", "ConvolutionBackward0", "BmmBackward0", "MvBackward0"})
"""Nodes that belong to a weight."""


@dataclass(frozen=True, slots=True)
class Depths:
    """One pass: the gradient's norm at each node that a weight belongs to, from the loss inwards."""

    one: Pass
    nodes: list[BackwardEvent]
    norms: list[float]

    @property
    def ratio(self) -> float:
        return self.norms[-1] / self.norms[0]


def look(story: Story) -> Iterator[Finding | NotLooked]:
    if diverges(story) is not None:
        return
    depths = [depth for one in story.finished if (depth := depths_of(one)) is not None]
    if len(depths) < ENOUGH:
        return
    typical = float(np.median([depth.ratio for depth in depths]))
    saturating = steepest(story, depths[-1].one, shrinking=True)[1].op.startswith(SATURATING)
    if 0 < typical < (FADED if saturating else VANISHED):
        yield vanished(story, depths, typical)
    elif typical > EXPLODED and not clipped(story):
        yield exploded(story, depths, typical)


def depths_of(one: Pass) -> Depths | None:
    """The norms that arrive at the nodes through which weights get their gradients; None for a shallow pass."""
    nodes: list[BackwardEvent] = []
    norms: list[float] = []
    for node in one.nodes:
        if not any(len(edge.downstream.shape) >= 2 for edge in node.edges if edge.downstream is not None):
            continue
        if node.op not in WEIGHTED:
            continue
        norm = norm_of(next((value for value in node.upstream if value is not None), None))
        if norm is not None and norm > 0 and np.isfinite(norm):
            nodes.append(node)
            norms.append(norm)
    return Depths(one, nodes, norms) if len(nodes) >= DEEP else None


def vanished(story: Story, depths: list[Depths], ratio: float) -> Finding:
    depth = depths[-1]
    event, node = steepest(story, depth.one, shrinking=True)
    passes = told(len(depths), "pass", "passes")
    return Finding(
        Level.WARNING,
        f"The gradient vanishes on its way back: of {figure(depth.norms[0])} at the last of {len(depth.norms)} layers"
        f" {figure(depth.norms[-1])} is left at the first, a factor of {figure(ratio)} in {passes}; most is lost in"
        f" {what(event, node)}.",
        "Use ReLU-like activations, normalisation or residual connections, and an initialisation to match.",
        line(event, node),
        (*((event.position,) if event is not None else ()), depth.nodes[0].position, depth.nodes[-1].position),
        f"{figure(depth.norms[0])} → {figure(depth.norms[-1])}",
        (Related(depth.one.source, "the backward pass"),),
    )


def exploded(story: Story, depths: list[Depths], ratio: float) -> Finding:
    depth = depths[-1]
    event, node = steepest(story, depth.one, shrinking=False)
    return Finding(
        Level.WARNING,
        f"The gradient explodes on its way back: {figure(depth.norms[0])} at the last of {len(depth.norms)} layers is"
        f" {figure(depth.norms[-1])} at the first, a factor of {figure(ratio)}; most of it in {what(event, node)}.",
        "Scale the weights down (initialisation), normalise between the layers, or clip the gradients.",
        line(event, node),
        (*((event.position,) if event is not None else ()), depth.nodes[0].position, depth.nodes[-1].position),
        f"{figure(depth.norms[0])} → {figure(depth.norms[-1])}",
        (Related(depth.one.source, f"the backward pass on {at(depth.one.source)}"),),
    )


def steepest(story: Story, one: Pass, *, shrinking: bool) -> tuple[ForwardEvent | None, BackwardEvent]:
    """The op, over all its runs in a pass, that changes the norm most in this direction."""
    factors: dict[str, float] = {}
    example: dict[str, BackwardEvent] = {}
    for node in one.nodes:
        arriving = max((norm_of(value) or 0.0 for value in node.upstream), default=0.0)
        through = [norm_of(e.downstream) or 0.0 for e in node.edges if e.to is not None and "node" in e.to]
        if arriving > 0 and through and max(through) > 0:
            factor = float(np.log(max(through) / arriving))
            factors[node.op] = factors.get(node.op, 0.0) + (-factor if shrinking else factor)
            example[node.op] = node
    node = example[max(factors, key=lambda op: factors[op])] if factors else one.nodes[0]
    twin = None if node.forward is None else story.event(node.forward)
    whole = story.event(twin.parent) if isinstance(twin, ForwardEvent) and twin.parent is not None else twin
    return (whole if isinstance(whole, ForwardEvent) else None), node


def what(event: ForwardEvent | None, node: BackwardEvent) -> str:
    return node.op if event is None else f"`{event.op}` ({described(event)} on {at(event.source)})"


def line(event: ForwardEvent | None, node: BackwardEvent) -> Source | None:
    return node.source if event is None else event.source


def clipped(story: Story) -> bool:
    """Whether the gradients are clipped, so that an explosion does no harm."""
    return any(
        isinstance(act, GradWriteEvent) and act.by.startswith("clip")
        for leaf in story.leaves.values()
        for act in leaf.acts
    )


RULE = Rule("gradient-scale", "gradients vanish or explode through the layers", look)
