"""`w = w - lr * w.grad`: the name is bound to a new tensor, which is no leaf; the leaf itself is never updated."""

from __future__ import annotations

from collections.abc import Iterator

from backstep.diagnose.finding import Finding, Level, NotLooked, Rule
from backstep.diagnose.story import Leaf, Story
from backstep.trace.event import ForwardEvent

STEPS = frozenset({"sub", "add", "addcmul", "addcdiv", "lerp"})


def look(story: Story) -> Iterator[Finding | NotLooked]:
    by_line: dict[int, list[tuple[ForwardEvent, Leaf]]] = {}
    for event, leaf in replacements(story):
        by_line.setdefault(event.source.line if event.source else 0, []).append((event, leaf))
    for replaced in by_line.values():
        event, leaf = replaced[0]
        how = "is a step in the graph, no leaf: its .grad stays None" if event.grad_enabled else "needs no gradient"
        yield Finding(
            Level.ERROR,
            f"The update of {leaf.name} makes a new tensor instead of changing the leaf; what is called {leaf.name}"
            f" from here on {how}.",
            f"Change the leaf in place, without grad mode: `with torch.no_grad(): {leaf.name} -= ...`.",
            event.source,
            tuple(event.position for event, _ in replaced[:3]),
        )


def replacements(story: Story) -> Iterator[tuple[ForwardEvent, Leaf]]:
    """The ops that took a leaf and something made of its gradient, and gave what is used in the leaf's place."""
    for event in story.forwards:
        if event.op not in STEPS or event.parent is not None or not event.outputs or event.inplace:
            continue
        leaf = next((story.leaves[one.tensor] for one in event.inputs if one.tensor in story.leaves), None)
        if leaf is None or leaf.updates or not from_gradient(story, event, leaf):
            continue
        result = event.outputs[0]
        used = [at for at in story.readers[result.tensor] if at > event.position]
        if used and not used_as_leaf(story, result.tensor, used) and stands_for(story, leaf, event):
            yield event, leaf


def from_gradient(story: Story, event: ForwardEvent, leaf: Leaf) -> bool:
    """Whether one of the op's inputs was made of the leaf's `.grad`."""
    for value in event.inputs:
        if story.trace.grads.get(value.tensor) == leaf.number:
            return True
        made = story.maker(value.tensor, event.position)
        if made is not None and any(story.trace.grads.get(one.tensor) == leaf.number for one in made.inputs):
            return True
    return False


def used_as_leaf(story: Story, tensor: int, used: list[int]) -> bool:
    """Whether the result was made a leaf of its own, as a functional style has it (`.requires_grad_()`)."""
    for position in used:
        event = story.event(position)
        inputs = event.inputs if isinstance(event, ForwardEvent) else ()
        if any(value.tensor == tensor and value.leaf and value.requires_grad for value in inputs):
            return True
        if isinstance(event, ForwardEvent) and event.op in ("detach", "clone", "data", "copy_", "set_"):
            return True
    return False


def stands_for(story: Story, leaf: Leaf, event: ForwardEvent) -> bool:
    """Whether the leaf itself is not used in a forward pass any more."""
    return not any(position > event.position for position in leaf.uses)


RULE = Rule("leaf-replaced", "an update binds a new tensor instead of changing the leaf", look)
