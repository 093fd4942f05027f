"""Sums, products and gates, number by number, as sentences: what each gradient is multiplied by."""

from __future__ import annotations

import numpy as np

from backstep.explain.figures import number
from backstep.explain.step import Step


def add(step: Step) -> str:
    slope = None if step.slopes is None or not step.slopes.size else float(step.slopes.flat[0])
    if slope in (1, None):
        return f"Adding passes the gradient of {step.y} on to {step.x} as it is"
    if slope == -1:
        return f"Subtracting passes the gradient of {step.y} on to {step.x} with its sign turned"
    return f"The gradient of {step.y} goes on to {step.x}, multiplied by {number(slope)}"


def mul(step: Step) -> str | None:
    if step.whole in DROPOUTS or is_mask(step):
        return dropout(step)
    other = None if step.operands is None else step.operands.other(step.story.index)
    if other is None:
        return None
    if step.op is not None and len(step.op.inputs) == 1:
        return f"Each gradient is multiplied by {other}"
    beside = step.input_name(1 - step.story.index)
    return f"Each gradient is multiplied by the number of {beside} that stood beside it"


def is_mask(step: Step) -> bool:
    """Whether the other factor is the mask that dropout makes inside of attention and of recurrent layers."""
    if step.op is None or step.op.parent is None or len(step.op.inputs) != 2:
        return False
    other = step.op.inputs[1 - step.story.index]
    return other.name == "empty_like" and not other.requires_grad


DROPOUTS = ("dropout", "dropout_", "feature_dropout", "alpha_dropout", "dropout1d", "dropout2d", "dropout3d")


def dropout(step: Step) -> str | None:
    """The mask of the forward pass once more; what was kept has one factor."""
    slopes = step.slopes
    if slopes is None or not slopes.size:
        return None
    kept = slopes[slopes != 0]
    if not kept.size or float(kept.min()) != float(kept.max()):
        return None
    return (
        f"The mask of the forward pass once more: {slopes.size - kept.size:,} of {slopes.size:,} numbers had been "
        f"dropped and get 0, the others are multiplied by {number(float(kept.flat[0]))}"
    )


def sign(step: Step) -> str | None:
    """The slope of abs."""
    slopes = step.slopes
    if slopes is None or not slopes.size:
        return None
    turned = int(np.count_nonzero(slopes < 0))
    zero = int(np.count_nonzero(slopes == 0))
    at_zero = f", and {zero:,} get 0, for {step.x} is 0 there" if zero else ""
    return f"{turned:,} of {slopes.size:,} gradients turn their sign, where {step.x} is negative{at_zero}"


def gate(step: Step) -> str | None:
    """What lets the gradient pass, or not: the local gradient is 1 or 0."""
    slopes = step.slopes
    if slopes is None or not slopes.size or not np.isfinite(slopes).all():
        return None
    open_ = int(np.count_nonzero(slopes == 1))
    others = np.unique(slopes[slopes != 1])
    if open_ == slopes.size:
        return f"All {slopes.size:,} gradients pass unchanged"
    if not slopes.any():
        return f"None of the {slopes.size:,} gradients passes: all get 0"
    if set(others.tolist()) == {0, 0.5}:
        half = int(np.count_nonzero(slopes == 0.5))
        return f"{open_:,} of {slopes.size:,} gradients pass unchanged, {half:,} by half, for the two were equal; " \
               "the others get 0"  # fmt: skip
    if others.size == 1:
        rest = "get 0" if others[0] == 0 else f"are multiplied by {number(float(others[0]))}"
        return f"{open_:,} of {slopes.size:,} gradients pass unchanged, the other {slopes.size - open_:,} {rest}"
    return None
