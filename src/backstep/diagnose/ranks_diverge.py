"""The processes of one training part: what a collective made equal on every rank is not equal any more."""

from __future__ import annotations

from collections.abc import Iterator

from backstep.diagnose.finding import Finding, Level, NotLooked, Related, Rule
from backstep.diagnose.story import Story
from backstep.diagnose.wording import figure
from backstep.trace.ranks import first_divergence, name_of


def look(story: Story) -> Iterator[Finding | NotLooked]:
    """One finding: what parts first makes the rest part."""
    traces = [story.trace, *story.others]
    found = first_divergence(traces) if len(traces) > 1 else None
    if found is None:
        return
    one, other = (traces[rank] for rank in found.ranks)
    here, there = found.positions
    what = f"`{found.leaf}.grad`" if found.kind == "grad_write" else f"`{found.leaf}`"
    by = "" if found.largest is None else f", by up to {figure(found.largest)}"
    yield Finding(
        Level.ERROR,
        f"{what} is the same on every rank until iteration {found.iteration}; there, at #{here} of {name_of(one)} "
        f"and #{there} of {name_of(other)}, it is not{by}.",
        "Do the same on every rank: reduce every gradient, seed random numbers alike where they must agree, and "
        "change parameters on no rank alone.",
        story.trace.source_at(here),
        (here,),
        related=(Related(other.source_at(there), f"the line on {name_of(other)}"),),
    )


RULE = Rule("ranks-diverge", "ranks that reduce their gradients have different parameters", look)
