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
from backstep.trace.event import Array, UpdateEvent

GROWN = 100.0
"""A loss that ends so many times above where it began has diverged."""
RUINED = 1e4
"""... so many times above, it has whatever the data are."""
RISING = 3
"""... if it rose in so many passes in a row when it did."""


LEAP = 100.0
"""An update that makes a weight so many times larger needs no second one."""
THROWN = 5.0
"""... and one that makes it so many times larger has left the place where the gradient told anything."""
SWINGS = 8
"""So often in a row a gradient must turn round for the updates to swing."""
KNOWN_LOSSES = frozenset("mse_loss cross_entropy l1_loss smooth_l1_loss huber_loss nll_loss".split())
"""Losses that only a step too large makes larger; a policy's or an adversary's may rise as it should."""


@dataclass(frozen=True, slots=True)
class Divergence:
    """The passes of one loss up to where it left all bounds, and the update that drove it most."""

    passes: list[Pass]
    update: UpdateEvent


def look(story: Story) -> Iterator[Finding | NotLooked]:
    found = diverges(story)
    if found is not None:
        yield diverged(story, found)
        return
    for passes in passes_by_line(story):
        update = swinging(story, passes) or overshooting(story, passes)
        if update is not None:
            yield overshot(story, passes, update)
            return


def overshot(story: Story, passes: list[Pass], update: UpdateEvent) -> Finding:
    rate = "" if update.lr is None else f" with lr {figure(update.lr)}"
    return Finding(
        Level.WARNING,
        f"The loss does not fall: {figure(passes[0].loss)} at first, {figure(passes[-1].loss)} after"
        f" {len(passes)} passes; the updates{rate} overshoot ({update.tensor} changes by {change(update)} where it is"
        f" {size(update.before)}).",
        "Use a smaller learning rate.",
        optimizer_made(story, update) or update.source,
        (passes[0].start.position, update.position, passes[-1].start.position),
        " → ".join(figure(one.loss) for one in passes[-4:]),
        (Related(update.source, "the update that overshoots"),),
    )


def swinging(story: Story, passes: list[Pass]) -> UpdateEvent | None:
    """An update of a leaf whose gradient turns round with every step, while the loss gets nowhere."""
    first, last = passes[0].loss, passes[-1].loss
    if len(passes) <= SWINGS or first is None or last is None or not last > 0.9 * first > 0:
        return None
    for steps in steps_by_line(story):
        turns = 0
        for one, other in pairwise(steps):
            turns = turns + 1 if opposite(one, other) else 0
            if turns >= SWINGS:
                return max(other, key=relative)
    return None


def steps_by_line(story: Story) -> list[list[list[UpdateEvent]]]:
    """The steps that gradients made, those of each line that update the same leaves together."""
    by_line: dict[tuple[tuple[str, int] | None, tuple[int, ...]], list[list[UpdateEvent]]] = {}
    for step in story.steps:
        if all(update.grad is not None for update in step):
            by_line.setdefault((line_of(step[0]), tuple(update.number for update in step)), []).append(step)
    return list(by_line.values())


def opposite(one: list[UpdateEvent], other: list[UpdateEvent]) -> bool:
    """Whether the gradients of two steps, all leaves taken together, point in opposite directions.

    One leaf alone may well turn round each time by chance: a bias has few elements.
    """
    a, b = gradient_of(one), gradient_of(other)
    if a is None or b is None or a.shape != b.shape:
        return False
    length = float(np.linalg.norm(a) * np.linalg.norm(b))
    return length > 0 and float(a @ b) < -0.9 * length


def gradient_of(step: list[UpdateEvent]) -> Array | None:
    """The gradients that a step used, one after the other, as far as their numbers were kept; None if not finite."""
    kept = [update.grad.array for update in step if update.grad is not None]
    parts = [array.astype(np.float64).ravel() for array in kept if array is not None]
    whole = np.concatenate(parts) if parts else None
    return whole if whole is not None and np.isfinite(whole).all() else None


