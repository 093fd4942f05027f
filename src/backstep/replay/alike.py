"""The event of one iteration that does what an event of another one does."""

from __future__ import annotations

from collections.abc import Iterator

from backstep.replay.moment import Moment
from backstep.trace.event import Event

FURTHEST = 64
"""So many events from where it would be in an iteration just like this one it is looked for."""


def alike(moment: Moment, pinned: Moment) -> Moment | None:
    """The same event in the iteration of a pinned moment, that moment itself if it is one; None if there is none."""
    wanted = _what(moment.event)
    if _what(pinned.event) == wanted:
        return pinned
    first, last = pinned.iteration_span
    expected = first + moment.position - moment.iteration_span[0]
    kind = moment.trace.kind_at(moment.position)
    for position in _around(expected):
        if first <= position <= last and pinned.trace.kind_at(position) == kind:
            found = Moment(pinned.trace, position)
            if _what(found.event) == wanted:
                return found
    return None


def _around(position: int) -> Iterator[int]:
    yield position
    for distance in range(1, FURTHEST + 1):
        yield from (position - distance, position + distance)


def _what(event: Event) -> tuple[object, ...]:
    """What it does to what, whatever the numbers are."""
    match event.kind:
        case "forward":
            return event.kind, event["op"], tuple(value.name for value in event["outputs"])
        case "backward":
            return event.kind, event["op"], tuple(edge.input for edge in event["edges"])
        case "accumulate" | "update" | "zero_grad" | "grad_write":
            return event.kind, event["tensor"]
    return (event.kind,)
