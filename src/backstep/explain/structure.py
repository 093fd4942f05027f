"""The derivatives of ops that bring numbers together or move them: products, sums, views, indices, losses, norms."""

from __future__ import annotations

import math

from backstep.explain.figures import line_of
from backstep.explain.names import factor, transpose
from backstep.explain.operands import Formula, Operands, of

MEAN = 1
"""How a loss was reduced, as ATen writes it: 0 not at all, 1 to the mean, 2 to the sum."""


def _mean(o: Operands, edge: int) -> str | None:
    """One over how many elements went into each mean."""
    return f"1 / {o.size(0) // o.made}" if edge == 0 and o.op.inputs and o.made else None


def _mm(o: Operands, edge: int) -> str | None:
    if len(o.names) < 2 or edge > 1:
        return None
    return f"@ {transpose(o.names[1])}" if edge == 0 else f"{transpose(o.names[0])} @"


def _addmm(o: Operands, edge: int) -> str | None:
    if len(o.names) < 3 or o.named.get("alpha", 1) != 1 or o.named.get("beta", 1) != 1 or edge > 2:
        return None
    broadcast = o.op.inputs[0].shape != o.op.outputs[0].shape if o.op.outputs else False
    by_second, by_first = f"@ {transpose(o.names[2])}", f"{transpose(o.names[1])} @"
    return ("1, summed over the rows" if broadcast else "1", by_second, by_first)[edge]


def _convolution(o: Operands, edge: int) -> str | None:
    if len(o.names) < 2 or edge > 2:
        return None
    back = "correlated" if "transpose" in o.op.op else "convolved back"
    return (
        f"the gradient {back} with {o.names[1]}",
        f"{o.names[0]} correlated with the gradient",
        "1, summed over the samples and positions",
    )[edge]


def _spread(o: Operands, edge: int) -> tuple[int, float] | None:
    """How many elements went into each variance, and what it was divided by."""
    count = o.size(0) // max(1, o.made)
    flags = [value for value in (o.named.get("unbiased"), *o.unnamed) if isinstance(value, bool)]
    correction = int(flags[0]) if flags else o.bound.get("correction", o.named.get("correction", 1))
    by = count - (1 if correction is None else correction)
    return None if edge or by <= 0 else (count, by)


def _var(o: Operands, edge: int) -> str | None:
    spread = _spread(o, edge)
    return None if spread is None else f"2·({o.input(0)} - mean) / {spread[1]:g}"


def _std(o: Operands, edge: int) -> str | None:
    spread = _spread(o, edge)
    return None if spread is None else f"({o.input(0)} - mean) / ({spread[1]:g}·{factor(o.result)})"


def power_of(o: Operands, name: str) -> object:
    """Of a norm, which: 2 for the Euclidean; by any of the names that it has."""
    told = o.bound.get(name, o.named.get("ord", o.named.get("p", o.unnamed[0] if o.unnamed else 2)))
    return 2 if told in (None, "fro") else told


def _norm(name: str) -> Formula:
    def formula(o: Operands, edge: int) -> str | None:
        power = power_of(o, name)
        if edge:
            return None
        if power in (2, None):
            return f"{o.input(0)} / {factor(o.result)}"
        return f"sign({o.input(0)})" if power == 1 else None

    return formula


def _cumulative(o: Operands, edge: int) -> str | None:
    return f"1 for the sum at {o.input(0)}'s own place and each one after it" if edge == 0 else None


def _average(o: Operands, edge: int) -> str | None:
    kernel = o.bound.get("kernel_size")
    sizes = kernel if isinstance(kernel, list) else [kernel]
    if edge or not all(isinstance(size, int) for size in sizes) or o.bound.get("divisor_override") is not None:
        return None
    if o.bound.get("ceil_mode") or (o.bound.get("padding") not in (0, [], [0], [0, 0], None)
                                    and not o.bound.get("count_include_pad", True)):
        return None  # the windows at the edges are smaller
    count = math.prod(sizes) ** (2 if len(sizes) == 1 and "2D" in _kind(o) else 1)
    return f"1 / {count} for each window that it lies in"


def _kind(o: Operands) -> str:
    return "2D" if "2d" in (o.op.aten or o.op.op) else ""


def _normalised(o: Operands, edge: int) -> str | None:
    """Layer, batch and group norm; in evaluation batch norm has constants for the mean and the variance."""
    if edge == 2:
        return "1, summed over all but its own dims"
    if edge == 1:
        return "x̂ = (x - mean) / std, summed over all but its own dims"
    if edge:
        return None
    if o.bound.get("training") is False:
        return "weight / std, both constant"
    return "weight / std · (I - (1 + x̂·x̂ᵀ) / n), with x̂ = (x - mean) / std"


