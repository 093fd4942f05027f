"""The loss grows without bounds along the updates: each step goes too far, or in the wrong direction."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from backstep.diagnose.finding import Finding, Level, NotLooked, Related, Rule
from backstep.diagnose.script_text import optimizer_made
from backstep.diagnose.story import Pass, Story, line_of
from backstep.diagnose.wording import figure, size
from backstep.trace.event import UpdateEvent

GROWN = 100.0
"""A loss that ends so many times above where it began has diverged."""
RISING = 3
"""... if it rose in so many passes in a row when it did."""


@dataclass(frozen=True, slots=True)
class Divergence:
    """The passes of one loss up to where it left all bounds, and the update that drove it most."""

    passes: list[Pass]
    update: UpdateEvent


def look(story: Story) -> Iterator[Finding | NotLooked]:
    found = diverges(story)
    if found is None:
        return
    losses = [one.loss for one in found.passes]
    update = found.update
    uphill = goes_up(update)
    rate = "" if update.lr is None else f" with lr {figure(update.lr)}"
    why = "go up the gradient, not down" if uphill else f"go too far{rate}"
    yield Finding(
        Level.ERROR,
        f"The loss grows from {figure(losses[0])} to {figure(losses[-1])} in {len(losses)} passes: the updates {why}"
        f" ({update.tensor} changes by {change(update)} where it is {size(update.before)}).",
        "Subtract the gradient: `p -= lr * p.grad`."
        if uphill
        else "Use a smaller learning rate, or clip the gradients.",
        update.source if uphill else optimizer_made(story, update) or update.source,
        (found.passes[0].start.position, update.position, found.passes[-1].start.position),
        " → ".join(figure(loss) for loss in losses[-4:]),
        (Related(found.passes[0].source, "the loss that grows"), Related(update.source, "the update that drives it")),
    )


def diverges(story: Story) -> Divergence | None:
    """The first loss that leaves all bounds while updates follow it."""
    by_line: dict[tuple[str, int] | None, list[Pass]] = {}
    for one in story.passes:
        if one.loss is not None and one.start.api == "backward":
            by_line.setdefault(line_of(one.start), []).append(one)
    for passes in by_line.values():
        run = run_away(passes)
        if run is None:
            continue
        updates = [
            update for step in story.steps for update in step
            if run[0].start.position < update.position < run[-1].start.position and update.grad is not None
        ]  # fmt: skip
        if updates:
            return Divergence(run, max(updates, key=lambda update: relative(update)))
    return None


def run_away(passes: list[Pass]) -> list[Pass] | None:
    """The passes up to the one whose loss has grown beyond all bounds, if it rose steadily before."""
    losses = [one.loss if one.loss is not None else math.nan for one in passes]
    start = abs(losses[0]) if losses and math.isfinite(losses[0]) else 0.0
    for index, loss in enumerate(losses):
        bounded = math.isfinite(loss) and abs(loss) < GROWN * max(start, 1e-3)
        if bounded or index < RISING:
            continue
        before = [abs(one) for one in losses[index - RISING : index]]
        rising = all(a < b for a, b in pairwise(before)) and before[-1] > 2 * start
        if rising and (not math.isfinite(loss) or abs(loss) > before[-1]):
            return passes[: index + 1]
    return None


def relative(update: UpdateEvent) -> float:
    """How large a change is beside what is changed."""
    before, after = update.before.summary, update.after.summary
    if before is None or after is None or before.norm is None or after.norm is None:
        return 0.0
    return abs(after.norm - before.norm) / (before.norm + 1e-12)


def change(update: UpdateEvent) -> str:
    before, after = update.before.array, update.after.array
    if before is None or after is None:
        return "?"
    with np.errstate(over="ignore", invalid="ignore"):
        return f"‖{figure(float(np.linalg.norm((after - before).ravel())))}‖"


def goes_up(update: UpdateEvent) -> bool:
    """Whether the update has the sign of the gradient."""
    before, after = update.before.array, update.after.array
    grad = None if update.grad is None else update.grad.array
    if before is None or after is None or grad is None or not np.isfinite(after).all():
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        along = float(((after - before) * grad).sum())
    return along > 0


RULE = Rule("divergence", "the loss grows without bounds along the updates", look)
