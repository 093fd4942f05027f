"""What a backward step does, in one plain sentence. Each was checked against autograd; where numbers are told, they
are counted in the recorded values, and what depends on them is checked before it is said."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from backstep.explain import words_arithmetic, words_norms, words_parts, words_products
from backstep.explain.chain_rule import root_name, ways_to
from backstep.explain.figures import number, places
from backstep.explain.losses import LOSSES
from backstep.explain.step import Step

Words = Callable[[Step], str | None]


def backward_sentence(step: Step) -> str:
    """What happens to the gradient on its way through this node by this edge; empty where nothing leaves."""
    if step.left is None:
        return ""
    said, ways = nudge(step), ways_to(step.trace, step.event, step.story.edge)
    if said is not None:
        return f"{said}{' by this path alone' if ways > 1 else ''}."
    words = WORDS.get(step.kind)
    said = (words and words(step)) or by_slopes(step) or by_formula(step)
    one_of = f"; this is one of {ways} contributions to the gradient of {step.x}" if ways > 1 else ""
    hooked = "; a hook of the script's own replaced what leaves" if step.story.edge.hooked else ""
    return f"{said}{summed(step)}{one_of}{hooked}."


def nudge(step: Step) -> str | None:
    """For single numbers: a derivative is a rate, which is true for every op, however it bends."""
    local = step.story.edge.local
    factor = None if local is None else local.scalar
    arrives = None if step.arrived is None else step.arrived.scalar
    if factor is None or arrives is None or not step.is_single or step.story.edge.hooked:
        return None
    root = root_name(step.trace, step.event.position)
    if step.y == root:
        return f"Nudge {step.x} by ε: {root} moves {number(factor)}·ε"
    return (
        f"Nudge {step.x} by ε: {step.y} moves {number(factor)}·ε, "
        f"so {root} moves {number(factor)} × {number(arrives)} = {number(factor * arrives)}·ε"
    )


def summed(step: Step) -> str:
    """What is summed because it was broadcast, where the words of the op do not say so."""
    if not step.spread or step.kind in ("Expand", "Repeat"):
        return ""
    over = places(step.spread, step.out_shape)
    return f"; the gradient of {step.x} is summed over {over}, because {step.x} was used in each"


# what is the same for many ops


def by_slopes(step: Step) -> str | None:
    """Of an op that works number by number: each gradient times the slope there."""
    slopes = step.slopes
    if slopes is None or not slopes.size or not np.isfinite(slopes).all():
        return None
    low, high = float(slopes.min()), float(slopes.max())
    name = step.op.op.strip("_") if step.op is not None else step.kind.lower()
    if low == high:
        return f"Each gradient is multiplied by the slope of {name}, which is {number(low)} everywhere here"
    between = f"here between {number(low)} and {number(high)}"
    return f"Each gradient is multiplied by the slope of {name} at its own number: {between}"


def by_formula(step: Step) -> str:
    """Nothing more is known than the formula."""
    if step.event.op == "CheckpointFunctionBackward":
        return f"What was not kept of this part ran again, and a backward pass of its own took the gradient to {step.x}"
    if step.story.formula is None and not step.story.own:
        return f"{step.event.op} is no op of PyTorch's own: what it makes of the gradient is up to its backward()"
    name = step.op.op.strip("_") if step.op is not None else step.kind
    return f"The gradient of {step.y} becomes that of {step.x} by the formula of {name}'s derivative"


WORDS: dict[str, Words] = {
    **dict.fromkeys(("Add", "Sub", "Rsub", "Neg"), words_arithmetic.add),
    "Mul": words_arithmetic.mul,
    "NativeDropout": words_arithmetic.dropout,
    "Abs": words_arithmetic.sign,
    **dict.fromkeys(("Mm", "Bmm", "Addmm", "Baddbmm", "Mv"), words_products.matmul),
    "Convolution": words_products.convolution,
    "Dot": words_products.dot,
    "AvgPool2D": words_products.average,
    **dict.fromkeys(("MkldnnRnnLayer", "CudnnRnn"), words_products.recurrent),
    "Sum": words_products.total,
    "Mean": words_products.mean,
    **dict.fromkeys(
        ("T", "Transpose", "Permute", "View", "UnsafeView", "ReshapeAlias", "Unsqueeze", "Squeeze", "Flip", "Roll",
         "Clone", "Alias"), words_parts.moved,
    ),
    "ToCopy": words_parts.cast,
    "ConstantPadNd": words_parts.padded,
    "Unfold": words_parts.windows,
    **dict.fromkeys(("IndexPut", "Scatter", "ScatterAdd", "IndexAdd"), words_parts.put),
    **dict.fromkeys(
        ("UpsampleNearest1D", "UpsampleNearest2D", "UpsampleLinear1D", "UpsampleBilinear2D", "UpsampleBicubic2D"),
        words_parts.upsampled,
    ),
    **dict.fromkeys(("Expand", "Repeat"), words_parts.expand),
    **dict.fromkeys(("Cat", "Stack"), words_parts.joined),
    "torch::autograd::CopySlices": words_parts.written,
    **dict.fromkeys(
        ("Select", "Slice", "Gather", "MaskedSelect", "Unbind", "Split", "SplitWithSizes", "UnsafeSplit",
         "Diagonal", "Tril", "Triu",
         "Take"), words_parts.taken,
    ),
    **dict.fromkeys(("Index", "IndexSelect", "Embedding"), words_parts.looked_up),
    **dict.fromkeys(
        ("Max", "Min", "Amax", "Amin", "Topk", "Sort", "Kthvalue", "Median", "MaxPool2DWithIndices",
         "MaxPool3DWithIndices", "AdaptiveMaxPool2D"), words_parts.chosen,
    ),
    **dict.fromkeys(
        ("Relu", "LeakyRelu", "Clamp", "ClampMin", "ClampMax", "Hardtanh", "Threshold", "Where", "MaskedFill",
         "Maximum", "Minimum"),
        words_arithmetic.gate,
    ),
    **dict.fromkeys(("NativeBatchNorm", "NativeLayerNorm", "NativeGroupNorm"), words_norms.normalised),
    **dict.fromkeys(("Softmax", "SafeSoftmax", "LogSoftmax"), words_norms.softmax),
    **dict.fromkeys(("Norm", "LinalgVectorNorm"), words_norms.length),
    "Logsumexp": words_norms.shared_by_softmax,
    **dict.fromkeys(("Var", "Std"), words_norms.spread),
    "Prod": words_norms.other_factors,
    "Cumsum": words_norms.running,
    **dict.fromkeys(
        ("ScaledDotProductFlashAttentionForCpu", "ScaledDotProductFlashAttention",
         "ScaledDotProductEfficientAttention", "ScaledDotProductCudnnAttention"), words_norms.attention,
    ),
    **LOSSES,
}  # fmt: skip
