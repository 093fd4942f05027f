"""Where each pane stands on a screen of a given size: one pure function."""

from __future__ import annotations

from typing import NamedTuple


class Box(NamedTuple):
    """Cells: left, top, width, height."""

    x: int
    y: int
    width: int
    height: int


PANES = ("source", "graph", "chain", "tensors", "events")
SMALLEST = (40, 12)
HINTED = 18
"""Rows of a screen that has one for a hint."""


def regions(
    width: int, height: int, *, events: bool = False, zoomed: str | None = None, lecture: bool = False,
    hint: bool = False,
) -> dict[str, Box]:  # fmt: skip
    """The boxes of the Debug view, or of the Lecture view, which has the graph and the chain rule over its width.

    `events` puts Events in Graph's place where there is no room for both; `hint` asks for a row under the timeline.
    """
    if width < SMALLEST[0] or height < SMALLEST[1]:
        return {}
    timeline = 5 if wide(width, height) else 4 if medium(width, height) else 3
    top = 1 + timeline
    boxes = {
        "header": Box(0, 0, width, 1),
        "timeline": Box(0, 1, width, timeline),
        "hints": Box(0, height - 1, width, 1),
    }
    if hint and height >= HINTED:
        boxes["hint"] = Box(0, top, width, 1)
        top += 1
    body = Box(0, top, width, height - top - 1)
    if zoomed is not None:
        return {**boxes, zoomed: body}
    if lecture and width >= 60 and height >= 20:
        return {**boxes, **_lecture(body)}
    if wide(width, height):
        return {**boxes, **_wide(body)}
    if medium(width, height):
        return {**boxes, **_medium(body)}
    if width >= 60 and height >= 20:
        return {**boxes, **_small(body, "events" if events else "graph")}
    return {**boxes, **_smallest(body, events)}


def medium(width: int, height: int) -> bool:
    return width >= 110 and height >= 28


def wide(width: int, height: int) -> bool:
    return width >= 170 and height >= 44


def _lecture(body: Box) -> dict[str, Box]:
    """For a projector: graph, chain rule, and below a strip of source beside the tensors."""
    strip = max(4, body.height // 4)
    chain = max(7, (body.height - strip) * 45 // 100)
    graph = body.height - strip - chain
    left = body.width * 42 // 100
    bottom = body.y + graph + chain
    return {
        "graph": Box(0, body.y, body.width, graph),
        "chain": Box(0, body.y + graph, body.width, chain),
        "source": Box(0, bottom, left, strip),
        "tensors": Box(left + 1, bottom, body.width - left - 1, strip),
    }


def _small(body: Box, second: str) -> dict[str, Box]:
    tensors = max(3, min(4, body.height - 15))
    chain = max(6, (body.height - tensors) * 2 // 5)
    upper = body.height - chain - tensors
    left = body.width // 2 - 1
    return {
        "source": Box(0, body.y, left, upper),
        second: Box(left + 1, body.y, body.width - left - 1, upper),
        "chain": Box(0, body.y + upper, body.width, chain),
        "tensors": Box(0, body.y + upper + chain, body.width, tensors),
    }


def _smallest(body: Box, events: bool) -> dict[str, Box]:
    chain = max(4, min(6, body.height // 2))
    upper = body.height - chain
    return {
        "events" if events else "source": Box(0, body.y, body.width, upper),
        "chain": Box(0, body.y + upper, body.width, chain),
    }


def _medium(body: Box) -> dict[str, Box]:
    left = body.width * 38 // 100
    right = body.width - left - 1
    source = body.height // 2
    tensors = min(14, max(6, body.height * 27 // 100))
    chain = min(16, max(9, body.height * 33 // 100))
    graph = body.height - tensors - chain
    return {
        "source": Box(0, body.y, left, source),
        "events": Box(0, body.y + source, left, body.height - source),
        "graph": Box(left + 1, body.y, right, graph),
        "chain": Box(left + 1, body.y + graph, right, chain),
        "tensors": Box(left + 1, body.y + graph + chain, right, tensors),
    }


def _wide(body: Box) -> dict[str, Box]:
    left, last = 52, max(64, min(90, body.width * 32 // 100))
    middle = body.width - left - last - 2
    upper = body.height // 2
    return {
        "source": Box(0, body.y, left, upper),
        "events": Box(0, body.y + upper, left, body.height - upper),
        "graph": Box(left + 1, body.y, middle, upper),
        "tensors": Box(left + middle + 2, body.y, last, upper),
        "chain": Box(left + 1, body.y + upper, body.width - left - 1, body.height - upper),
    }
