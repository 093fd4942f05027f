"""Layers and functions going forward, as sentences: what each number of the result is made of."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from backstep.explain.figures import counted, listed, number, shape_text
from backstep.explain.names import short
from backstep.explain.operands import is_number
from backstep.trace.event import ForwardEvent, Value

Words = Callable[[ForwardEvent], str | None]


def plain(event: ForwardEvent) -> str:
    """The op's name without the sign that it works in place."""
    return event.op.rstrip("_")


def name(value: Value) -> str:
    return short(value.name) or f"{shape_text(value.shape)} tensor".strip()


def size(value: Value) -> int:
    return math.prod(value.shape)


def dim_of(event: ForwardEvent) -> int | None:
    """The dimension that an op was told to work along, from 0; None where it was not told one."""
    told = [a["value"] for a in event.arguments if a["name"] in (None, "dim")]
    dims = [value for value in told if isinstance(value, int) and not isinstance(value, bool)]
    return dims[0] % max(1, len(event.inputs[0].shape)) if dims else None


# number by number


def each(words: str) -> Words:
    """`Each number of x becomes ...`, of an op with one input and nothing else."""

    def told(event: ForwardEvent) -> str | None:
        return f"Each number of {name(event.inputs[0])} {words}" if len(event.inputs) == 1 else None

    return told


def pair(words: str, alone: str) -> Words:
    """Two tensors, or a tensor and a number; `{x}` and `{y}` are what they are called."""

    def told(event: ForwardEvent) -> str | None:
        names = {argument["name"] for argument in event.arguments} - {None, "other", "exponent"}
        if names or len(event.inputs) > 2:
            return None
        if len(event.inputs) == 2:
            x, y = map(name, event.inputs)
            return words.format(x=x, y=y)
        numbers = [a["value"] for a in event.arguments if is_number(a["value"])]
        if len(numbers) != 1 or not (event.aten or "").startswith(f"aten.{plain(event)}.Tensor"):
            return None  # the number may stand before the tensor, as in 1 / x
        return alone.format(x=name(event.inputs[0]), y=number(numbers[0]))

    return told


# layers


def convolution(event: ForwardEvent) -> str | None:
    """How many products make up a number."""
    if len(event.inputs) < 2 or len(event.inputs[1].shape) < 3:
        return None
    x, kernel, *bias = event.inputs
    more = f", plus {name(bias[0])}" if bias else ""
    terms = counted(math.prod(kernel.shape[1:]), "product")
    made = f"Each number of {name(event.outputs[0])} adds up {terms}"
    return f"{made}: {name(kernel)} laid over a window of {name(x)}{more}"


def embedding(event: ForwardEvent) -> str | None:
    """Which rows were looked up."""
    if len(event.inputs) != 2:
        return None
    index, table = event.inputs if event.inputs[0].dtype.startswith("int") else event.inputs[::-1]
    rows = index.array
    different = "" if rows is None else f", {len(np.unique(rows)):,} different"
    return f"{counted(size(index), 'row')} of {name(table)}{different}: those whose numbers stand in {name(index)}"


def layer_norm(event: ForwardEvent) -> str:
    after = " and ".join(name(value) for value in event.inputs[1:])
    more = f", then scaled and shifted by {after}" if after else ""
    return f"Each row of {name(event.inputs[0])} gets mean 0 and variance 1{more}"


def joined(event: ForwardEvent) -> str:
    along = dim_of(event) or 0
    how = "side by side in a new dimension" if plain(event) == "stack" else f"one after the other along dim {along}"
    return f"{listed([name(value) for value in event.inputs[:4]])} stand {how}: nothing is computed"


def attention(event: ForwardEvent) -> str | None:
    if len(event.inputs) < 3:
        return None
    q, k, v = map(name, event.inputs[:3])
    told = {argument["name"]: argument["value"] for argument in event.arguments}
    upto = ", none after its own place" if told.get("is_causal") else ""
    return f"Each row of {q} looks at the rows of {k}{upto}: the softmax of {q} @ {k}ᵀ / √d mixes the rows of {v}"


def average(event: ForwardEvent) -> str:
    return f"Each number of {name(event.outputs[0])} is the mean of a window of {name(event.inputs[0])}"


def length(event: ForwardEvent) -> str | None:
    """The Euclidean norm alone."""
    told = {argument["name"]: argument["value"] for argument in event.arguments}
    unnamed = [a["value"] for a in event.arguments if a["name"] is None and not isinstance(a["value"], list)]
    power = told.get("p", told.get("ord", unnamed[0] if unnamed else 2))
    if power not in (2, None, "fro"):
        return None
    given, result = event.inputs[0], event.outputs[0]
    root = f"the root of the sum of the squares of {counted(size(given) // max(1, size(result)), 'number')}"
    which = name(result) if size(result) == 1 else f"Each of the {size(result):,} results"
    return f"{which} is {root} of {name(given)}"


def cast(event: ForwardEvent) -> str | None:
    before, after = event.inputs[0].dtype, event.outputs[0].dtype
    return None if before == after else f"The numbers of {name(event.inputs[0])} as {after} instead of {before}"


def same_numbers(event: ForwardEvent) -> str:
    return f"The {counted(size(event.outputs[0]), 'number')} of {name(event.inputs[0])} in a memory of their own"


LAYERS: dict[str, Words] = {
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), convolution),
    "embedding": embedding,
    "layer_norm": layer_norm,
    **dict.fromkeys(("cat", "concat", "stack"), joined),
    "scaled_dot_product_attention": attention,
    **dict.fromkeys(("avg_pool1d", "avg_pool2d", "avg_pool3d"), average),
    **dict.fromkeys(("norm", "linalg_norm", "linalg_vector_norm"), length),
    **dict.fromkeys(("to", "double", "float", "half", "bfloat16", "_to_copy"), cast),
    **dict.fromkeys(("clone", "contiguous", "_unsafe_view"), same_numbers),
}
NUMBER_BY_NUMBER: dict[str, Words] = {
    "add": pair("Each number of {x} plus the one of {y} at its place", "Each number of {x} plus {y}"),
    "sub": pair("Each number of {x} minus the one of {y} at its place", "Each number of {x} minus {y}"),
    "mul": pair("Each number of {x} times the one of {y} at its place", "Each number of {x} times {y}"),
    "div": pair("Each number of {x} over the one of {y} at its place", "Each number of {x} over {y}"),
    "pow": pair("Each number of {x} to the power of the one of {y}", "Each number of {x} to the power of {y}"),
    "tanh": each("is squeezed by tanh between -1 and 1"),
    "sigmoid": each("is squeezed by the sigmoid between 0 and 1"),
    "exp": each("becomes e to its power"),
    "log": each("becomes its natural logarithm"),
    "sqrt": each("becomes its square root"),
    "square": each("is squared"),
    "neg": each("turns its sign"),
    "abs": each("loses its sign"),
    "reciprocal": each("becomes one over it"),
    **{kind: each(f"goes through {kind}") for kind in ("gelu", "silu", "elu", "softplus", "leaky_relu", "mish")},
}
