"""What one network's loss left in another's gradients is added to the next update of that other network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from backstep.diagnose.finding import Finding, Level, NotLooked, Related, Rule
from backstep.diagnose.missing_zero_grad import reuse_of
from backstep.diagnose.story import Leaf, Pass, Story, line_of, uses_gradient
from backstep.diagnose.wording import at, listed, size, told
from backstep.trace.event import AccumulateEvent, UpdateEvent, ZeroGradEvent


@dataclass(frozen=True, slots=True)
class Leak:
    """An update with a contribution that another network's step had been meant to use."""

    leaf: Leaf
    foreign: AccumulateEvent
    own: AccumulateEvent
    update: UpdateEvent


def look(story: Story) -> Iterator[Finding | NotLooked]:
    served = {one.start.position: stepped_for(story, one) for one in story.finished}
    passes = {act.position: one for one in story.finished for act in one.contributions}
    by_line: dict[tuple[str, int] | None, list[Leak]] = {}
    for leaf in story.trained.values():
        if reuse_of(leaf).habitual:
            continue  # `missing-zero-grad` tells it: nothing is zeroed at all
        for leak in leaks_of(leaf):
            one = passes.get(leak.foreign.position)
            others = served[one.start.position] if one is not None else set()
            if others and leaf.number not in others:
                by_line.setdefault(line_of(leak.foreign), []).append(leak)
    for leaks in by_line.values():
        if max(sum(leak.leaf is other.leaf for other in leaks) for leak in leaks) >= 2:
            yield found(leaks)


def stepped_for(story: Story, one: Pass) -> set[int]:
    """The leaves that the next step after a pass updated, if it had delivered to them."""
    delivered = {act.number for act in one.contributions}
    for step in story.steps:
        if step[0].position > one.start.position and uses_gradient(step[0]):
            stepped = {update.number for update in step}
            return stepped if stepped & delivered else set()
    return set()


def leaks_of(leaf: Leaf) -> Iterator[Leak]:
    """The updates of a leaf that used contributions of passes on different lines, with none of its own between."""
    held: list[AccumulateEvent] = []
    for act in leaf.acts:
        match act:
            case AccumulateEvent():
                held.append(act)
            case ZeroGradEvent():
                held = []
            case UpdateEvent() if uses_gradient(act):
                foreign = next((one for one in held if held and line_of(one) != line_of(held[-1])), None)
                if foreign is not None:
                    yield Leak(leaf, foreign, held[-1], act)
                held = []


def found(leaks: list[Leak]) -> Finding:
    leak = leaks[0]
    names = listed(one.leaf.name for one in leaks)
    times = told(len({one.update.position for one in leaks if one.leaf is leak.leaf}), "update")
    return Finding(
        Level.WARNING,
        f"This pass, whose step is another network's, also adds to the gradient of {names}, and {times} on"
        f" {at(leak.update.source)} use it together with that of {at(leak.own.source)}.",
        "Zero this network's gradients right before its own backward pass, not only after its step.",
        leak.foreign.source,
        (leak.foreign.position, leak.own.position, leak.update.position),
        f"{leak.leaf.name}.grad gets {size(leak.foreign.arrived)}",
        (Related(leak.own.source, "its own pass"), Related(leak.update.source, "uses the sum of both")),
    )


RULE = Rule("gradient-leak", "one network's loss adds to the gradients that another's update uses", look)
