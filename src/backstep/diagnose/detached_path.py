"""Parameters that a model uses, and its optimizer was given, get no gradient: the way to them is cut by an op."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from backstep.diagnose.finding import Finding, Level, NotLooked, Related, Rule
from backstep.diagnose.lineage import described
from backstep.diagnose.no_gradient import fix_of, why_of
from backstep.diagnose.story import Leaf, Story
from backstep.diagnose.wording import at, listed
from backstep.trace.event import ForwardEvent, Source

ENOUGH = 2
COPIES = frozenset({"data", "detach", "clone", "copy_", "mul", "mul_", "lerp", "lerp_"})
REACH = 400
"""Ops that are followed from a parameter towards the loss."""


def look(story: Story) -> Iterator[Finding | NotLooked]:
    stepped = [leaf for leaf in story.trained.values() if ".step" in leaf.updates[0].by]
    if not stepped or len(story.finished) < ENOUGH:
        return
    by_cut: defaultdict[int, list[Leaf]] = defaultdict(list)
    for leaf in story.leaves.values():
        if leaf.contributions or leaf.updates or leaf.number not in story.held:
            continue
        uses = [use for use in leaf.uses if in_training(story, use)]
        if len(uses) < ENOUGH or any(write.position > uses[0] for write in leaf.writes):
            continue  # not part of the training, or kept up in another way (a moving average)
        cut = cut_after(story, uses[0])
        if cut is not None:
            by_cut[cut.position].append(leaf)
    first_cut: dict[Source | None, int] = {}
    for position in sorted(by_cut):
        first_cut.setdefault(story.event(position).source, position)
    for position in first_cut.values():
        event = story.event(position)
        if isinstance(event, ForwardEvent):
            yield found(story, event, by_cut[position], stepped[0])


def in_training(story: Story, use: int) -> bool:
    """Whether the leaf is computed with in an iteration; copying it is no use."""
    event = story.event(use)
    return event.iteration is not None and isinstance(event, ForwardEvent) and event.op not in COPIES


def cut_after(story: Story, use: int) -> ForwardEvent | None:
    """The op after the use of a leaf that takes something with a graph and gives something without.

    The first on the way to the loss; else, where plain numbers are on the way, the first of all.
    """
    first, behind = None, behind_loss(story, use)
    for event in cuts_after(story, use):
        if event.position in behind:
            return event
        first = first or event
    return first


def cuts_after(story: Story, use: int) -> Iterator[ForwardEvent]:
    todo, seen = [use], set[int]()
    while todo and len(seen) < REACH:
        position = todo.pop(0)
        event = story.event(position)
        if position in seen or not isinstance(event, ForwardEvent):
            continue
        seen.add(position)
        if not any(value.requires_grad for value in event.outputs):
            yield event
            continue
        for value in event.outputs:
            todo += [reader for reader in story.readers[value.tensor] if reader > position]


def behind_loss(story: Story, use: int) -> set[int]:
    """The ops that the roots of the next pass were computed by."""
    following = next((one for one in story.finished if one.start.position > use), None)
    if following is None:
        return set()
    at = following.start.position
    return {event.position for root in following.start.roots for event in story.ancestors(root, at)}


def found(story: Story, cut: ForwardEvent, leaves: list[Leaf], trained: Leaf) -> Finding:
    step = trained.updates[0]
    return Finding(
        Level.ERROR,
        f"{listed(leaf.name for leaf in leaves)} never get a gradient: {described(cut)} cuts the way from the loss to"
        f" them ({why_of(cut)}), while {at(step.source)} trains the rest.",
        fix_of(cut),
        cut.source,
        (leaves[0].uses[0], cut.position, step.position),
        related=(Related(story.event(leaves[0].uses[0]).source, f"uses {leaves[0].name}"),),
    )


RULE = Rule("detached-path", "an op cuts the way of the gradient to parameters that are to be trained", look)
