"""What the app does when one moves: every key that needs no question and no search."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from backstep.trace.file import DAMAGE, TraceError
from backstep.tui.judging import Judging
from backstep.tui.prompting import Prompting
from backstep.tui.reading import Reading


class Moving(Prompting, Reading, Judging):
    """The part of the app that moves the cursor. A motion that goes back in time stops the following."""

    _following = False

    def _move(self, motion: Callable[[], str | None]) -> None:
        """Makes a motion; shows why it could not be made."""
        if not len(self.trace):
            return
        before = self.cursor.node
        try:
            reason = motion()
            if reason is not None and self.trace.behind:
                self.read_all()
                reason = motion()
        except (TraceError, *DAMAGE) as error:
            self._show(f"✗ {error}", alarm=True)
            return
        if self.cursor.position < before.position:
            self._following = False
        if self.cursor.node != before:
            self.view = replace(self.view, term=0)
        self._show(reason)

    def action_step(self, direction: int) -> None:
        if not self.probing(0, direction):
            self._move(lambda: self.cursor.step(direction))

    def action_over(self, direction: int) -> None:
        self._move(lambda: self.cursor.over(direction))

    def action_into(self, direction: int) -> None:
        self._move(lambda: self.cursor.into(direction))

    def action_out(self, direction: int) -> None:
        self._move(lambda: self.cursor.out(direction))

    def action_phase(self, direction: int) -> None:
        self._move(lambda: self.cursor.phase(direction))

    def action_iteration(self, direction: int) -> None:
        self._move(lambda: self.cursor.iteration(direction))

    def action_epoch(self, direction: int) -> None:
        self._move(lambda: self.cursor.epoch(direction))

    def action_twin(self) -> None:
        self._move(self.cursor.twin)

    def action_jump_back(self) -> None:
        self._move(self.cursor.back)

    def action_jump_again(self) -> None:
        self._move(self.cursor.again)

    def action_first(self) -> None:
        self._following = False
        self._move(self.cursor.first)

    def action_last(self) -> None:
        self.read_all()
        if not self.trace.running:
            self._move(self.cursor.last)
            return
        self._move(self._newest)
        self._following = True
        self._show("following the newest iteration; a motion back stops that")

    def _newest(self) -> str | None:
        """The start of the newest iteration; the last event where there are none."""
        self.cursor.last()
        self.cursor.iteration(-1)
        return None

    def action_rows(self, count: int) -> None:
        if self.probing(count, 0) or self.paged(count):
            return
        if self.view.focus == "events":
            self._move(lambda: self._by_rows(count))
        else:
            self._show("these keys move in Events (5); every other pane follows the moment")

    def _by_rows(self, count: int) -> str | None:
        target = max(0, min(len(self.trace) - 1, self.cursor.position + count))
        return "no more events" if target == self.cursor.position else self.cursor.goto(target)
