"""Where each pane stands on a screen of a given size: one pure function."""

from __future__ import annotations

from typing import NamedTuple


class Box(NamedTuple):
    """Cells: left, top, width, height."""

    x: int
    y: int
    width: int
    height: int


PANES = ("source", "graph", "chain", "tensors", "events", "loss")
VIEWS = ("debug", "lecture", "data")
"""What is shown beside what: everything; graph and chain rule for a projector; tensors and events."""
SMALLEST = (40, 12)
HINTED = 18
"""Rows of a screen that has one for a hint."""


def regions(
    width: int, height: int, *, view: str = "debug", instead: str = "graph", zoomed: str | None = None,
    hint: bool = False,
) -> dict[str, Box]:  # fmt: skip
    """The boxes of a view; where there is little room every view is a small Debug.

    `instead` names who stands in Graph's place where there is no room for both: Graph itself, Events or Loss; `hint`
    asks for a row under the timeline.
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
    if width < 60 or height < 20:
        return {**boxes, **_smallest(body, "source" if instead == "graph" else instead)}
    if view == "lecture":
        return {**boxes, **_lecture(body)}
    if view == "data":
        return {**boxes, **(_wide_data(body) if wide(width, height) else _data(body))}
    if wide(width, height):
        return {**boxes, **_wide(body)}
    if medium(width, height):
        return {**boxes, **_medium(body, "loss" if instead == "loss" else "graph")}
    return {**boxes, **_small(body, instead)}


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


def _data(body: Box) -> dict[str, Box]:
    """For who follows numbers: the table of tensors over the width, events and what the current one does below."""
    upper = body.height * 55 // 100
    left = body.width * 45 // 100
    below = body.y + upper
    return {
        "tensors": Box(0, body.y, body.width, upper),
        "events": Box(0, below, left, body.height - upper),
        "chain": Box(left + 1, below, body.width - left - 1, body.height - upper),
    }


def _wide_data(body: Box) -> dict[str, Box]:
    left = body.width * 55 // 100
    upper = body.height * 55 // 100
    right = body.width - left - 1
    return {
        "tensors": Box(0, body.y, left, body.height),
        "events": Box(left + 1, body.y, right, upper),
        "chain": Box(left + 1, body.y + upper, right, body.height - upper),
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


def _smallest(body: Box, first: str) -> dict[str, Box]:
    chain = max(4, min(6, body.height // 2))
    upper = body.height - chain
    return {
        first: Box(0, body.y, body.width, upper),
        "chain": Box(0, body.y + upper, body.width, chain),
    }


def _medium(body: Box, second: str) -> dict[str, Box]:
    left = body.width * 38 // 100
    right = body.width - left - 1
    source = body.height // 2
    tensors = min(14, max(6, body.height * 27 // 100))
    chain = min(16, max(9, body.height * 33 // 100))
    graph = body.height - tensors - chain
    return {
        "source": Box(0, body.y, left, source),
        "events": Box(0, body.y + source, left, body.height - source),
        second: Box(left + 1, body.y, right, graph),
        "chain": Box(left + 1, body.y + graph, right, chain),
        "tensors": Box(left + 1, body.y + graph + chain, right, tensors),
    }


def _wide(body: Box) -> dict[str, Box]:
    left, last = 52, max(64, min(90, body.width * 32 // 100))
    middle = body.width - left - last - 2
    upper = body.height * 55 // 100
    loss = max(9, upper // 3)
    return {
        "source": Box(0, body.y, left, upper),
        "events": Box(0, body.y + upper, left, body.height - upper),
        "graph": Box(left + 1, body.y, middle, upper),
        "loss": Box(left + middle + 2, body.y, last, loss),
        "tensors": Box(left + middle + 2, body.y + loss, last, upper - loss),
        "chain": Box(left + 1, body.y + upper, body.width - left - 1, body.height - upper),
    }