def overshooting(story: Story, passes: list[Pass]) -> UpdateEvent | None:
    """The update that made a weight many times larger, where the loss ends far above its beginning."""
    losses = [one.loss for one in passes if one.loss is not None]
    if len(losses) < SWINGS or not all(map(math.isfinite, losses)):
        return None
    root = passes[0].start.roots[0]
    made = story.maker(root.tensor, passes[0].start.position)
    end = losses[-len(losses) // 3 :]
    if made is None or made.op not in KNOWN_LOSSES or min(end) < 1.5 * losses[0] or np.median(end) < 2 * losses[0]:
        return None
    updates = [update for step in story.steps for update in step if update.grad is not None]
    largest = max(updates, key=relative, default=None)
    return largest if largest is not None and relative(largest) > THROWN else None


def diverged(story: Story, found: Divergence) -> Finding:
    losses = [one.loss for one in found.passes]
    update = found.update
    uphill = goes_up(update)
    rate = "" if update.lr is None else f" with lr {figure(update.lr)}"
    why = "go up the gradient, not down" if uphill else f"go too far{rate}"
    return Finding(
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
    for passes in passes_by_line(story):
        run = run_away(passes)
        run = run if run is not None and overshoots(story, run, passes[-1].loss) else leapt(story, passes)
        if run is None:
            continue
        updates = [
            update for step in story.steps for update in step
            if run[0].start.position < update.position < run[-1].start.position and update.grad is not None
        ]  # fmt: skip
        if updates:
            return Divergence(run, max(updates, key=lambda update: relative(update)))
    return None


def passes_by_line(story: Story) -> list[list[Pass]]:
    """The passes from one number, those of each line together."""
    by_line: dict[tuple[str, int] | None, list[Pass]] = {}
    for one in story.passes:
        if one.loss is not None and one.start.api == "backward":
            by_line.setdefault(line_of(one.start), []).append(one)
    return list(by_line.values())


def leapt(story: Story, passes: list[Pass]) -> list[Pass] | None:
    """The passes up to the first beyond all bounds, if a single update threw it there."""
    for index, one in enumerate(passes[1:], 1):
        first = passes[0].loss
        if one.loss is None or first is None or not math.isfinite(first):
            return None
        if math.isfinite(one.loss) and one.loss < GROWN * max(abs(first), 1e-3):
            continue
        start, end = passes[index - 1].start.position, one.start.position
        updates = (update for step in story.steps for update in step if start < update.position < end)
        return passes[: index + 1] if any(relative(update) > LEAP for update in updates) else None
    return None


def run_away(passes: list[Pass]) -> list[Pass] | None:
    """The passes up to the one whose loss has grown beyond all bounds, if it rose steadily before."""
    losses = [one.loss if one.loss is not None else math.nan for one in passes]
    start = abs(losses[0]) if losses and math.isfinite(losses[0]) else 0.0
    for index, loss in enumerate(losses):
        bounded = math.isfinite(loss) and loss < GROWN * max(start, 1e-3)
        if bounded or index < RISING:
            continue
        before = [abs(one) for one in losses[index - RISING : index]]
        rising = all(a < b for a, b in pairwise(before)) and before[-1] > 2 * start
        if rising and (not math.isfinite(loss) or loss > before[-1]):
            return passes[: index + 1]
    return None


def overshoots(story: Story, run: list[Pass], last: float | None) -> bool:
    """Whether it is the updates that drive the loss up, and not the data that change.

    The gradient turns round when a step goes too far, and the step goes up when its sign is wrong; where the
    numbers were not kept only the size of the loss can tell.
    """
    first = run[0].loss
    if first is None or last is None or not math.isfinite(last) or abs(last) > RUINED * max(abs(first), 1e-3):
        return True
    start, end = run[0].start.position, run[-1].start.position
    for leaf in story.trained.values():
        updates = [update for update in leaf.updates if start < update.position < end]
        turns = [opposite([one], [other]) for one, other in pairwise(updates)]
        if sum(turns) * 2 > len(turns) or (updates and all(map(goes_up, updates))):
            return True
    return False


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
