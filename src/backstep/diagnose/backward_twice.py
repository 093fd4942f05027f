"""A backward pass runs over a graph that an earlier pass has freed."""

from __future__ import annotations

from collections.abc import Iterator

from backstep.diagnose.finding import Finding, Level, NotLooked, Related, Rule
from backstep.diagnose.lineage import carried_over
from backstep.diagnose.story import Pass, Story
from backstep.diagnose.wording import at

FREED = "Trying to backward through the graph a second time"


def look(story: Story) -> Iterator[Finding | NotLooked]:
    crash = story.crash
    if crash is None or FREED not in crash.message or not story.passes:
        return
    failed = story.passes[-1]
    if carried_over(story, failed) is not None:
        return  # `graph-across-iterations` tells it
    earlier = earlier_pass(story, failed)
    same = earlier is None or same_root(earlier, failed)
    what = "the same graph is run backward twice" if same else "this pass goes through a part of an earlier one's graph"
    freed = "" if earlier is None else f", and the pass on {at(earlier.source)} has freed what was saved in it"
    yield Finding(
        Level.ERROR,
        f"{what[0].upper()}{what[1:]}{freed}.",
        "Add the losses and run one backward pass, or give the first pass retain_graph=True.",
        failed.source,
        (*((earlier.start.position,) if earlier is not None else ()), failed.start.position, crash.position),
        related=() if earlier is None else (Related(earlier.source, "the first pass, which frees the graph"),),
    )


def same_root(one: Pass, other: Pass) -> bool:
    return {value.tensor for value in one.start.roots} == {value.tensor for value in other.start.roots}


def earlier_pass(story: Story, failed: Pass) -> Pass | None:
    """The last pass that ran a node which this one leads to."""
    leads_to = {edge.to["node"] for node in failed.nodes for edge in node.edges if edge.to and "node" in edge.to}
    for one in reversed(story.passes):
        if one is not failed and (same_root(one, failed) or leads_to & {node.node for node in one.nodes}):
            return one
    return None


RULE = Rule("backward-twice", "a backward pass runs over a graph that was freed", look)
