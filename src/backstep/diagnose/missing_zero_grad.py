"""A leaf's `.grad` still holds what an earlier update has used already, and the next update uses it again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from backstep.diagnose.finding import Finding, Level, NotLooked, Related, Rule
from backstep.diagnose.story import Leaf, Story, line_of, uses_gradient
from backstep.diagnose.wording import listed, size, told
from backstep.trace.event import AccumulateEvent, GradWriteEvent, UpdateEvent, ZeroGradEvent

CHANGES_IN_PLACE = frozenset({"clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "unscale_"})
"""Gradient writes that leave an old gradient as old as it was; any other one after an update is meant as a decay."""


@dataclass(slots=True)
class Reuse:
    """What one leaf's acts show: the accumulations onto a used gradient, and where it was emptied."""

    leaf: Leaf
    onto_used: list[AccumulateEvent] = field(default_factory=list)
    updates: int = 0
    emptied: list[ZeroGradEvent] = field(default_factory=list)

    @property
    def habitual(self) -> bool:
        """Not once, as where a loop begins, but as a rule."""
        return len(self.onto_used) > 0 and 2 * len(self.onto_used) >= self.updates - 1


def reuse_of(leaf: Leaf) -> Reuse:
    """Follows the gradient of a leaf: what it holds, and how much of that an update has used before."""
    reuse = Reuse(leaf)
    held: list[AccumulateEvent] = []
    used = 0
    for act in leaf.acts:
        match act:
            case AccumulateEvent():
                if act.fresh:
                    held, used = [], 0
                held.append(act)
            case ZeroGradEvent():
                held, used = [], 0
                reuse.emptied.append(act)
            case GradWriteEvent() if used == len(held) and act.by not in CHANGES_IN_PLACE:
                held, used = [], 0
            case UpdateEvent() if uses_gradient(act):
                reuse.updates += 1
                if 0 < used < len(held):
                    reuse.onto_used.append(held[-1])
                used = len(held)
    return reuse


def look(story: Story) -> Iterator[Finding | NotLooked]:
    """One finding for each line whose backward pass adds to used gradients."""
    by_line: dict[tuple[str, int] | None, list[Reuse]] = {}
    for leaf in story.trained.values():
        reuse = reuse_of(leaf)
        if reuse.habitual:
            by_line.setdefault(line_of(reuse.onto_used[0]), []).append(reuse)
    for reuses in by_line.values():
        yield found(reuses)


def found(reuses: list[Reuse]) -> Finding:
    first = reuses[0].onto_used[0]
    emptied = [act for reuse in reuses for act in reuse.emptied]
    names = listed(reuse.leaf.name for reuse in reuses)
    times = told(max(len(reuse.onto_used) for reuse in reuses), "more time", "more times")
    numbers = f"{first.tensor}.grad = {size(first.before)} (used) + {size(first.arrived)}"
    if emptied:
        return Finding(
            Level.ERROR,
            f"The gradient of {names} is zeroed too rarely: updates use again what earlier updates have used, {times}.",
            "Zero the gradients once for each update: move optimizer.zero_grad() to where the backward pass is.",
            emptied[0].source,
            (first.position, emptied[0].position, *(act.position for act in reuses[0].onto_used[1:3])),
            numbers,
            (Related(first.source, "adds to a gradient that was used already"),),
        )
    return Finding(
        Level.ERROR,
        f"The gradient of {names} is never zeroed: this pass adds to what an earlier update has used already, {times}.",
        "Call optimizer.zero_grad() before each backward pass, or after each update.",
        first.source,
        tuple(act.position for act in reuses[0].onto_used[:3]),
        numbers,
    )


RULE = Rule("missing-zero-grad", "gradients of earlier iterations are used again by later updates", look)
