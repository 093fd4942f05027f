"""What a row of the spine carries at a moment: the value that it has, the gradient that has reached it."""

from __future__ import annotations

from backstep.replay.moment import Moment
from backstep.trace.event import Value
from backstep.view.spine import Spine, SpineRow


def value_of(moment: Moment, row: SpineRow) -> Value | None:
    """What an op has made, or an input from outside is; None before its time."""
    if row.is_op:
        return _made(moment, row)
    if row.tensor in moment.trace.leaves:
        return moment.value(row.tensor) or _as_taken(moment, row)
    # Of a leaf each write is known; a buffer changes unseen, and is what its op was given.
    return _as_taken(moment, row) or moment.value(row.tensor)


def _made(moment: Moment, row: SpineRow) -> Value | None:
    """What an op made when it ran."""
    if row.position > moment.position:
        return None
    outputs = moment.trace.event(row.position)["outputs"]
    return outputs[0] if outputs else None


def _as_taken(moment: Moment, row: SpineRow) -> Value | None:
    """An input as its op took it."""
    if row.position > moment.position:
        return None
    inputs = moment.trace.event(row.position)["inputs"]
    return next((value for value in inputs if value.tensor == row.tensor), None)


def is_leaf(moment: Moment, row: SpineRow) -> bool:
    """Whether the row is a leaf: one from outside, or from when it is made."""
    made = row.is_op and not row.needs_grad and row.position <= moment.position
    return row.tensor in moment.trace.leaves and (made or not row.is_op)


def has_run_backward(moment: Moment, row: SpineRow) -> bool:
    """Whether a node of the op has run by now."""
    return bool(row.backwards) and row.backwards[0] <= moment.position


def arrived_at(moment: Moment, row: SpineRow) -> Value | None:
    """The gradient of what an op made, once a node of it has run; None where autograd passed None."""
    upstream = moment.trace.event(row.backwards[0])["upstream"]
    return next((value for value in upstream if value is not None), None)


def in_transit(moment: Moment, spine: Spine, leaf: int, written: int | None) -> Value | None:
    """A gradient that has left a node for this leaf and is not yet in its `.grad`, last written at `written`."""
    left = [at for at in spine.arrivals.get(leaf, ()) if at[0] <= moment.position]
    if not left:
        return None
    position, index = left[-1]
    if written is not None and written > position:
        return None
    downstream: Value | None = moment.trace.event(position)["edges"][index].downstream
    return downstream
