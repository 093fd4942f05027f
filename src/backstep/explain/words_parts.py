"""Views, pieces and choices as sentences: who gets a gradient, and who gets 0."""

from __future__ import annotations

import math

import numpy as np

from backstep.explain.figures import counted
from backstep.explain.step import Step


def moved(step: Step) -> str | None:
    name = step.op.op if step.op is not None else step.kind.lower()
    return f"{name} moved no number: the {counted(step.size, 'gradient')} go back into the shape of {step.x} unchanged"


def expand(step: Step) -> str | None:
    if step.arrived is None or not step.size:
        return None
    copies = math.prod(step.out_shape) // step.size
    if copies == 1:
        return moved(step)
    return f"Every number of {step.x} was read {copies:,} times: the gradients of its copies are added up"


def written(step: Step) -> str:
    """An op in place on a view: what became of the base."""
    name = step.op.op if step.op is not None else "an op"
    if step.story.index == 0:
        return f"{name} wrote into a part of {step.x} in place: there its own rule holds, the rest passes unchanged"
    return f"Only the part that {name} wrote in place came from {step.x}: only its gradient goes there"


def joined(step: Step) -> str:
    return f"The gradient is cut up again: {step.x} gets back the part that it was"


def taken(step: Step) -> str | None:
    if step.reached == step.size:
        return f"All {counted(step.size, 'number')} of {step.x} were taken, and get a gradient"
    if step.reached is None:
        return f"Only what was taken from {step.x} gets a gradient, the rest gets 0"
    rest = step.size - step.reached
    others = f"; the other {rest:,} get 0" if rest else ""
    return f"{step.reached:,} of the {step.size:,} numbers of {step.x} were taken and get a gradient{others}"


def looked_up(step: Step) -> str | None:
    """Rows by their numbers: how many of them, and how many more than once."""
    arrays = [] if step.op is None else [value.array for value in step.op.inputs]
    rows = next((array for array in arrays if array is not None and array.dtype.kind in "iu"), None)
    if rows is None or not step.in_shape or rows.size == 0:
        return taken(step)
    if step.kind == "Index" and (rows.ndim != 1 or step.op is None or len(step.op.inputs) != 2):
        return taken(step)
    if step.kind == "IndexSelect" and step.number("dim") != 0:
        return taken(step)
    taken_rows, uses = np.unique(rows % step.in_shape[0], return_counts=True)
    padding = step.number("padding_idx", -1) if step.kind == "Embedding" else -1
    unused = ""
    if padding is not None and padding >= 0 and padding in taken_rows:
        uses = uses[taken_rows != padding]
        unused = f"; row {padding:g} is padding and gets none"
    again = int((uses > 1).sum())
    more = f", the gradients of {again:,} of them added up, for they were taken more than once" if again else ""
    if len(uses) == step.in_shape[0]:
        return f"Every row of {step.x} was taken and gets a gradient{more}"
    rows_taken = f"{len(uses):,} of the {step.in_shape[0]:,} rows of {step.x}"
    verb = "was taken and gets a gradient" if len(uses) == 1 else "were taken and get a gradient"
    return f"{rows_taken} {verb}{more}; the others get 0{unused}"


def cast(step: Step) -> str:
    """To another dtype, and back."""
    if step.arrived is None or step.left is None or step.arrived.dtype == step.left.dtype:
        return f"The gradient of {step.y} goes to {step.x} as it is"
    change = f"{step.arrived.dtype} to {step.left.dtype}"
    return f"Only the dtype changes, from {change}, which {step.x} has: the numbers stay, to its rounding"


def padded(step: Step) -> str | None:
    if step.arrived is None or step.size > math.prod(step.out_shape):
        return None
    around = math.prod(step.out_shape) - step.size
    return f"The {counted(around, 'number')} of padding came from nowhere: their gradients are cut off"


def put(step: Step) -> str:
    """Numbers that were written into a copy, or added to it."""
    formula = step.story.formula
    if step.story.index == 0:
        if formula == "1":
            return f"Something was added to {step.x}: its gradient is the one that arrives"
        return f"Where a number was put, the old one of {step.x} is gone and gets 0; elsewhere the gradient passes"
    return f"Each number of {step.x} gets the gradient of the place where it was put"


def windows(step: Step) -> str:
    return f"Each number of {step.x} gets the gradients of all the windows that it lies in, added up"


def upsampled(step: Step) -> str:
    return f"Each number of {step.x} went into several places of {step.y}: each of these sends back its share"


def chosen(step: Step) -> str | None:
    """Of the greatest, the least, the middle one."""
    what = {"Max": "greatest", "Amax": "greatest", "Min": "least", "Amin": "least", "Topk": "greatest"}.get(step.kind)
    what = "greatest of its window" if "Pool" in step.kind else what
    named = f"{step.x} where it was the {what}" if what else f"the numbers of {step.x} that were chosen"
    if step.reached is None:
        return f"The gradient goes only to {named}; everything else gets 0"
    if step.reached == step.size:
        return f"The gradient goes to {named}: here to every number of it"
    return f"The gradient goes only to {named}: to {step.reached:,} of {step.size:,} numbers; the others get 0"
