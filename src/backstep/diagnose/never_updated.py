"""Backward passes deliver gradients, an optimizer is there, and not one parameter is ever updated."""

from __future__ import annotations

from collections.abc import Iterator

from backstep.diagnose.finding import Finding, Level, NotLooked, Related, Rule
from backstep.diagnose.magnitude import is_nonzero
from backstep.diagnose.script_text import optimizers_in_text
from backstep.diagnose.story import Leaf, Story
from backstep.diagnose.wording import at, listed, size, told
from backstep.trace.event import ForwardEvent, ZeroGradEvent

ENOUGH = 3


def look(story: Story) -> Iterator[Finding | NotLooked]:
    waiting = [leaf for leaf in story.leaves.values() if waits(leaf)]
    made = optimizers_in_text(story)
    if story.trained or not waiting or not made:
        return
    first = waiting[0]
    cleared = any(isinstance(act, ZeroGradEvent) for act in first.acts)
    passes = told(len(first.contributions), "backward pass", "backward passes")
    names = listed(leaf.name for leaf in waiting)
    evidence = tuple(act.position for act in first.contributions[:3])
    numbers = f"{first.name}.grad = {size(first.contributions[-1].after)}, never used"
    here = Related(first.contributions[0].source, "the backward pass whose gradients nothing uses")
    if not story.trace.steps:
        yield Finding(
            Level.ERROR,
            f"{passes} delivered gradients to {names}, and no update follows: the optimizer's step is never called.",
            "Call optimizer.step() after the backward pass.",
            first.contributions[0].source,
            evidence,
            numbers,
            (Related(made[0], "the optimizer"),),
        )
    elif not cleared and not any(leaf.number in story.held for leaf in waiting):
        yield Finding(
            Level.ERROR,
            f"{passes} delivered gradients to {names}, and the optimizer made on {at(made[0])} neither clears nor uses"
            " them: it holds other tensors than those that the model computes with.",
            "Build the optimizer after the model has got its last parameters (and its device).",
            made[0],
            evidence,
            numbers,
            (here,),
        )


def waits(leaf: Leaf) -> bool:
    """Whether gradients keep arriving at a leaf that was neither changed nor looked at since the first."""
    arrived = [act for act in leaf.contributions if is_nonzero(act.arrived)]
    if len(arrived) < ENOUGH or any(isinstance(act, ForwardEvent) for act in leaf.acts):
        return False
    return not any(write.position > arrived[0].position for write in leaf.writes)


RULE = Rule("never-updated", "gradients are delivered and nothing is ever updated", look)
