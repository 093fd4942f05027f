"""A parameter receives gradients, pass after pass, and nothing ever updates it: no optimizer holds it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from backstep.diagnose.finding import Finding, Level, NotLooked, Related, Rule
from backstep.diagnose.magnitude import is_nonzero
from backstep.diagnose.script_text import bound, lines_like, optimizer_made
from backstep.diagnose.story import Leaf, Story
from backstep.diagnose.wording import at, listed, size, told
from backstep.trace.event import Event, ForwardEvent, Source

ENOUGH = 3
"""Passes that delivered to it, and updates that passed it by."""
UNLISTED = re.compile(r"tensor \d+|self\..*|.*\[\d+\].*")
"""What a leaf is called that its module does not list among its parameters."""


def look(story: Story) -> Iterator[Finding | NotLooked]:
    trained = [leaf for leaf in story.trained.values() if len(leaf.updates) >= ENOUGH and leaf.uses]
    if not any(".step" in leaf.updates[0].by for leaf in trained):
        return
    groups: dict[tuple[Level, Source | None], list[Leaf]] = {}
    for leaf in story.leaves.values():
        if leaf.number not in story.held and is_forgotten(leaf):
            groups.setdefault((level_of(story, leaf, trained), cause_of(story, leaf, trained[0])), []).append(leaf)
    for (level, source), leaves in groups.items():
        yield found(story, level, source, leaves, trained[0])


def is_forgotten(leaf: Leaf) -> bool:
    """Whether gradients arrive, and the leaf never changes nor is its gradient looked at."""
    arrived = [act for act in leaf.contributions if is_nonzero(act.arrived)]
    if len(arrived) < ENOUGH or len(leaf.uses) < ENOUGH:
        return False
    read = any(isinstance(act, ForwardEvent) for act in leaf.acts)
    return not read and not any(write.position > arrived[0].position for write in leaf.writes)


def is_unlisted(story: Story, leaf: Leaf) -> bool:
    """Whether no module that anybody holds by a name lists it."""
    return UNLISTED.fullmatch(leaf.name) is not None or bool(nameless_makings(story, leaf))


def nameless_makings(story: Story, leaf: Leaf) -> list[Source]:
    """Where the outermost module of a leaf is made, if it has the name of its class because nothing is bound to it."""
    birth = made(story, leaf)
    if birth is None or birth.source is None or "." not in leaf.name:
        return []
    owner = leaf.name.split(".")[0]
    if bound(story, birth.source.file, owner):
        return []
    makings = lines_like(story, birth.source.file, rf"(?i)(?<!class )\b{re.escape(owner)}\(")
    return [line for line in makings if line.line == birth.source.line] or makings


def in_module(leaf: Leaf) -> bool:
    return "." in leaf.name or leaf.name.startswith(("weight", "bias"))


def level_of(story: Story, leaf: Leaf, trained: list[Leaf]) -> Level:
    """A fault where it cannot be a frozen part: not listed by its module, or trained parameters come before it."""
    if is_unlisted(story, leaf):
        return Level.ERROR
    before = [other for other in trained if other.uses[0] < leaf.uses[0] and in_module(other)]
    # A fixed network that judges outputs (a perceptual loss) sees the target as well, so it runs twice a pass.
    once = len(leaf.uses) <= len(leaf.contributions) + 1
    return Level.WARNING if before and once and in_module(leaf) else Level.NOTE


def made(story: Story, leaf: Leaf) -> Event | None:
    """The event that gave the leaf its first values."""
    if leaf.writes and leaf.writes[0].position < leaf.contributions[0].position:
        return leaf.writes[0]
    return story.maker(leaf.number, leaf.uses[0]) if leaf.uses else None


def cause_of(story: Story, leaf: Leaf, trained: Leaf) -> Source | None:
    """Where the leaf was made, if its module does not list it or it came too late; else where the optimizer was."""
    birth = made(story, leaf)
    source = None if birth is None else birth.source
    optimizer = optimizer_made(story, trained.updates[0])
    too_late = optimizer is not None and source is not None and source.line > optimizer.line
    nameless = nameless_makings(story, leaf)
    if nameless:
        return nameless[0]
    if is_unlisted(story, leaf) or too_late or optimizer is None:
        return source or story.event(leaf.uses[0]).source
    return optimizer


def found(story: Story, level: Level, source: Source | None, leaves: list[Leaf], trained: Leaf) -> Finding:
    first, step = leaves[0], trained.updates[0]
    use = story.event(first.uses[0])
    passes = told(len(first.contributions), "backward pass", "backward passes")
    unlisted = is_unlisted(story, first)
    them = "it" if len(leaves) == 1 else "them"
    who = f"{told(len(leaves), 'parameter')} used on {at(use.source)}" if unlisted else listed(x.name for x in leaves)
    why = (
        "the module that they lie in does not list them (plain lists and dicts are not searched for parameters)"
        if unlisted
        else f"no optimizer holds {them}"
    )
    return Finding(
        level,
        f"{who}: {passes} delivered gradients, but {at(step.source)} never updates {them}: {why}.",
        "Keep the layers in an nn.ModuleList (or assign them as attributes), then build the optimizer."
        if unlisted
        else "Give every parameter to the optimizer (build it after the last change of the model), or freeze it.",
        source,
        (first.uses[0], first.contributions[0].position, step.position),
        f"gradient {size(first.contributions[-1].after)}, never used",
        (Related(use.source, "used here"), Related(step.source, "updates the other parameters")),
    )


RULE = Rule("not-updated", "a parameter receives gradients and is never updated", look)
