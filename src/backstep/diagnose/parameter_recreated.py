"""A parameter is made anew in every iteration: each copy gets one gradient, and what was learnt is thrown away."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from backstep.diagnose.finding import Finding, Level, NotLooked, Rule
from backstep.diagnose.magnitude import moved
from backstep.diagnose.story import Leaf, Story, line_of
from backstep.diagnose.wording import told
from backstep.trace.event import Event, ForwardEvent

ENOUGH = 3


def look(story: Story) -> Iterator[Finding | NotLooked]:
    by_line: defaultdict[tuple[str, int], list[tuple[Event, Leaf]]] = defaultdict(list)
    asked = {value.tensor for one in story.passes for value in one.start.inputs or ()}
    for leaf in story.leaves.values():
        if leaf.number in asked or not thrown_away(leaf):
            continue
        made = leaf.writes[0] if leaf.writes else story.maker(leaf.number, leaf.uses[0])
        line = None if made is None else line_of(made)
        given = isinstance(made, ForwardEvent) and made.inputs
        if made is not None and line is not None and made.iteration is not None and not given:
            by_line[line].append((made, leaf))
    for births in by_line.values():
        if len({event.iteration for event, _ in births}) >= ENOUGH and start_alike(births):
            yield found(births)


def start_alike(births: list[tuple[Event, Leaf]]) -> bool:
    """Whether the copies are a parameter's: initialised by a layer, or all with the same numbers. Data differ."""
    if all(leaf.writes for _, leaf in births):
        return True
    made = [event.outputs[0] for event, _ in births if isinstance(event, ForwardEvent) and event.outputs]
    return len(made) == len(births) and all(moved(made[0], other) == 0 for other in made[1:])


def found(births: list[tuple[Event, Leaf]]) -> Finding:
    event, leaf = births[0]
    return Finding(
        Level.WARNING,
        f"{leaf.name} is made anew {told(len(births), 'time')}, in every iteration: each copy gets a gradient that"
        " nothing uses.",
        "Make the parameter once, before the loop (in __init__), and give it to the optimizer.",
        event.source,
        tuple(one.position for one, _ in births[:3]),
    )


def thrown_away(leaf: Leaf) -> bool:
    """Whether a leaf got its one gradient and neither was updated by it nor was it looked at."""
    looked_at = any(isinstance(act, ForwardEvent) for act in leaf.acts)
    if len(leaf.contributions) != 1 or not leaf.uses or looked_at or leaf.measured:
        return False
    return not any(write.position > leaf.contributions[0].position for write in leaf.writes)


RULE = Rule("parameter-recreated", "a parameter is made anew in every iteration", look)
