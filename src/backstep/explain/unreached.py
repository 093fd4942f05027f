"""Why a backward pass did not reach a leaf: how the leaf was used in what ran before the pass."""

from __future__ import annotations

import numpy as np

from backstep.explain.figures import listed
from backstep.explain.names import short
from backstep.trace.batch import KIND_CODE
from backstep.trace.event import BackwardStartEvent, ForwardEvent
from backstep.trace.records import Forward
from backstep.trace.trace import Trace

LOOKED_AT = 4096
"""Events before a pass in which the uses of a leaf are looked for."""
CUTS = frozenset({"detach", "data", "item", "tolist", "numpy", "__array__"})
"""Ops through which no gradient comes back."""


def why_unreached(trace: Trace, leaf: int, start: BackwardStartEvent) -> str:
    """The reason, as far as the uses of the leaf tell it; else that there is no path."""
    roots = listed([short(root.name) for root in start.roots])
    missed = f"the pass from {roots} at #{start.position} did not come by"
    used = uses_before(trace, leaf, start.position)
    if not used:
        return f"{missed}: no op used it {since_when(trace, start.position)}"
    last = used[-1]
    line = f" (line {last.source.line})" if last.source is not None else ""
    if all(not value.requires_grad for event in used for value in event.inputs if value.tensor == leaf):
        return f"{missed}: requires_grad was False when it was used{line}"
    if all(not event.grad_enabled for event in used):
        return f"{missed}: it was used with grad mode off only{line}"
    if all(event.op in CUTS for event in used):
        return f"{missed}: it was used only through {last.op}{line}, which cuts it off"
    return f"{missed}: no path of the graph leads from there to it"


def uses_before(trace: Trace, leaf: int, position: int) -> list[ForwardEvent]:
    """The ops that read the leaf since the backward pass before; of a composite not its parts."""
    used = []
    for at in range(begin(trace, position), position):
        row = trace.row(at)
        if isinstance(row, Forward) and row.parent < 0 and any(value.tensor == leaf for value in row.inputs):
            event = trace.event(at)
            assert isinstance(event, ForwardEvent)
            used.append(event)
    return used


def begin(trace: Trace, position: int) -> int:
    """Where the pass before ended that was no grad(); no farther back than is looked."""
    earlier = passes_before(trace, position - 1)
    last = next((start for start in reversed(earlier) if is_backward(trace, start)), None)
    ended = 0 if last is None else trace.span_of_pass(last)[1] + 1
    return max(ended, position - LOOKED_AT)


def since_when(trace: Trace, position: int) -> str:
    return "before" if not begin(trace, position) else f"since #{begin(trace, position)}"


def passes_before(trace: Trace, position: int) -> list[int]:
    """Where the passes began, up to a position."""
    kinds = trace.columns["kind"][: position + 1]
    return [int(at) for at in np.flatnonzero(kinds == KIND_CODE["backward_start"])]


def is_backward(trace: Trace, start: int) -> bool:
    """Whether a pass was one that adds to `.grad`."""
    event = trace.event(start)
    return isinstance(event, BackwardStartEvent) and event.api == "backward"
