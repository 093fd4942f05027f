"""A tensor carries its graph from one iteration into the next: the pass raises, or it grows with every iteration."""

from __future__ import annotations

from collections.abc import Iterator

from backstep.diagnose.backward_twice import FREED
from backstep.diagnose.finding import Finding, Level, NotLooked, Related, Rule
from backstep.diagnose.inplace_modification import OVERWRITTEN
from backstep.diagnose.leaf_replaced import replacements
from backstep.diagnose.lineage import carried_over, described
from backstep.diagnose.story import Pass, Story
from backstep.diagnose.wording import told

RAISES = {
    FREED: "which an earlier pass has freed",
    OVERWRITTEN: "which holds parameters as they were before the last update",
}
"""How a pass fails that runs into the graph of an earlier iteration, by what the exception says."""
GROWING = 4
"""Passes in a row, each reaching further back than the one before, that show a graph which is never cut."""


def look(story: Story) -> Iterator[Finding | NotLooked]:
    crash = story.crash
    why = next((why for part, why in RAISES.items() if crash is not None and part in crash.message), None)
    if crash is not None and why is not None and story.passes:
        failed = story.passes[-1]
        yield from carried(story, failed, (failed.start.position, crash.position), f"{why}: the pass raises")
        return
    growing = growing_passes(story)
    if growing and next(replacements(story), None) is None:
        last = growing[-1]
        evidence = tuple(one.start.position for one in growing[-GROWING:])
        length = told(len(last.nodes), "node")
        yield from carried(story, last, evidence, f"so every pass is longer than the one before ({length} by now)")


def carried(story: Story, one: Pass, evidence: tuple[int, ...], so: str) -> Iterator[Finding]:
    found = carried_over(story, one)
    if found is not None:
        yield Finding(
            Level.ERROR,
            f"{found.value.name} comes into iteration {found.event.iteration} with the graph of iteration"
            f" {found.made.iteration} behind it, {so}.",
            f"Cut the graph between iterations: {found.value.name} = {found.value.name}.detach().",
            found.event.source,
            (found.event.position, *evidence),
            related=(Related(found.made.source, f"made here, by {described(found.made)}"),),
        )


def growing_passes(story: Story) -> list[Pass]:
    """The passes up to the last one that reach back over more and more iterations; none if they do not."""
    passes = [one for one in story.finished if one.start.api == "backward" and not one.start.create_graph]
    growing: list[Pass] = []
    shortest = 1 << 30
    for one in reversed(passes):
        reach = reached_back(story, one)
        if reach >= shortest or reach == 0:
            break
        growing.append(one)
        shortest = reach
    return growing[::-1] if len(growing) >= GROWING else []


def reached_back(story: Story, one: Pass) -> int:
    """How many earlier iterations made nodes that this pass ran."""
    iteration = one.start.iteration
    made = {story.trace.iteration_at(node.forward) for node in one.nodes if node.forward is not None}
    return 0 if iteration is None else sum(1 for number in made if number is not None and number < iteration)


RULE = Rule("graph-across-iterations", "a graph is carried from iteration to iteration", look)
