"""A bootstrapped target, the best of the same network's own outputs, is differentiated as well."""

from __future__ import annotations

from collections.abc import Iterator

from backstep.diagnose.finding import Finding, Level, NotLooked, Related, Rule
from backstep.diagnose.lineage import described
from backstep.diagnose.story import Story, line_of
from backstep.diagnose.wording import at
from backstep.trace.event import ForwardEvent, Value

LOSSES = frozenset("mse_loss smooth_l1_loss huber_loss l1_loss".split())
BEST = frozenset({"max", "amax", "maximum"})
NEAR = 12
"""The best output is so few differentiable ops away from the target."""


def look(story: Story) -> Iterator[Finding | NotLooked]:
    seen: set[tuple[str, int] | None] = set()
    for event in story.forwards:
        if event.op not in LOSSES or event.parent is not None or line_of(event) in seen or len(event.inputs) < 2:
            continue
        value, target = event.inputs[:2]
        if not (value.requires_grad and target.requires_grad):
            continue
        best = best_behind(story, target, event.position)
        if best is not None and leaves_behind(story, value, event) & leaves_behind(story, target, event):
            seen.add(line_of(event))
            made = story.maker(target.tensor, event.position) or best
            yield Finding(
                Level.WARNING,
                f"The target {target.name} of the loss on {at(event.source)} comes from {described(best)}, an output of"
                f" the network that is trained, and the gradient flows into it too: the target follows the prediction.",
                "Compute the target under torch.no_grad(), or detach it.",
                made.source,
                (best.position, event.position),
                related=(Related(event.source, "the loss that differentiates its target"),),
            )


def best_behind(story: Story, target: Value, before: int) -> ForwardEvent | None:
    for count, event in enumerate(story.ancestors(target, before, limit=NEAR, differentiable=True)):
        if event.op in BEST and event.outputs and event.outputs[0].requires_grad:
            return event
        if count >= NEAR:
            break
    return None


def leaves_behind(story: Story, value: Value, event: ForwardEvent) -> set[int]:
    """The leaves that a value was computed from."""
    behind = story.ancestors(value, event.position, limit=200, differentiable=True)
    return {one.tensor for made in behind for one in made.inputs if one.leaf and one.requires_grad}


RULE = Rule("target-not-detached", "a bootstrapped target is differentiated", look)
