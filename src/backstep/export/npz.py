"""`export --format npz`: tensors as they are at a position, for `numpy.load`."""

from __future__ import annotations

import io
from typing import BinaryIO

import numpy as np

from backstep.replay.moment import Moment
from backstep.trace.event import Array, Value
from backstep.trace.trace import Trace
from backstep.view.tensors import values_of_iteration


def write(trace: Trace, stream: BinaryIO, *, at: int | None = None, tensors: tuple[str, ...] = ()) -> None:
    """One array a tensor under its name: the leaves and their gradients, or the tensors that are named (`w`, `w.grad`).

    ValueError where one that is named is not known, or was not kept. Without `at` they are those at the end.
    """
    if not len(trace):
        raise ValueError("the trace has no events")
    moment = Moment(trace, len(trace) - 1 if at is None else at)
    arrays = {name: named(moment, name) for name in tensors} if tensors else of_leaves(moment)
    # The archive is seekable only in memory; it holds what a position has, not what the trace has.
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    stream.write(file.getvalue())


def of_leaves(moment: Moment) -> dict[str, Array]:
    """The values and gradients of all leaves that were kept."""
    arrays: dict[str, Array] = {}
    for leaf in moment.leaves:
        name = moment.trace.leaves[leaf]
        for key, value in ((name, moment.value(leaf)), (f"{name}.grad", moment.grad(leaf))):
            if value is not None and value.array is not None:
                arrays[key] = typed(value)
    return arrays


def typed(value: Value) -> Array:
    """The numbers in the tensor's own type, where numpy has it; bfloat16 and the like as float32."""
    array = value.array
    assert array is not None
    try:
        return array.astype(value.dtype)
    except TypeError:
        return array


def named(moment: Moment, name: str) -> Array:
    trace = moment.trace
    owner = name.removesuffix(".grad")
    leaf = next((number for number, known in trace.leaves.items() if known == owner), None)
    value: Value | None
    if name != owner and leaf is not None:
        value = moment.grad(leaf)
    else:
        made = (one for one in values_of_iteration(moment) if one.name == name)
        try:
            value = next(made, None) or moment.value(trace.number(name))
        except KeyError as error:
            raise ValueError(str(error.args[0])) from None
    if value is None:
        raise ValueError(f"{name} has no value at #{moment.position}")
    if value.array is None:
        raise ValueError(f"{name} was not kept: {value.omitted}")
    return typed(value)