def _reduced(o: Operands, edge: int, slope: str, *, default: object = MEAN) -> str:
    """What a loss divides by when it is a mean."""
    mean = o.bound.get("reduction", o.argument("reduction", 0, default)) in (MEAN, "mean")
    size = max(o.size(0), o.size(1)) if len(o.op.inputs) > 1 else o.size(0)
    return f"{slope} / {size}" if mean else slope


def _mse(o: Operands, edge: int) -> str | None:
    if len(o.names) < 2 or edge > 1:
        return None
    return _reduced(o, edge, f"2·({factor(o.names[edge])} - {factor(o.names[1 - edge])})")


def _huber(o: Operands, edge: int) -> str | None:
    delta = o.number("delta", 1) or 1.0
    if len(o.names) < 2 or edge > 1:
        return None
    return _reduced(o, edge, f"clamp({o.input(edge)} - {o.input(1 - edge)}, -{delta:g}, {delta:g})")


def _smooth_l1(o: Operands, edge: int) -> str | None:
    beta = o.number("beta", 1)
    if len(o.names) < 2 or edge > 1 or not beta:
        return None
    apart = f"{o.input(edge)} - {o.input(1 - edge)}"
    return _reduced(o, edge, f"clamp({apart if beta == 1 else f'({apart}) / {beta:g}'}, -1, 1)")


def _bce(o: Operands, edge: int) -> str | None:
    """Without a weight."""
    if edge or len(o.names) != 2:
        return None
    p, y = o.input(0), o.input(1)
    return _reduced(o, edge, f"({p} - {y}) / ({p}·(1 - {p}))")


def _bce_with_logits(o: Operands, edge: int) -> str | None:
    if edge or len(o.names) != 2:
        return None
    return _reduced(o, edge, f"(sigmoid({o.input(0)}) - {o.input(1)})")


def _nll(o: Operands, edge: int) -> str | None:
    """Without weights for the classes, which would be a third input."""
    if edge or len(o.names) > 2:
        return None
    mean = o.argument("reduction", 1, MEAN) in (MEAN, "mean")
    return f"{'-1/n' if mean else '-1'} at each target class, 0 elsewhere"


def _part(o: Operands, edge: int) -> str:
    return f"1 in the part that came from {o.input(edge)}"


def _expand(o: Operands, edge: int) -> str | None:
    if edge or not o.op.inputs:
        return None
    x = o.input(0)
    return f"reshaped back to {x}" if o.size(0) == o.made else f"summed over what {x} was expanded to"


def _softmax(matrix: str) -> Formula:
    def formula(o: Operands, edge: int) -> str | None:
        if edge or not o.op.inputs:
            return None
        unnamed = next((value for value in o.unnamed if isinstance(value, int)), None)
        along = line_of(len(o.op.inputs[0].shape), o.number("dim", unnamed))
        return f"{matrix.format(x=o.names[0], y=factor(o.result))} in each {along}"

    return formula


def _attention(o: Operands, edge: int) -> str | None:
    """Scaled dot product attention by q, k and v."""
    if len(o.names) < 3 or edge > 2:
        return None
    q, k, v = (o.input(place) for place in range(3))
    scale = o.named.get("scale")
    scaled = " / √d" if scale is None else f" · {scale:g}"
    back = f"the gradient @ {v}ᵀ, back through the softmax,"
    return (f"{back} @ {k}{scaled}", f"({back[:-1]})ᵀ @ {q}{scaled}", f"softmax({q} @ {k}ᵀ{scaled})ᵀ @")[edge]


def _put(o: Operands, edge: int) -> str | None:
    """Of what is written into a copy: the old numbers, and those that take their places."""
    adds = o.bound.get("accumulate") is True or (o.op.aten or "").startswith(("aten.scatter_add", "aten.index_add"))
    if edge == 0:
        return "1" if adds else "0 where it was overwritten, else 1"
    return "1 at the place where it was put" if edge == 1 else None


def _copied(o: Operands, edge: int) -> str | None:
    """What was copied from somewhere, and what was there before and is gone."""
    return ("0, for it was overwritten", "1, for it was copied as it is")[edge] if edge < 2 else None


def _slices(o: Operands, edge: int) -> str:
    """An op in place on a view of its base."""
    if edge == 0:
        return f"1 where nothing was written; where {o.op.op} wrote, the derivative of {o.op.op}"
    return f"the derivative of {o.op.op}, at the part that it wrote"


TAKEN = of("1 at each place taken, 0 elsewhere")
GREATEST = of("1 at the greatest, 0 elsewhere")
LEAST = of("1 at the least, 0 elsewhere")
ORIGIN = of("1 at the place that each result came from, 0 elsewhere")
RESHAPED = of("reshaped back to {x}")
TRANSPOSED = of("transposed back")
OWN_PART = of("1 in its own part, 0 elsewhere")
WINDOWS = of("1 at the greatest of each window, 0 elsewhere")

