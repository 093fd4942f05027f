"""Looking for a place without letting anybody wait: near ones are found at once, far ones in a thread.

A motion, or another search, ends a search.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

from textual.worker import get_current_worker

from backstep.trace.file import DAMAGE, TraceError
from backstep.tui.selecting import Selecting

AT_ONCE = 0.008
"""Seconds that a key may look before a thread goes on."""
GROUP = "seeking"

Found = Iterator[int | None]
"""What `replay.search.search` tells."""


class Seeking(Selecting):
    """The part of the app that has the thread."""

    def _move(self, motion: Callable[[], str | None]) -> None:
        self.workers.cancel_group(self, GROUP)
        super()._move(motion)

    def seek(self, found: Found, done: Callable[[int | None], None], failed: Callable[[str], None]) -> bool:
        """Calls `done` with what is found, or `failed` with why it cannot be known: at once if it is near, and then
        it is True; else later, unless something else has been done by then."""
        self.workers.cancel_group(self, GROUP)
        if self._look(found, lambda: False, time.monotonic() + AT_ONCE, done, failed):
            return True
        self.run_worker(partial(self._seek_on, found, done, failed), thread=True, group=GROUP)
        return False

    def _seek_on(self, found: Found, done: Callable[[int | None], None], failed: Callable[[str], None]) -> None:
        """In a thread: looks on until it is found or of no interest any more."""
        worker = get_current_worker()

        def say(answer: Callable[[], None]) -> None:
            if not worker.is_cancelled:
                answer()

        self._look(
            found,
            lambda: worker.is_cancelled,
            None,
            lambda position: self.call_from_thread(say, lambda: done(position)),
            lambda reason: self.call_from_thread(say, lambda: failed(reason)),
        )

    @staticmethod
    def _look(
        found: Found, cancelled: Callable[[], bool], deadline: float | None, done: Callable[[int | None], None],
        failed: Callable[[str], None],
    ) -> bool:  # fmt: skip
        """Looks until there is an answer, which it gives; False if it was cancelled or time ran out before."""
        try:
            for position in found:
                if position is not None:
                    done(position)
                    return True
                if cancelled() or (deadline is not None and time.monotonic() > deadline):
                    return False
        except (TraceError, *DAMAGE) as error:
            failed(f"✗ {error}")
            return True
        done(None)
        return True
