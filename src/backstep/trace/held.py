"""A descriptor in a process that is the script's: it may close it, and what it opens next gets the number."""

from __future__ import annotations

import os

CLOSED = "the script has closed every file, the trace's too"


class Held:
    """A descriptor, as long as it is still what it was when we got it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._what = _what(number)

    @property
    def ours(self) -> bool:
        """Whether nobody has closed it; under its number there may be another file by now."""
        try:
            return self.number >= 0 and _what(self.number) == self._what
        except OSError:
            return False

    def check(self) -> None:
        """OSError if somebody has closed it."""
        if not self.ours:
            raise OSError(CLOSED)

    def close(self) -> None:
        """Closes it, once, and never another one's."""
        if self.ours:
            os.close(self.number)
        self.number = -1


def _what(number: int) -> tuple[int, int]:
    found = os.fstat(number)
    return found.st_dev, found.st_ino