STRUCTURE: dict[str, Formula] = {
    "Sum": of("1 for each element of {x}"),
    "Nansum": of("1 for each element of {x} that is a number"),
    "Mean": _mean,
    "Prod": lambda o, edge: f"the product of the other elements of {o.input(0)}" if edge == 0 else None,
    "Var": _var,
    "Std": _std,
    "Norm": _norm("p"),
    "LinalgVectorNorm": _norm("ord"),
    "Logsumexp": of("exp({x} - {y}), which is the softmax"),
    "Cumsum": _cumulative,
    "Mm": _mm,
    "Bmm": _mm,
    "Dot": lambda o, edge: o.other(edge),
    "Mv": lambda o, edge: f"outer(·, {o.input(1)})" if edge == 0 else f"{o.input(0)}ᵀ @",
    "Addmm": _addmm,
    "Baddbmm": _addmm,
    "Convolution": _convolution,
    "T": TRANSPOSED,
    "Transpose": TRANSPOSED,
    "Permute": of("permuted back"),
    **dict.fromkeys(("View", "UnsafeView", "ReshapeAlias", "Reshape"), RESHAPED),
    "Unsqueeze": of("squeezed back"),
    "Squeeze": of("unsqueezed back"),
    "Expand": _expand,
    "Repeat": of("summed over the copies of {x}"),
    "Flip": of("flipped back"),
    "Roll": of("rolled back"),
    "ConstantPadNd": of("without the padding"),
    "Tril": of("1 on and below the diagonal, 0 above"),
    "Triu": of("1 on and above the diagonal, 0 below"),
    "Diagonal": of("1 on the diagonal, 0 elsewhere"),
    "Unfold": of("1 for each window that it lies in"),
    "ToCopy": of("1, in the dtype of {x}"),
    "Cat": _part,
    "Stack": _part,
    **dict.fromkeys(("Unbind", "Split", "SplitWithSizes", "UnsafeSplit", "UnsafeSplitWithSizes", "Chunk"), OWN_PART),
    "Select": of("1 at the selected place, 0 elsewhere"),
    "Slice": of("1 inside the slice, 0 elsewhere"),
    "Index": of("1 at each index taken, 0 elsewhere"),
    "Embedding": lambda o, edge: "1 at each row looked up, 0 elsewhere" if edge == 0 else None,
    **dict.fromkeys(("IndexSelect", "Gather", "MaskedSelect", "Take"), TAKEN),
    **dict.fromkeys(("IndexPut", "Scatter", "ScatterAdd", "IndexAdd", "SliceScatter", "SelectScatter"), _put),
    **dict.fromkeys(("Max", "Amax"), GREATEST),
    **dict.fromkeys(("Min", "Amin"), LEAST),
    **dict.fromkeys(("Topk", "Sort", "Kthvalue", "Median", "Nanmedian", "Mode", "Cummax", "Cummin"), ORIGIN),
    **dict.fromkeys(
        ("MaxPool2DWithIndices", "MaxPool3DWithIndices", "AdaptiveMaxPool2D", "AdaptiveMaxPool3D"), WINDOWS
    ),
    "AvgPool2D": _average,
    "AdaptiveAvgPool2D": of("1 / (the size of its window)"),
    **dict.fromkeys(("NativeLayerNorm", "NativeBatchNorm", "NativeGroupNorm"), _normalised),
    "torch::autograd::CopyBackwards": _copied,
    "torch::autograd::CopySlices": _slices,
    **dict.fromkeys(("Softmax", "SafeSoftmax"), _softmax("diag({y}) - {y}·{y}ᵀ")),
    **dict.fromkeys(
        ("ScaledDotProductFlashAttentionForCpu", "ScaledDotProductFlashAttention", "ScaledDotProductEfficientAttention",
         "ScaledDotProductCudnnAttention"), _attention,
    ),
    "LogSoftmax": _softmax("I - 1·softmax({x})ᵀ"),
    "NllLoss": _nll,
    "NllLoss2D": _nll,
    "MseLoss": _mse,
    "HuberLoss": _huber,
    "SmoothL1Loss": _smooth_l1,
    "BinaryCrossEntropy": _bce,
    "BinaryCrossEntropyWithLogits": _bce_with_logits,
}  # fmt: skip

AS_IT_IS = (
    "1, ", "transposed", "permuted", "reshaped", "squeezed", "unsqueezed", "summed", "flipped", "rolled",
    "without the padding",
)  # fmt: skip
"""How a formula begins that only moves or sums what arrives."""
