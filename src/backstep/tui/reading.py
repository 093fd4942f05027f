"""Reading a long trace while its first moments are already on the screen."""

from __future__ import annotations

from backstep.trace.file import DAMAGE, TraceError
from backstep.tui.paging import Paging

SLICE = 0.03
"""Seconds of reading between which keys are looked at."""
PAUSE = 0.001


class Reading(Paging):
    """The part of the app that reads on where a trace was opened with little patience."""

    def _announce(self) -> None:
        raise NotImplementedError

    def read_on(self) -> None:
        """A little more, and again soon; at the end, what is to be known of the whole trace."""
        self._read(SLICE)
        if self.trace.behind:
            self.set_timer(PAUSE, self.read_on)
        else:
            self._announce()

    def read_all(self) -> None:
        """The rest at once, for who asks for what may lie in it."""
        if self.trace.behind:
            self._read(None)

    def _read(self, seconds: float | None) -> None:
        try:
            self.trace.refresh(seconds)
        except (TraceError, *DAMAGE) as error:
            self._show(f"✗ {error}", alarm=True)
