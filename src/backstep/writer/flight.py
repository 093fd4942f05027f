"""The flight recorder: of a run of days the first iteration and the last few stay, and those around the first NaN.

What is let go is a hole in the positions, said in the header; whole batches inside it are emptied in the file.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque

from backstep.trace.batch import Flushed
from backstep.trace.file import TraceWriter


class Flight:
    """Told where iterations begin and what was written, it lets the oldest go."""

    def __init__(self, writer: TraceWriter, keep: int) -> None:
        self._writer = writer
        self._starts: deque[int] = deque(maxlen=keep)
        """Where each of the last iterations begins."""
        self._first_end: int | None = None
        self._fetch: int | None = None
        self._number = 0
        self._pin: list[int] = []
        """Where what stays around the first NaN begins and, once it is over, ends."""
        self._pin_ends_with = 0
        self._batches: deque[Flushed] = deque()
        self._payloads: list[tuple[int, int]] = []
        """(first number, batch) of each row of payloads that is still there."""
        self._last_user: dict[int, int] = {}
        """The last batch that needs a row of payloads of an earlier one."""

    def fetches(self, position: int) -> None:
        """The loop's iterator is asked from this position on."""
        self._fetch = position

    def begins(self, number: int, position: int) -> None:
        """An iteration begins at this position, or where its element was asked for."""
        if self._fetch is not None:
            position, self._fetch = self._fetch, None
        if number <= self._number:  # it was another loop all the time
            self._starts.clear()
            self._first_end = None
        self._number = number
        if self._first_end is None:
            self._first_end = position
        if len(self._pin) == 1 and number > self._pin_ends_with:
            self._pin.append(position)
        self._starts.append(position)

    def found_nan(self) -> None:
        """The first NaN: the iterations before it stay, and the one after it."""
        if not self._pin and self._starts:
            self._pin = [self._starts[0]]
            self._pin_ends_with = self._number + 1

    @property
    def pinned(self) -> bool:
        return bool(self._pin)

    @property
    def holes(self) -> list[tuple[int, int]]:
        """The positions that are gone: from, to before."""
        if self._first_end is None or not self._starts:
            return []
        spans = [(self._first_end, self._starts[0])]
        if self._pin:
            begin, end = self._pin[0], self._pin[1] if len(self._pin) == 2 else self._starts[0]
            spans = [(self._first_end, begin), (end, self._starts[0])]
        return [(begin, end) for begin, end in spans if begin < end]

    def wrote(self, flushed: Flushed) -> None:
        """A batch has been written: those that lie in a hole are emptied."""
        self._batches.append(flushed)
        if flushed.payloads is not None:
            self._payloads.append((flushed.payloads, flushed.batch))
        for number in flushed.reached:
            row = bisect_right(self._payloads, number, key=lambda pair: pair[0]) - 1
            if row >= 0:
                self._last_user[self._payloads[row][0]] = flushed.batch
        holes = self.holes
        gone = [f for f in self._batches if f.count and any(a <= f.first and f.first + f.count <= b for a, b in holes)]
        if not gone:
            return
        batches = {f.batch for f in gone}
        self._batches = deque(f for f in self._batches if f.batch not in batches)
        alive = [f.batch for f in self._batches if f.first >= holes[0][1]]
        oldest = min(alive, default=flushed.batch)
        first_end = holes[0][0]
        early = {f.batch for f in self._batches if f.first < first_end}
        unused = [
            number
            for number, batch in self._payloads
            if batch not in early and batch < oldest and self._last_user.get(number, batch) < oldest
        ]
        dropped = set(unused)
        self._payloads = [pair for pair in self._payloads if pair[0] not in dropped]
        for number in unused:
            self._last_user.pop(number, None)
        self._writer.forget(sorted(batches), unused)
