"""The app: composes the canvas, wires keys to the cursor, and follows a trace that grows. Nothing else."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

from textual.app import ComposeResult

from backstep.replay.cursor import Cursor
from backstep.replay.moment import Moment
from backstep.trace.file import DAMAGE, TraceError
from backstep.trace.ranks import counterpart, name_of
from backstep.trace.trace import Trace
from backstep.tui import pages
from backstep.tui.canvas import Canvas
from backstep.tui.commands import Commands
from backstep.tui.hinting import announcement, hints_at
from backstep.tui.judging import Judging
from backstep.tui.keys import SECTIONS, bindings, remapped
from backstep.tui.look import Look
from backstep.tui.looking import Looking
from backstep.tui.overlay import Overlay, over
from backstep.tui.picture import View, picture
from backstep.tui.picturing import Picturing
from backstep.tui.pinning import Pinning
from backstep.tui.playing import Playing
from backstep.tui.pointing import Pointing
from backstep.tui.prompting import Prompting
from backstep.tui.regions import PANES, VIEWS, regions
from backstep.tui.stopping import LISTED, Stopping
from backstep.tui.taking_along import TakingAlong
from backstep.view.ascii import ascii_row
from backstep.view.rows import Row
from backstep.view.theme import THEMES, without_colours

POLL = 0.1
"""Seconds between two looks at a growing trace."""


class LiveRun(Protocol):
    """The script that is being recorded, for the question what becomes of it."""

    def running(self) -> bool: ...


class App(Playing, Stopping, Pinning, Prompting, Picturing, Judging, Looking, Pointing, TakingAlong, Commands):
    """The Debug view of a trace. Its result is `run` or `stop` when a running script was decided about."""

    BINDINGS = bindings()  # type: ignore[assignment]
    ENABLE_COMMAND_PALETTE = False  # ours lists the key table
    CSS = "Screen { overflow: hidden; } Canvas { width: 100%; height: 100%; }"

    def __init__(
        self, trace: Trace, position: int | None = None, *, live: LiveRun | None = None, look: Look | None = None,
        others: Sequence[Trace] = (), lecture: bool = False, pinned: tuple[Trace, int] | None = None,
    ) -> None:  # fmt: skip
        """`others` are the traces of the other ranks of the run; `lecture` is the view to begin with; `pinned` is a
        moment to compare with."""
        super().__init__()
        self.ranks = (trace, *others)
        self.trace = trace
        self.look = look or Look()
        self.sections = remapped(SECTIONS, self.look.settings.keys)
        theme = THEMES[self.look.settings.theme]
        self.palette = without_colours(theme) if self.no_color or self.look.ascii else theme
        self.cursor = Cursor(trace, opening_position(trace, live) if position is None else position)
        self.view = View(layout="lecture" if lecture else "debug")
        self.pin(None if pinned is None else Moment(*pinned))
        self._live_run = live
        self._was_running = trace.as_read["status"] == "running"
        """When it was opened: what was recorded since has not been read."""
        self._asking = False
        self._loop_of_app: asyncio.AbstractEventLoop | None = None
        self._leaving = False
        self.canvas = Canvas(self._rows, self.palette)

    def compose(self) -> ComposeResult:
        yield self.canvas

    def on_mount(self) -> None:
        self._loop_of_app = asyncio.get_running_loop()
        if not self.is_headless:  # the process is ours: garbage is not looked for in what stays, which takes 70 ms
            gc.freeze()
        self.set_keymap(dict(self.look.settings.keys))
        if self._leaving:
            self.exit()
        if self.trace.behind:
            self.read_on()
        else:
            self._announce()
        if self._was_running:
            self._poll_timer = self.set_interval(POLL, self._poll)

    # the picture

    def lines_drawn(self) -> list[str]:
        return [strip.text for strip in self.canvas.strips]

    def _rows(self, width: int, height: int) -> list[Row]:
        try:
            rows = self._picture(width, height)
        except (TraceError, *DAMAGE) as error:
            rows = pages.damaged_page(self.trace, error, width, height, self.palette)
        return [ascii_row(row) for row in rows] if self.look.ascii else rows

    def _picture(self, width: int, height: int) -> list[Row]:
        if len(self.trace):
            rows = picture(self.cursor.moment(), width, height, self.shown_view(), self.palette)
        else:
            rows = pages.waiting_page(self.trace, width, height, self.palette)
        overlay = self._overlay(height)
        return rows if overlay is None else over(rows, overlay, width, height, self.palette)

    def shown_view(self) -> View:
        if not len(self.trace):
            return self.view
        hint = self.hint()
        return replace(
            self.view, hint=hint[1] if hint else "", hints=hints_at(self.cursor.moment(), self.sections),
            whole=self.cursor.whole, pinned=self.compared(),
        )  # fmt: skip

    def recolour(self) -> None:
        self.canvas.recolour(self.palette)

    def _overlay(self, height: int) -> Overlay | None:
        if self._asking:
            return pages.leave_page(self.palette)
        return None if self._page is None else self.page(self._page, self.size.width, height)

    def _show(self, message: str | None = None, *, alarm: bool = False) -> None:
        self.view = replace(self.view, message=message or "", alarm=alarm)
        self.canvas.invalidate()

    def _announce(self) -> None:
        """What is to be known of the trace, until the first key."""
        told, grave = announcement(self.trace, self.look, self.sections)
        self._show(told, alarm=grave)

    # a growing trace

    def _poll(self) -> None:
        """Takes in what was recorded since the last look. Once nobody writes, what is read then is all."""
        running = self.trace.running
        try:
            grown = self.trace.refresh()
        except TraceError as error:
            self._poll_timer.stop()
            self._show(str(error), alarm=True)
            return
        if self._following and grown:
            self._newest()
        if not running:
            self._poll_timer.stop()
            self._following = self._asking = False
            self._announce()
        elif grown:
            self.canvas.invalidate()

    # panes and pages

    def action_focus_pane(self, pane: str) -> None:
        instead = pane if pane in ("graph", "events", "loss") else self.view.instead
        self.view = replace(self.view, focus=pane, instead=instead)
        shown = regions(*self.size, view=self.view.layout, instead=instead)
        if shown and pane not in shown and not self.view.zoomed:
            self._show("no room for that pane here: z shows it alone")
            return
        self._show()

    def action_focus_next_pane(self, direction: int) -> None:
        there = regions(*self.size, view=self.view.layout, instead=self.view.instead)
        shown = [pane for pane in PANES if pane in there] or list(PANES)
        index = shown.index(self.view.focus) if self.view.focus in shown else -1
        self.action_focus_pane(shown[(index + direction) % len(shown)])

    def action_view(self) -> None:
        """Debug, then Lecture, which has graph and chain rule over the width, then Data: tensors and events."""
        following = VIEWS[(VIEWS.index(self.view.layout) + 1) % len(VIEWS)]
        self.view = replace(self.view, layout=following)
        self._show(f"{following.capitalize()} view")

    def action_graph(self) -> None:
        """A small graph as boxes, or as a spine as every other."""
        self.view = replace(self.view, spine=not self.view.spine)
        self._show()

    def action_zoom(self) -> None:
        self.view = replace(self.view, zoomed=not self.view.zoomed)
        self._show()

    def action_next_rank(self) -> None:
        """All ranks side by side; there, the same event of the next rank."""
        if len(self.ranks) == 1 or self._page != "ranks":
            self.action_ranks()
            return
        here = self.ranks.index(self.trace)
        there = self.ranks[(here + 1) % len(self.ranks)]
        at = counterpart(self.trace, self.cursor.position, there)
        self.trace, self.cursor = there, Cursor(there, self.cursor.position if at is None else at)
        self._show(name_of(there) if at is not None else f"{name_of(there)} has no such event")

    def action_close(self) -> None:
        closed = self._page is not None or self._asking
        self._page, self._asking = None, False
        if not closed:
            self.close_hint()
            self.deselect()
        self._show()

    def action_leave(self) -> None:
        if self._page is not None or self._asking:
            self.action_close()
        elif self.trace.running and self._live_run is not None and self._live_run.running():
            # Not once the trace is closed: what is left then is the interpreter's own end.
            self._asking = True
            self._show()
        else:
            self.exit()

    def leave_at_once(self) -> None:
        """For a signal handler: leaves, also while nothing else would wake the loop, or before it runs."""
        self._leaving = True
        if self._loop_of_app is not None:
            self._loop_of_app.call_soon_threadsafe(self.exit)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """An answer is one only while the question stands; until it is answered only that and leaving do anything."""
        if action == "answer":
            return self._asking
        if action in LISTED:
            return self.is_listing and not self._asking
        if action == "play" and self.is_listing:
            return False
        return not self._asking or action in ("close", "leave")

    def action_answer(self, decision: str) -> None:
        if decision:
            self.exit(decision)
        else:
            self.action_close()

    def on_resize(self, _: Any) -> None:
        self.canvas.invalidate()


def opening_position(trace: Trace, live: LiveRun | None) -> int:
    """Where to begin: at what a crashed script died of, else at the start; a watched run always at its start."""
    if live is not None or trace.header["exit"]["status"] != "exception":
        return 0
    trace.refresh()
    deaths = [event.position for event in trace.find(kind="exception", caught=False)]
    return deaths[-1] if deaths else max(0, len(trace) - 1)
