"""The whole screen as rows: a pure function of the moment, the size and the view. Nothing here knows Textual."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

from rich.segment import Segment

from backstep.replay.alike import alike
from backstep.replay.moment import Moment
from backstep.replay.selection import Selection
from backstep.replay.tree import Scope
from backstep.tui.prompt import Prompt, prompt_row
from backstep.tui.regions import Box, regions
from backstep.view import beside, chain, events, graph, header, hints, loss, source, tensors, timeline, whole
from backstep.view.marks import Marks
from backstep.view.rows import Row, fill_rows, fit, join, safe
from backstep.view.theme import Theme

BODIES: dict[str, ModuleType] = {
    "source": source,
    "graph": graph,
    "chain": chain,
    "tensors": tensors,
    "events": events,
    "loss": loss,
}


@dataclass(frozen=True, slots=True)
class View:
    """What is shown of a moment: the focused pane, whether it is alone, and what the last row says."""

    focus: str = "chain"
    zoomed: bool = False
    instead: str = "graph"
    """Which pane stands in Graph's place where there is no room for both."""
    spine: bool = False
    fold: int | None = None
    """How often the graph is unfolded, if that was asked for."""
    only: str = ""
    """The words that an event must have to be listed."""
    future: bool | None = None
    """Whether Events tells what is still to come, if that was asked for."""
    layout: str = "debug"
    """One of `VIEWS`."""
    marks: tuple[Marks, ...] = ()
    stops: frozenset[tuple[str, int]] = frozenset()
    """The lines, by their files, that have a stop."""
    pinned: Moment | None = None
    """The moment that this one is compared with."""
    hint: str = ""
    """What is said unasked, in a row of its own."""
    hints: tuple[tuple[str, str], ...] = ()
    message: str = ""
    alarm: bool = False
    whole: Scope | None = None
    """The scope that is meant as a whole, if one is."""
    selected: Selection | None = None
    """The tensor, or gradient, that was chosen to be followed."""
    term: int = 0
    """Which of the inputs the Chain rule begins with."""
    playing: str = ""
    """How fast it plays, if it does."""
    prompt: Prompt | None = None
    """The question that is open in the last row."""


def picture(moment: Moment, width: int, height: int, view: View, theme: Theme) -> list[Row]:
    """Exactly `height` rows of exactly `width` cells."""
    boxes = boxes_of(width, height, view)
    if not boxes:
        return too_small(moment, width, height, theme)
    parts = [(box, pane(name, moment, box, view, theme)) for name, box in boxes.items()]
    return [row_at(y, parts, width) for y in range(height)]


def boxes_of(width: int, height: int, view: View) -> dict[str, Box]:
    """Where each pane stands in this view."""
    zoomed = view.focus if view.zoomed else None
    return regions(
        width, height, view=view.layout, instead=view.instead, zoomed=zoomed, hint=bool(view.hint)
    )  # fmt: skip


def pane(name: str, moment: Moment, box: Box, view: View, theme: Theme) -> list[Row]:
    """The rows of one region."""
    if name == "header":
        return header.build(moment, box.width, 1, theme, playing=view.playing)
    if name == "timeline":
        return timeline.build(moment, box.width, box.height, theme, marks=view.marks)
    if name == "hint":
        hint, closing = Segment(f" {safe(view.hint)}", theme.brand), Segment("  Esc closes ", theme.brand)
        return [join([hint], [closing], box.width, theme.brand)]
    if name == "hints":
        return [status(view, box.width, theme)]
    if name == "chain" and view.whole is not None:
        top = whole.title(moment, view.whole, box.width, theme)
        return [
            focused(top, theme) if name == view.focus else top,
            *whole.build(moment, view.whole, box.width, box.height - 1, theme),
        ]
    if name == "tensors" and view.pinned is not None:
        top = beside.title(moment, view.pinned, box.width, theme)
        return [
            focused(top, theme) if name == view.focus else top,
            *beside.build(moment, view.pinned, box.width, box.height - 1, theme),
        ]
    body = BODIES[name]
    of_title, of_rows = options_of(name, view)
    title: Row = body.title(moment, box.width, theme, **of_title)
    if name == view.focus:
        title = focused(title, theme)
    above: list[Row] = []
    if name == "chain" and view.pinned is not None:
        same = alike(moment, view.pinned)
        told = "nothing like this" if same is None else beside.told(same)
        above = [fit([Segment("A ", theme.key), Segment(told, theme.dim)], box.width)]
    rows: list[Row] = body.build(moment, box.width, box.height - 1 - len(above), theme, **of_title, **of_rows)
    return [title, *above, *rows]


def options_of(name: str, view: View) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a pane is told beside the moment: for its title and its rows, and for its rows alone."""
    match name:
        case "graph":
            return {"spine": view.spine, "fold": view.fold}, {"pinned": view.pinned}
        case "source":
            return {}, {"stops": view.stops}
        case "chain":
            return {}, {"term": view.term}
        case "tensors":
            return {"selected": view.selected}, {}
        case "events":
            return {"only": view.only, "future": view.future}, {}
    return {}, {}


def focused(title: Row, theme: Theme) -> Row:
    """The title of the pane that the keys are for."""
    return [Segment(s.text, (s.style or theme.rule) + theme.key) if s.text.strip(" ─") else s for s in title]


def status(view: View, width: int, theme: Theme) -> Row:
    """The last row: a question, why a key did nothing, or the keys that do something."""
    if view.prompt is not None:
        return prompt_row(view.prompt, width, theme)
    if view.message:
        style = theme.bar + (theme.error if view.alarm else theme.warning)
        return fit([Segment(f" {safe(view.message)}", style)], width, theme.bar)
    return hints.build(view.hints, width, 1, theme)[0]


def row_at(y: int, parts: list[tuple[Box, list[Row]]], width: int) -> Row:
    """Row `y` of the screen, put together from the regions that it crosses."""
    row: Row = []
    x = 0
    for box, rows in sorted((p for p in parts if p[0].y <= y < p[0].y + p[0].height), key=lambda p: p[0].x):
        if box.x > x:
            row.append(Segment(" " * (box.x - x)))
        row += rows[y - box.y] if y - box.y < len(rows) else [Segment(" " * box.width)]
        x = box.x + box.width
    return fit(row, width)


def too_small(moment: Moment, width: int, height: int, theme: Theme) -> list[Row]:
    """What is said where there is no room for a pane."""
    where = f"#{moment.position} {moment.event.phase}"
    return fill_rows([[Segment("40x12 needed", theme.warning)], [Segment(where, theme.text)]], width, height)
