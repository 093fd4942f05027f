"""Where stops hold: looked for piece by piece, so that what is known so far can be shown meanwhile."""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field

from backstep.stops.stop import Stop
from backstep.trace.trace import Trace

STRETCH = 1 << 14
"""Events whose columns are looked at at once."""


@dataclass(slots=True)
class Search:
    """The hits of a stop in a trace, which may grow. `looked`: how many events have been looked at."""

    stop: Stop
    hits: list[int] = field(default_factory=list)
    looked: int = 0
    _waiting: list[int] = field(default_factory=list)
    """Candidates that are still to be looked at, the first one last."""
    _held: int = 0
    """How often it held, also where that was not the `nth` time."""

    def is_done(self, trace: Trace) -> bool:
        """Whether all of the trace as it is now has been looked at."""
        return self.looked >= len(trace) and not self._waiting

    def look(self, trace: Trace, seconds: float | None = None) -> bool:
        """Looks on for so long, or to the end; whether there is a new hit."""
        deadline = None if seconds is None else time.monotonic() + seconds
        before = len(self.hits)
        while not self.is_done(trace) and (deadline is None or time.monotonic() < deadline):
            if not self._waiting:
                end = min(len(trace), self.looked + STRETCH)
                self._waiting = self.stop.candidates(trace, self.looked, end)[::-1].tolist()
                self.looked = end
            while self._waiting and (deadline is None or time.monotonic() < deadline):
                self._look_at(trace, self._waiting.pop())
        return len(self.hits) > before

    def _look_at(self, trace: Trace, position: int) -> None:
        if self.stop.holds(trace.event(position)):
            self._held += 1
            if self.stop.nth in (0, self._held):
                self.hits.append(position)

    def next(self, position: int, direction: int) -> int | None:
        """The nearest hit after a position (1) or before it (-1), of those that are known."""
        at = bisect_right(self.hits, position) if direction > 0 else bisect_left(self.hits, position) - 1
        return self.hits[at] if 0 <= at < len(self.hits) else None


def hits(trace: Trace, stop: Stop) -> list[int]:
    """All hits of a stop."""
    search = Search(stop)
    search.look(trace)
    return search.hits
