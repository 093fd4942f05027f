"""What a backward pass delivered is cleared before any update has used it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from backstep.diagnose.finding import Finding, Level, NotLooked, Related, Rule
from backstep.diagnose.magnitude import is_nonzero, is_zero
from backstep.diagnose.story import Leaf, Story, line_of, uses_gradient
from backstep.diagnose.wording import at, listed, size, told
from backstep.trace.event import AccumulateEvent, ForwardEvent, UpdateEvent, ZeroGradEvent

HABIT = 3
"""So often it must happen: a step that is skipped now and then is no fault."""


@dataclass(slots=True)
class Fate:
    """What became of the contributions that one line's passes made to a leaf."""

    leaf: Leaf
    lost: list[tuple[AccumulateEvent, ZeroGradEvent]] = field(default_factory=list)
    used: int = 0


def passes_of_use(story: Story) -> set[int]:
    """The contributions of passes that served some leaf: what they left elsewhere is rightly cleared.

    An attack's pass is run for the gradient of its input, a generator's for the generator.
    """
    used = {one.position for leaf in story.leaves.values() for one in used_contributions(leaf)}
    serving = (one for one in story.finished if any(act.position in used for act in one.contributions))
    return {act.position for one in serving for act in one.contributions}


def used_contributions(leaf: Leaf) -> Iterator[AccumulateEvent]:
    held: list[AccumulateEvent] = []
    for act in leaf.acts:
        if isinstance(act, AccumulateEvent):
            held.append(act)
        elif isinstance(act, ZeroGradEvent):
            held = []
        elif isinstance(act, ForwardEvent) or (isinstance(act, UpdateEvent) and uses_gradient(act)):
            yield from held
            held = []


def fates_of(leaf: Leaf, serving: set[int]) -> dict[tuple[str, int] | None, Fate]:
    """For each line with a backward pass: how often its contribution was used, or cleared unused."""
    fates: defaultdict[tuple[str, int] | None, Fate] = defaultdict(lambda: Fate(leaf))
    held: list[AccumulateEvent] = []
    for act in leaf.acts:
        match act:
            case AccumulateEvent():
                held.append(act)
            case ZeroGradEvent():
                for one in held:
                    if one.position not in serving and is_nonzero(one.arrived):
                        fates[line_of(one)].lost.append((one, act))
                held = []
            case UpdateEvent() if not uses_gradient(act):
                pass
            case UpdateEvent() | ForwardEvent():
                for one in held:
                    fates[line_of(one)].used += 1
                held = []
    return fates


def look(story: Story) -> Iterator[Finding | NotLooked]:
    serving = passes_of_use(story)
    fates = [fate for leaf in story.leaves.values() for fate in fates_of(leaf, serving).values()]
    by_line: defaultdict[tuple[str, int] | None, list[Fate]] = defaultdict(list)
    for fate in fates:
        if len(fate.lost) >= HABIT and len(fate.lost) > fate.used and harmful(story, fate):
            by_line[line_of(fate.lost[0][1])].append(fate)
    for cleared in by_line.values():
        yield found(cleared)


def harmful(story: Story, fate: Fate) -> bool:
    """Whether the loss was not meant: an update found nothing, or only the last pass of several."""
    if any(update.by.startswith("LBFGS") for update in fate.leaf.updates):
        return False  # it tries several points a step, each with a pass of its own
    if fate.used:
        return True
    empty = [update for update in fate.leaf.writes if ".step" in update.by and is_zero(update.grad)]
    if empty:
        return True
    # A step that finds only None updates nothing, so it leaves no update.
    return not story.trained and fate.leaf.number in story.held


def found(cleared: list[Fate]) -> Finding:
    fate = cleared[0]
    arrived, emptied = fate.lost[0]
    names = listed(one.leaf.name for one in cleared)
    times = told(len(fate.lost), "pass", "passes")
    rest = (
        f"; the updates use only what is left, {fate.used} of {fate.used + len(fate.lost)} contributions"
        if fate.used
        else "; no update ever uses them"
    )
    return Finding(
        Level.ERROR,
        f"The gradients of {names} are cleared here before any update has used them, after {times}{rest}.",
        "Clear the gradients after the update, or before the first backward pass that counts for it.",
        emptied.source,
        (arrived.position, emptied.position, *(zero.position for _, zero in fate.lost[1:3])),
        f"{arrived.tensor}.grad = {size(emptied.before)} → {size(emptied.after)}",
        (Related(arrived.source, f"delivers what is cleared on {at(emptied.source)}"),),
    )


RULE = Rule("zeroed-before-step", "gradients are cleared before an update has used them", look)
