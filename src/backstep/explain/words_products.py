"""Matrix products, convolutions, sums and means as sentences: how many terms each gradient adds up."""

from __future__ import annotations

import math

from backstep.explain.figures import counted, places, shape_text, spread_dims
from backstep.explain.step import Step


def matmul(step: Step) -> str | None:
    """How many products each number of the gradient adds up."""
    other = step.story.operand
    if other is None:
        return addmm_bias(step)
    if step.kind == "Mv" and step.story.index == 0:
        return f"Each number of what leaves is one product: a gradient of {step.y} times a number of {other.name}"
    if step.kind == "Mv":
        rows = counted(step.out_shape[0], "product")
        return f"Each number of what leaves adds up {rows}, one for each number of {step.y}"
    by_rows = step.story.index < (1 if step.kind in ("Mm", "Bmm") else 2)
    terms = step.out_shape[-1] if by_rows else step.out_shape[-2]
    which = f"column of {step.y}" if by_rows else f"row of {step.y}"
    return f"Each number of what leaves adds up {counted(terms, 'product')}, one for each {which}"


def addmm_bias(step: Step) -> str:
    if step.in_shape == step.out_shape:
        return f"{step.x} was added to the product: its gradient is the one that arrives"
    dims = spread_dims(step.in_shape, step.out_shape)
    if not dims:
        return f"{step.x} was added once: its gradient is the one that arrives"
    over = places(dims, step.out_shape)
    return f"The gradient of {step.x} is summed over {over}, because {step.x} was added to each"


def convolution(step: Step) -> str | None:
    if step.arrived is None or len(step.out_shape) < 3 or step.story.index > 2:
        return None
    samples, positions = step.out_shape[0], math.prod(step.out_shape[2:])
    if step.story.index == 2:
        total = samples * positions
        where = f"each of the {total:,} places of its channel ({samples} × {positions:,})"
        return f"{step.x} was added at {where}: the gradients there are summed"
    if "transpose" in step.whole:
        return transposed_convolution(step)
    if step.story.index == 1:
        where = f"{counted(positions, 'position')} of {counted(samples, 'sample')}"
        return f"The kernel was laid over {where}: the gradient of each weight is the sum over all of them"
    return f"Each number of {step.x} gets a share from every place of {step.y} whose kernel lay over it"


def transposed_convolution(step: Step) -> str:
    if step.story.index == 1:
        given = step.input_name(0)
        return f"The kernel was laid down at every place of {given}: each weight gets the sum over all of them"
    return f"Each number of {step.x} was spread by the kernel over places of {step.y}: their gradients come back to it"


def dot(step: Step) -> str:
    other = step.input_name(1 - step.story.index)
    return f"Each number of {step.x} gets the number of {other} that stood beside it, times what arrives"


def recurrent(step: Step) -> str | None:
    """A whole recurrent layer that runs as one op."""
    if step.op is None or not step.op.inputs or len(step.op.inputs[0].shape) != 3:
        return None
    sequence = shape_text(step.op.inputs[0].shape)
    through = f"One node runs back through all the time steps of the layer (its input is {sequence})"
    if 1 <= step.story.index <= 4:
        return f"{through}: {step.x} was used in each, and its gradients there are summed"
    return f"{through}, from the last to the first"


def average(step: Step) -> str | None:
    """A mean over windows that lie side by side or overlap."""
    share = (step.story.formula or "").partition(" for each")[0]
    if not share.startswith("1 / "):
        return None
    return f"Each number of {step.x} gets {share.replace(' ', '')} of the gradient of every window that it lies in"


def total(step: Step) -> str | None:
    if not step.size or step.arrived is None:
        return None
    made = math.prod(step.out_shape)
    if made == 1:
        return f"Each of the {counted(step.size, 'number')} of {step.x} went into the sum once: it gets what arrives"
    each = step.size // max(1, made)
    return f"Each sum was made of {counted(each, 'number')} of {step.x}: every one of them gets the gradient of its sum"


def mean(step: Step) -> str | None:
    if not step.size or step.arrived is None:
        return None
    each = step.size // max(1, math.prod(step.out_shape))
    return f"Each number of {step.x} is 1/{each} of its mean: it gets 1/{each} of the mean's gradient"
