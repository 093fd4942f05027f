"""Gradients of several batches are added for one update, each of a mean that was not divided by their number."""

from __future__ import annotations

from collections.abc import Iterator

from backstep.diagnose.finding import Finding, Level, NotLooked, Rule
from backstep.diagnose.story import Leaf, Story, line_of, uses_gradient
from backstep.diagnose.wording import at
from backstep.trace.event import AccumulateEvent, ForwardEvent, UpdateEvent, ZeroGradEvent

MEANS = frozenset("mean mse_loss cross_entropy nll_loss l1_loss smooth_l1_loss binary_cross_entropy huber_loss".split())
ENOUGH = 2


def look(story: Story) -> Iterator[Finding | NotLooked]:
    for leaf in story.trained.values():
        held = held_at_updates(leaf)
        counts = {len(contributions) for contributions in held}
        same_line = all(len({line_of(one) for one in contributions}) == 1 for contributions in held)
        if len(held) < ENOUGH or len(counts) != 1 or counts <= {0, 1} or not same_line:
            continue
        first = held[0][0]
        one = next((p for p in story.finished if any(act is first for act in p.contributions)), None)
        root = one.start.roots[0] if one is not None and one.start.roots else None
        made = None if root is None or one is None else story.maker(root.tensor, one.start.position)
        if isinstance(made, ForwardEvent) and made.op in MEANS and one is not None:
            count = counts.pop()
            yield Finding(
                Level.NOTE,
                f"Each update uses the sum of {count} passes, and each pass's loss is a mean that was not divided by"
                f" {count}: the step is {count} times that of one large batch.",
                f"Divide the loss by {count} before the backward pass, if the mean over all of them is meant.",
                made.source,
                (first.position, held[0][-1].position),
                f"{count} passes on {at(first.source)}",
            )
        return


def held_at_updates(leaf: Leaf) -> list[list[AccumulateEvent]]:
    """What was in the gradient at each update."""
    held: list[AccumulateEvent] = []
    at_updates: list[list[AccumulateEvent]] = []
    for act in leaf.acts:
        match act:
            case AccumulateEvent():
                held = [act] if act.fresh else [*held, act]
            case ZeroGradEvent():
                held = []
            case UpdateEvent() if uses_gradient(act) and held:
                at_updates.append(held)
    return at_updates


RULE = Rule("unscaled-accumulation", "accumulated gradients are a sum of means", look)
