"""Normalisation and softmax as sentences: how the numbers of a row depend on each other.

What the recorded gradients show, that they add up to 0, or are p - y, is told only where they do show it.
"""

from __future__ import annotations

import numpy as np

from backstep.explain.figures import line_of, number
from backstep.explain.step import Step, sums_to_zero
from backstep.explain.structure import power_of


def normalised(step: Step) -> str | None:
    """Layer, batch and group norm; the coupling is told only where the recorded gradients show it."""
    index = step.story.index
    of = "at its place in each row" if step.kind == "NativeLayerNorm" else "of its channel"
    if index == 2:
        return f"{step.x} was added to every normalised number {of}: their gradients are summed"
    if index == 1:
        return f"{step.x} multiplied every normalised number {of}: each gradient times that number, summed"
    if step.operands is not None and step.operands.bound.get("training") is False:
        return "In evaluation the mean and the variance are constants: each gradient is only scaled"
    axes = coupled_axes(step)
    array = None if step.left is None else step.left.array
    zero = f": they add up to 0 {coupled_over(step)}" if axes and sums_to_zero(array, axes) else ""
    together = f"Every number moved the mean and the variance of the others {coupled_over(step)}"
    return f"{together}, so each gradient depends on all of them{zero}"


def coupled_axes(step: Step) -> tuple[int, ...]:
    """The axes over which the numbers were normalised together."""
    dims = len(step.in_shape)
    if step.kind == "NativeBatchNorm":
        return tuple(axis for axis in range(dims) if axis != 1)
    if step.kind == "NativeLayerNorm" and step.operands is not None:
        lists = [value for value in step.operands.unnamed if isinstance(value, list)]
        shape = {**step.operands.named, **step.operands.bound}.get("normalized_shape", lists[0] if lists else None)
        return tuple(range(dims - len(shape), dims)) if isinstance(shape, list) else ()
    return ()


def coupled_over(step: Step) -> str:
    return {"NativeBatchNorm": "in each channel", "NativeLayerNorm": "in each row"}.get(step.kind, "in each group")


def softmax(step: Step) -> str | None:
    told = step.kind == "LogSoftmax" and cross_entropy(step)
    if told:
        return told
    dim = step.number("dim")
    array = None if step.left is None else step.left.array
    if dim is None:
        return None
    zero = array is not None and array.ndim > 0 and sums_to_zero(array, (int(dim),))
    line = line_of(len(step.in_shape), dim)
    return f"The probabilities of a {line} add up to 1, so what one gains the others lose" + (
        f": the gradients of each {line} add up to 0" if zero else ""
    )


def cross_entropy(step: Step) -> str | None:
    """Softmax and cross entropy together: p - y, said where what leaves is just that."""
    arrived = None if step.arrived is None else step.arrived.array
    left = None if step.left is None else step.left.array
    if step.result is None or arrived is None or left is None or left.ndim != 2 or not arrived.any():
        return None
    weights = -arrived.astype(np.float64).sum(axis=1)
    target = (arrived != 0).sum(axis=1)
    if (target > 1).any() or step.number("dim") not in (1, -1):
        return None
    p = np.exp(step.result.astype(np.float64))
    expected = weights[:, None] * (p - (arrived != 0))
    if not np.allclose(expected, left, rtol=1e-3, atol=1e-5 * np.abs(left).max()):
        return None
    scales = np.unique(np.round(weights[target == 1], 12))
    rows, ignored = left.shape[0], int((target == 0).sum())
    if scales.size == 1 and ignored and np.isclose(scales[0], 1 / (rows - ignored), rtol=1e-4):
        by = f", divided by the {rows - ignored} rows that count (the other {ignored} get 0)"
    elif scales.size == 1 and np.isclose(scales[0], 1 / rows, rtol=1e-4):
        by = f", divided by the {rows} rows" if rows > 1 else ""
    elif scales.size == 1:
        by = "" if scales[0] == 1 else f", times {number(float(scales[0]))}"
    else:
        by = ", each row times the weight of its target"
    meaning = "the predicted probabilities minus 1 at the target class"
    return f"Softmax and cross entropy together: what leaves is p - y{by}, {meaning}"


def length(step: Step) -> str | None:
    """The Euclidean norm: whoever is long has a large share in it."""
    if step.operands is None or power_of(step.operands, "p" if step.kind == "Norm" else "ord") != 2:
        return None
    return f"Each number of {step.x} gets its share of the length, the number over the norm, of the norm's gradient"


def shared_by_softmax(step: Step) -> str:
    return f"The gradient is shared out by the softmax of {step.x}: the shares of each {step.y} add up to what arrives"


def spread(step: Step) -> str | None:
    """Variance and standard deviation."""
    if step.story.formula is None:
        return None
    what = "variance" if step.kind == "Var" else "standard deviation"
    return f"Each number of {step.x} gets a gradient by its distance from the mean, for that is what moves the {what}"


def other_factors(step: Step) -> str:
    return f"Each number of {step.x} gets the product of all the others, times what arrives"


def running(step: Step) -> str | None:
    if "cumsum" not in step.whole:
        return None
    return f"Each number of {step.x} went into the sum at its place and into all after it: their gradients are added up"


def attention(step: Step) -> str | None:
    """q, k and v of scaled dot product attention."""
    weights = "softmax of q @ kᵀ / √d"
    if step.story.index == 2:
        return f"Each row of {step.x} gets the gradients of the rows that looked at it, by the attention that they paid"
    if step.story.index > 1:
        return None
    others = step.input_name(1 - step.story.index)
    return f"Back through the {weights}: each row of {step.x} gets the rows of {others}, by how much its scores matter"
