"""A loss that treats its two sides differently is given the target first and the prediction second."""

from __future__ import annotations

from collections.abc import Iterator

from backstep.diagnose.finding import Finding, Level, NotLooked, Rule
from backstep.diagnose.lineage import described
from backstep.diagnose.story import Story, line_of

SIDED = frozenset("kl_div binary_cross_entropy binary_cross_entropy_with_logits cross_entropy poisson_nll_loss".split())


def look(story: Story) -> Iterator[Finding | NotLooked]:
    seen: set[tuple[str, int] | None] = set()
    for event in story.forwards:
        if event.op not in SIDED or event.parent is not None or not event.grad_enabled or len(event.inputs) < 2:
            continue
        given, target = event.inputs[:2]
        if target.requires_grad and not given.requires_grad and line_of(event) not in seen:
            seen.add(line_of(event))
            yield Finding(
                Level.ERROR,
                f"In {described(event)} the prediction {target.name} stands where `{event.op}` takes the target, and"
                f" {given.name}, which needs no gradient, where it takes the prediction.",
                f"Swap them: {event.op}({target.name}, {given.name}).",
                event.source,
                (event.position,),
            )


RULE = Rule("loss-arguments-swapped", "prediction and target have changed places in the loss", look)
