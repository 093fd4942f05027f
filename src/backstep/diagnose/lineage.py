"""Where a value comes from: what an iteration took over from an earlier one, and where the way of a gradient is cut."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from backstep.diagnose.story import Pass, Story
from backstep.diagnose.wording import quoted
from backstep.trace.event import ForwardEvent, Value

TAKES_OUT = frozenset({"item", "tolist", "numpy", "__array__", "__float__", "float", "int"})
"""What makes a plain number of a tensor: no gradient comes back from there."""


def described(event: ForwardEvent) -> str:
    """The op as the user wrote it."""
    return quoted(event.source.code) if event.source is not None else event.op


@dataclass(frozen=True, slots=True)
class Carried:
    """An op that took in a value with a graph behind it that an earlier iteration had made."""

    event: ForwardEvent
    value: Value
    made: ForwardEvent


def carried_over(story: Story, one: Pass) -> Carried | None:
    """The nearest op of the pass's iteration that took over a graph of an earlier iteration."""
    iteration = one.start.iteration
    if iteration is None:
        return None
    for root in one.start.roots:
        for event in story.ancestors(root, one.start.position):
            if event.iteration == iteration:
                carried = taken_over(story, event, iteration)
                if carried is not None:
                    return carried
    return None


def taken_over(story: Story, event: ForwardEvent, iteration: int) -> Carried | None:
    for value in event.inputs:
        if value.requires_grad and not value.leaf:
            made = story.maker(value.tensor, event.position)
            if made is not None and made.iteration is not None and made.iteration < iteration:
                return Carried(event, value, made)
    return None


def cuts(story: Story, value: Value, before: int) -> Iterator[ForwardEvent]:
    """The ops behind a value at which a gradient's way ends: something that needs one goes in, nothing comes out."""
    for event in story.ancestors(value, before):
        if any(one.requires_grad for one in event.inputs) and not any(one.requires_grad for one in event.outputs):
            yield event


def taken_out_before(story: Story, event: ForwardEvent) -> ForwardEvent | None:
    """The op that took a number out of torch, with a graph behind it, shortly before a new tensor was made."""
    for other in reversed(story.forwards):
        if event.position - 50 <= other.position < event.position and other.op in TAKES_OUT:
            return other
    return None
