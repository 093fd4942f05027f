"""What a loss does to the gradient, in words: whose error it is, and what it was divided by."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from backstep.explain.figures import number
from backstep.explain.step import Step

MEAN = 1
"""How a loss was reduced, as ATen writes it."""


def shared(step: Step) -> str:
    """Of a mean: `divided by 64, for the loss is a mean`."""
    operands = step.operands
    reduction = None if operands is None else operands.bound.get("reduction", MEAN)
    return f", divided by {step.size:,}, for the loss is a mean" if reduction in (MEAN, "mean") else ""


def squared(step: Step) -> str:
    one, other = step.x, step.input_name(1 - step.story.index)
    return f"Each gets twice its own error {one} - {other}{shared(step)}"


def likelihood(step: Step) -> str | None:
    left = None if step.left is None else step.left.array
    if left is None or left.ndim != 2:
        return "Only the target class of each sample went into the loss: only there something leaves"
    kept = np.unique(left[left != 0])
    value = number(float(kept[0])) if kept.size == 1 else "its weight"
    return (
        f"Only the log probability of each sample's target class went into the loss: it gets {value}, the others 0"
    )


def logits(step: Step) -> str:
    one, other = step.x, step.input_name(1)
    return f"Each gets its own error, the probability sigmoid({one}) minus the target {other}{shared(step)}"


def probability(step: Step) -> str:
    other = step.input_name(1)
    return f"Each gets ({step.x} - {other}) / ({step.x}·(1 - {step.x})){shared(step)}"


def clamped(step: Step) -> str | None:
    bend = step.number("delta" if step.kind == "HuberLoss" else "beta", 1)
    other = step.input_name(1 - step.story.index)
    if bend is None:
        return None
    inside = f"its own error {step.x} - {other}"
    if step.kind == "HuberLoss":
        far = "only its sign" if bend == 1 else f"its sign times {bend:g}"
    else:
        inside, far = inside if bend == 1 else f"{inside} over {bend:g}", "only its sign"
    return f"Each gets {inside} where the error is less than {bend:g} in size, else {far}{shared(step)}"


LOSSES: dict[str, Callable[[Step], str | None]] = {
    "MseLoss": squared,
    "NllLoss": likelihood,
    "BinaryCrossEntropyWithLogits": lambda step: logits(step) if plain(step) else None,
    "BinaryCrossEntropy": lambda step: probability(step) if plain(step) else None,
    "HuberLoss": clamped,
    "SmoothL1Loss": clamped,
}


def plain(step: Step) -> bool:
    """Without a weight."""
    return step.op is not None and len(step.op.inputs) == 2
