"""What the app does where one points: every click does what a key does too."""

from __future__ import annotations

from collections.abc import Callable

from textual.events import Click, MouseDown, MouseMove, MouseScrollDown, MouseScrollUp, MouseUp

from backstep.tui.canvas import Canvas
from backstep.tui.paging import Paging
from backstep.tui.picture import View, boxes_of
from backstep.tui.regions import Box
from backstep.view import loss, timeline
from backstep.view.rows import tag_at

GUTTER = 4
"""Cells of the lines' numbers in Source: a click there is about a stop."""


class Pointing(Paging):
    """The part of the app that a mouse speaks to. Hold Shift to select text: the terminal then does."""

    view: View
    canvas: Canvas
    _dragging = False

    def _move(self, motion: Callable[[], str | None]) -> None:
        raise NotImplementedError

    def action_focus_pane(self, pane: str) -> None:
        raise NotImplementedError

    def switch_line(self, file: str, line: int) -> None:
        raise NotImplementedError

    def select_tensor(self, tensor: int) -> None:
        raise NotImplementedError

    def action_write(self, direction: int) -> None:
        raise NotImplementedError

    def shown_view(self) -> View:
        """The view with what is said unasked."""
        raise NotImplementedError

    def on_click(self, event: Click) -> None:
        if self._page is not None or event.button != 1 or not len(self.cursor.trace):
            return
        at = self._pane_at(event.screen_x, event.screen_y)
        if at is None:
            return
        pane, box = at
        tag = tag_at(self.canvas.rows_drawn[event.screen_y], box.x, event.screen_x)
        if pane not in ("header", "timeline", "hints") and pane != self.view.focus:
            self.action_focus_pane(pane)
        if "go" in tag:
            motion = getattr(self.cursor, str(tag["go"]))
            self._move(lambda: motion(-1 if event.shift else 1))
        elif "tensor" in tag:
            self._point_at_tensor(tag, event.chain > 1)
        elif "line" in tag and event.screen_x - box.x < GUTTER:
            self.switch_line(str(tag["file"]), int(tag["line"]))
        elif pane == "loss" and event.screen_y > box.y:
            self._seek(loss.position_at(self.cursor.moment(), box.width, event.screen_x - box.x))
        elif "seek" in tag and int(tag["seek"]) >= 0:
            self._seek(int(tag["seek"]))

    def _point_at_tensor(self, tag: dict[str, int | str], twice: bool) -> None:
        """Selects it; twice, goes to where it was made or, in Tensors, written last."""
        if not twice:
            self.select_tensor(int(tag["tensor"]))
        elif "seek" in tag:
            self._seek(int(tag["seek"]))
        else:
            self.action_write(-1)

    # the timeline as a scrubber

    def on_mouse_down(self, event: MouseDown) -> None:
        self._dragging = self._on_curve(event.screen_x, event.screen_y)
        if self._dragging:
            self.canvas.capture_mouse()
            self._scrub(event.screen_x)

    def on_mouse_move(self, event: MouseMove) -> None:
        if self._dragging:
            self._scrub(event.screen_x)

    def on_mouse_up(self, _: MouseUp) -> None:
        if self._dragging:
            self.canvas.release_mouse()
        self._dragging = False

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        self._wheel(event.screen_x, event.screen_y, 1)

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        self._wheel(event.screen_x, event.screen_y, -1)

    def _wheel(self, x: int, y: int, direction: int) -> None:
        """An iteration over the timeline, an event elsewhere: what a pane shows follows the moment."""
        if not len(self.cursor.trace) or self._page is not None:
            return
        at = self._pane_at(x, y)
        over_time = at is not None and at[0] == "timeline"
        self._move(lambda: self.cursor.iteration(direction) if over_time else self.cursor.step(direction))

    def _scrub(self, x: int) -> None:
        self._seek(timeline.position_at(self.cursor.moment(), self.size.width, x))

    def _seek(self, position: int) -> None:
        if position != self.cursor.position:
            self._move(lambda: self.cursor.goto(position))

    def _on_curve(self, x: int, y: int) -> bool:
        """Whether a cell is one of the curve or the ruler: the rows above the iteration's."""
        at = self._pane_at(x, y)
        free = self._page is None and len(self.cursor.trace) > 0
        return free and at is not None and at[0] == "timeline" and y < at[1].y + at[1].height - 1

    def _pane_at(self, x: int, y: int) -> tuple[str, Box] | None:
        boxes = boxes_of(*self.size, self.shown_view())
        for pane, box in boxes.items():
            if box.x <= x < box.x + box.width and box.y <= y < box.y + box.height:
                return pane, box
        return None
