"""What an op did, in one plain sentence: what its numbers are made of, who was used more than once, what changed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from backstep.explain.figures import counted, listed, number, places, spread_dims
from backstep.explain.words_forward import LAYERS, NUMBER_BY_NUMBER, dim_of, name, plain, size
from backstep.trace.event import ForwardEvent

VIEWS = frozenset(
    """
    alias as_strided detach diagonal expand permute select slice split split_with_sizes squeeze t transpose unbind
    unfold unsqueeze view view_as_real view_as_complex
    """.split()
)
"""Aten ops whose result is the memory of their input."""
BINARY = frozenset("add sub mul div pow rsub maximum minimum where atan2 remainder fmod".split())
BINARY_SCHEMAS = tuple(f"aten.{name}" for name in ("add", "sub", "mul", "div", "pow", "rsub", "maximum", "minimum"))


def forward_sentence(event: ForwardEvent) -> str:
    """One sentence; it ends with what autograd makes of the op where that is not the usual."""
    if not event.outputs:
        told = listed([name(value) for value in event.inputs[:3]])
        return f"The numbers of {told} leave torch here: no gradient flows back through them."
    fresh = not event.inputs or plain(event) in LIKE
    said = made(event) if fresh else changed(event) or (WORDS.get(plain(event)) or general)(event)
    return f"{said or general(event)}{broadcast(event)}{unrecorded(event)}."


def made(event: ForwardEvent) -> str:
    result = event.outputs[0]
    leaf = ", a leaf: its .grad will be kept" if result.requires_grad and result.leaf else ""
    like = f", as many as {name(event.inputs[0])} has" if event.inputs else ""
    return f"{event.op} makes {name(result)}: {counted(size(result), 'number')}{like}{leaf}"


def general(event: ForwardEvent) -> str:
    given = listed(list(dict.fromkeys(name(value) for value in event.inputs)))
    result = event.outputs[0]
    if (event.aten or "..").split(".")[1] in VIEWS:
        return f"{name(result)} is a view of {name(event.inputs[0])}: {part_of(event)}, nothing is computed or copied"
    what = counted(size(result), "number") if len(event.outputs) == 1 else counted(len(event.outputs), "tensor")
    return f"{event.op} works out {what} from {given}"


def part_of(event: ForwardEvent) -> str:
    """How many of the numbers a view shows."""
    shown, there = sum(map(size, event.outputs)), size(event.inputs[0])
    return "the same numbers" if shown == there else f"{shown:,} of its {there:,} numbers" if shown < there else \
           f"the same {counted(there, 'number')}, seen more than once"  # fmt: skip


def changed(event: ForwardEvent) -> str | None:
    """Of an op in place: the tensor itself, and what that means for those who kept the old numbers."""
    if not event.inplace:
        return None
    result = event.outputs[0]
    return f"{event.op} changes {name(result)} itself: its old numbers are gone (version {result.version})"


def broadcast(event: ForwardEvent) -> str:
    """Who was used more than once in an op that works number by number."""
    if plain(event) not in BINARY and not (event.aten or "").startswith(BINARY_SCHEMAS):
        return ""
    outer = event.outputs[0].shape
    for value in event.inputs:
        dims = spread_dims(value.shape, outer) if len(value.shape) <= len(outer) else ()
        if dims and value.shape != outer:
            over = places(dims, outer)
            return f"; {name(value)} is used in {over if over.startswith('all') else f'each of {over}'}"
    return ""


def unrecorded(event: ForwardEvent) -> str:
    if not event.grad_enabled and any(value.requires_grad for value in event.inputs):
        return "; no graph is built, since grad mode is off"
    return ""


def product(event: ForwardEvent) -> str | None:
    if len(event.inputs) < 2:
        return None
    one, other = (event.inputs[1:3] if plain(event) in ("addmm", "baddbmm") else event.inputs[:2])
    if not one.shape or len(other.shape) < 2:
        return None
    adds_up = f"Each number of {name(event.outputs[0])} adds up {counted(one.shape[-1], 'product')}"
    if plain(event) == "linear":
        bias = f", plus {name(event.inputs[2])}" if len(event.inputs) > 2 else ""
        return f"{adds_up}: a row of {name(one)} times a row of {name(other)}{bias}"
    bias = f", plus {name(event.inputs[0])}" if plain(event) in ("addmm", "baddbmm") else ""
    given = name(one) if len(one.shape) == 1 else f"a row of {name(one)}"
    return f"{adds_up}: {given} times a column of {name(other)}{bias}"


def cut_off(event: ForwardEvent) -> str | None:
    """relu: how many were not positive."""
    array = event.inputs[0].array
    if array is None or not np.isfinite(array).all():
        return None
    gone = int((array <= 0).sum())
    if not gone and array.size:
        return f"{counted(array.size, 'number')} of {name(event.inputs[0])}, all positive: nothing changes"
    return f"{gone:,} of {array.size:,} numbers of {name(event.inputs[0])} are not positive and become 0"


def dropped(event: ForwardEvent) -> str | None:
    before, after = event.inputs[0].array, event.outputs[0].array
    if before is None or after is None or before.shape != after.shape or not np.isfinite(before).all():
        return None
    gone, there = (before != 0) & (after == 0), (before != 0) & (after != 0)
    if not gone.any():
        return f"Nothing of {name(event.inputs[0])} is dropped"
    factors = after[there] / before[there]
    kept = f", the others are multiplied by {number(float(factors.mean()))}" if there.any() else ""
    return f"{int(gone.sum()):,} of {before.size:,} numbers of {name(event.inputs[0])} are dropped{kept}"


def total(event: ForwardEvent) -> str:
    result, given = event.outputs[0], event.inputs[0]
    each = size(given) // max(1, size(result))
    what = {"sum": "adds up", "mean": "is the mean of", "prod": "multiplies"}[plain(event)]
    if size(result) == 1:
        return f"{name(result)} {what} the {counted(each, 'number')} of {name(given)}"
    return f"Each of the {size(result):,} results {what} {counted(each, 'number')} of {name(given)}"


def picked(event: ForwardEvent) -> str:
    if len(event.inputs) > 1:
        one, other = event.inputs[:2]
        which = "larger" if plain(event).startswith("max") else "smaller"
        return f"Each result is the {which} of the numbers of {name(one)} and {name(other)} at its place"
    return f"Each result is one of the numbers of {name(event.inputs[0])}: only to those will a gradient go back"


def probabilities(event: ForwardEvent) -> str | None:
    logs = "logarithms of " if "log" in event.op else ""
    given, dim = event.inputs[0], dim_of(event)
    if dim is None:
        return None
    which = {(1, 0): "The numbers", (2, 0): "Each column", (2, 1): "Each row"}.get((len(given.shape), dim))
    if which is None:
        return f"Along dimension {dim} the numbers of {name(given)} become {logs}probabilities that add up to 1"
    becomes = "become" if which == "The numbers" else "becomes"
    return f"{which} of {name(given)} {becomes} {logs}probabilities that add up to 1"


def cross_entropy(event: ForwardEvent) -> str:
    return f"How improbable the targets are by the scores {name(event.inputs[0])}: minus the log of their softmax"


def squared(event: ForwardEvent) -> str | None:
    if len(event.inputs) < 2:
        return None
    differences = f"squared differences of {name(event.inputs[0])} and {name(event.inputs[1])}"
    reduction = {"mean": "mean", 1: "mean", "sum": "sum", 2: "sum"}
    told = [a["value"] for a in event.arguments if a["name"] in (None, "reduction")]
    how = [reduction[value] for value in told if is_reduction(value)]
    if event.outputs[0].shape:
        return f"The {differences}"
    return f"The {how[0] if how else 'mean'} of the {differences}"


def is_reduction(value: object) -> bool:
    return value in ("mean", "sum", 1, 2) and not isinstance(value, bool | float)


LIKE = frozenset(f"{what}_like" for what in ("zeros", "ones", "empty", "full", "rand", "randn", "randint"))
"""What takes only the shape of its input."""
WORDS: dict[str, Callable[[ForwardEvent], str | None]] = {
    **LAYERS,
    **NUMBER_BY_NUMBER,
    **dict.fromkeys(("linear", "mm", "bmm", "matmul", "addmm", "baddbmm"), product),
    "relu": cut_off,
    **dict.fromkeys(("dropout", "native_dropout"), dropped),
    **dict.fromkeys(("sum", "mean", "prod"), total),
    **dict.fromkeys(("max", "min", "amax", "amin", "topk", "max_pool2d", "max_pool2d_with_indices", "median"), picked),
    **dict.fromkeys(("softmax", "_softmax", "log_softmax", "_log_softmax"), probabilities),
    "cross_entropy": cross_entropy,
    "mse_loss": squared,
}
