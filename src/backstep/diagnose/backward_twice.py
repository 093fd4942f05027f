"""A backward pass runs over a graph that an earlier pass has freed, or had retained for it to run again."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from backstep.diagnose.finding import Finding, Level, NotLooked, Related, Rule
from backstep.diagnose.lineage import carried_over
from backstep.diagnose.story import Pass, Story, line_of, uses_gradient
from backstep.diagnose.wording import at, size
from backstep.trace.event import UpdateEvent

FREED = "Trying to backward through the graph a second time"


def look(story: Story) -> Iterator[Finding | NotLooked]:
    yield from doubled(story)
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


def doubled(story: Story) -> Iterator[Finding]:
    """The same loss run backward twice, with the graph retained: an update then uses twice its gradient."""
    seen: set[tuple[str, int] | None] = set()
    for one, other in pairwise(story.finished):
        if not (one.contributions and other.contributions and same_root(one, other)) or line_of(other.start) in seen:
            continue
        first = one.contributions[0]
        again = next((act for act in other.contributions if act.number == first.number), None)
        acts = story.leaves[first.number].acts
        used = again is not None and not again.fresh and any(
            isinstance(act, UpdateEvent) and uses_gradient(act) and act.position > again.position for act in acts
        )
        if again is not None and used and plain(one) and plain(other):
            seen.add(line_of(other.start))
            yield Finding(
                Level.WARNING,
                f"{one.start.roots[0].name} is run backward a second time: {first.tensor} gets the same gradient twice,"
                " and the update that follows uses the double of it.",
                "Run one backward pass for each loss.",
                other.source,
                (one.start.position, other.start.position, again.position),
                f"{first.tensor}.grad = {size(again.before)} + {size(again.arrived)}",
                (Related(one.source, "the first pass"),),
            )


def plain(one: Pass) -> bool:
    """Whether a pass starts from a single number, with nothing but 1."""
    return one.loss is not None and all(seed is None or seed.scalar == 1 for seed in one.start.seeds)


def same_root(one: Pass, other: Pass) -> bool:
    return {value.tensor for value in one.start.roots} == {value.tensor for value in other.start.roots}


def earlier_pass(story: Story, failed: Pass) -> Pass | None:
    """The last pass that ran a node which this one leads to."""
    leads_to = {edge.to["node"] for node in failed.nodes for edge in node.edges if edge.to and "node" in edge.to}
    for one in reversed(story.passes):
        if one is not failed and (same_root(one, failed) or leads_to & {node.node for node in one.nodes}):
            return one
    return None


RULE = Rule("backward-twice", "a backward pass runs over a graph for the second time", look)
