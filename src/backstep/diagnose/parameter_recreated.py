"""A parameter is made anew in every iteration: each copy gets one gradient, and what was learnt is thrown away."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from backstep.diagnose.finding import Finding, Level, NotLooked, Rule
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
        made = story.maker(leaf.number, leaf.uses[0])
        line = None if made is None else line_of(made)
        if made is not None and line is not None and made.iteration is not None and not made.inputs:
            by_line[line].append((made, leaf))
    for births in by_line.values():
        if len({event.iteration for event, _ in births}) >= ENOUGH:
            yield found(births)


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
    return bool(leaf.uses) and len(leaf.contributions) == 1 and not leaf.writes and not looked_at


RULE = Rule("parameter-recreated", "a parameter is made anew in every iteration", look)
