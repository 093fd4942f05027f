"""Two optimizer steps use the same gradient: no backward pass ran in between."""

from __future__ import annotations

from collections.abc import Iterator

from backstep.diagnose.finding import Finding, Level, NotLooked, Related, Rule
from backstep.diagnose.story import Leaf, Story, line_of
from backstep.diagnose.wording import at, listed, size, told
from backstep.trace.event import AccumulateEvent, UpdateEvent

ENOUGH = 2


def look(story: Story) -> Iterator[Finding | NotLooked]:
    by_line: dict[tuple[str, int] | None, list[tuple[Leaf, list[tuple[UpdateEvent, UpdateEvent]]]]] = {}
    for leaf in story.trained.values():
        again = [pair for pair in repeated(leaf) if pair[0].by == pair[1].by]
        if len(again) >= ENOUGH:
            by_line.setdefault(line_of(again[0][1]), []).append((leaf, again))
    for found in by_line.values():
        leaf, again = found[0]
        one, other = again[0]
        yield Finding(
            Level.WARNING,
            f"This step uses the gradient of {listed(name.name for name, _ in found)} that the step on {at(one.source)}"
            f" has used already, {told(len(again), 'time')}: no backward pass has run in between.",
            "Step once for each backward pass.",
            other.source,
            (one.position, other.position),
            f"{leaf.name}.grad = {size(other.grad)}, again",
            (Related(one.source, "the first step with this gradient"),),
        )


def repeated(leaf: Leaf) -> Iterator[tuple[UpdateEvent, UpdateEvent]]:
    """Pairs of optimizer steps with nothing done to the gradient in between."""
    last: UpdateEvent | None = None
    for act in leaf.acts:
        if isinstance(act, UpdateEvent) and ".step" in act.by:
            if last is not None:
                yield last, act
            last = act
        elif isinstance(act, AccumulateEvent) or not isinstance(act, UpdateEvent):
            last = None


RULE = Rule("gradient-used-twice", "two steps use the same gradient", look)
