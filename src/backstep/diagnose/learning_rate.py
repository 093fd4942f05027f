"""Updates that change nothing: a learning rate too small, or a schedule that has run out too early."""

from __future__ import annotations

import math
from collections.abc import Iterator

from backstep.diagnose.finding import Finding, Level, NotLooked, Related, Rule
from backstep.diagnose.magnitude import is_nonzero, moved, norm_of
from backstep.diagnose.script_text import optimizer_made
from backstep.diagnose.story import Leaf, Story
from backstep.diagnose.wording import at, figure, told

ENOUGH = 10
"""Updates of each leaf."""
STILL = 1e-5
"""A weight that moves less than this part of itself in all of them does not learn."""
MOMENTUM = 10.0
"""What a momentum of 0.9 makes of a step, in the end."""
RUN_OUT = 1e-4
"""... of the largest learning rate that there was."""


def look(story: Story) -> Iterator[Finding | NotLooked]:
    trained = [leaf for leaf in story.trained.values() if any(is_nonzero(update.grad) for update in leaf.updates)]
    if trained and all(stands_still(leaf) for leaf in trained) and loss_stays(story):
        yield too_small(story, trained)
        return
    for leaf in trained:
        rates = [update.lr for update in leaf.updates if update.lr is not None]
        if len(rates) >= ENOUGH and 0 <= rates[len(rates) // 2] < RUN_OUT * max(rates) >= max(rates[-3:]):
            yield run_out(leaf, rates)
            return


def stands_still(leaf: Leaf) -> bool:
    """Whether a leaf ends where it began, as far as can be told."""
    updates = leaf.updates
    if len(updates) < ENOUGH or any(".step" in u.by and u.lr is None for u in updates[:1]):
        return False
    way, length = way_of(leaf), norm_of(updates[0].before)
    return way is not None and length is not None and length > 0 and way < STILL * length


def way_of(leaf: Leaf) -> float | None:
    """How far a leaf has moved; of a large one, how far its optimizer can have moved it at most."""
    updates = leaf.updates
    way = moved(updates[0].before, updates[-1].after)
    rates = [update.lr for update in updates if update.lr is not None]
    if way is not None or len(rates) < len(updates):
        return way
    if updates[0].by.startswith("Adam"):
        return sum(rates) * math.sqrt(math.prod(updates[0].before.shape))
    if updates[0].by.startswith("SGD"):
        return MOMENTUM * sum(u.lr * norm for u in updates if u.lr and (norm := norm_of(u.grad)) is not None)
    return None


def loss_stays(story: Story) -> bool:
    """Whether the loss, too, ends where it began, and not at zero."""
    losses = [one.loss for one in story.finished if one.loss is not None]
    if len(losses) < ENOUGH or not all(math.isfinite(loss) for loss in losses):
        return False
    first, last = losses[0], losses[-1]
    return abs(first) > 1e-6 and abs(last - first) < 1e-2 * abs(first)


def too_small(story: Story, trained: list[Leaf]) -> Finding:
    leaf = max(trained, key=lambda one: norm_of(one.updates[0].before) or 0.0)
    update = leaf.updates[0]
    way = way_of(leaf)
    losses = [one.loss for one in story.finished if one.loss is not None]
    rate = "" if update.lr is None else f" at lr {figure(update.lr)}"
    return Finding(
        Level.WARNING,
        f"In {told(len(leaf.updates), 'update')}{rate} {leaf.name} moves by {figure(way)} where it is"
        f" {figure(norm_of(update.before))}; the loss stays at {figure(losses[-1])}.",
        "Use a larger learning rate: an update should change a weight by about a thousandth of it.",
        optimizer_made(story, update) or update.source,
        (update.position, leaf.updates[-1].position),
        f"loss {figure(losses[0])} → {figure(losses[-1])}",
        (Related(update.source, "the update that changes nothing"),),
    )


def run_out(leaf: Leaf, rates: list[float]) -> Finding:
    half = leaf.updates[len(leaf.updates) // 2]
    return Finding(
        Level.WARNING,
        f"The learning rate falls from {figure(max(rates))} to {figure(rates[len(rates) // 2])} in the first half of"
        f" {told(len(rates), 'update')}: what comes after learns nothing.",
        "Let the schedule last for the whole training; step it once an epoch if it is meant for epochs.",
        half.source,
        (leaf.updates[0].position, half.position),
        f"lr {figure(rates[0])} → {figure(rates[-1])}",
        (Related(half.source, f"the step on {at(half.source)} has lr {figure(half.lr)}"),),
    )


RULE = Rule("learning-rate", "updates change nothing: the learning rate is too small", look)
