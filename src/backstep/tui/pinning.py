"""What the app does to compare two moments, of one trace or of two: one is pinned and stays beside the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from backstep.replay.cursor import Cursor
from backstep.replay.moment import Moment
from backstep.tui.paging import Paging
from backstep.tui.picture import View
from backstep.view.marks import Marks

WHAT = "pinned"


class Pinning(Paging):
    """The part of the app that pins a moment."""

    view: View

    def _move(self, motion: Callable[[], str | None]) -> None:
        raise NotImplementedError

    def pin(self, moment: Moment | None) -> None:
        """Puts a moment beside the one that is shown, or takes it away."""
        others = tuple(marks for marks in self.view.marks if marks.what != WHAT)
        if moment is not None and moment.trace is self.trace:
            others = (Marks("A", "key", [moment.position], WHAT), *others)
        self.view = replace(self.view, pinned=moment, marks=others)

    def compared(self) -> Moment | None:
        """The moment that this one is compared with. That of another recording goes along, where it has such an event
        at the same position."""
        pinned, position = self.view.pinned, self.cursor.position
        if pinned is None or pinned.trace is self.trace or position >= len(pinned.trace):
            return pinned
        same = pinned.trace.kind_at(position) == self.trace.kind_at(position)
        return Moment(pinned.trace, position) if same else pinned

    def action_pin(self) -> None:
        if not len(self.trace):
            return
        if self.view.pinned is not None:
            self.pin(None)
            self._show("no moment is pinned any more")
            return
        self.pin(self.cursor.moment())
        self._show(f"#{self.cursor.position} is pinned as A: go anywhere to compare; D swaps, d unpins")

    def action_swap(self) -> None:
        """Goes to the pinned moment, and pins the one that was shown."""
        pinned = self.compared()
        if pinned is None:
            self._show("no moment is pinned: d pins this one")
            return
        here = self.cursor.moment()
        if pinned.trace is self.trace:
            self._move(lambda: self.cursor.goto(pinned.position))
        else:
            self.trace, self.cursor = pinned.trace, Cursor(pinned.trace, pinned.position)
        self.pin(here)
        self._show(f"A and B swapped: this is {self.trace.path.name} #{self.cursor.position}")
