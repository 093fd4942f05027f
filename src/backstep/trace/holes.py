"""Positions when a flight recorder has let some events go: those that are left are counted without gaps."""

from __future__ import annotations

import itertools
from bisect import bisect_right

import numpy as np
import numpy.typing as npt

from backstep.trace.records import NONE


class Holes:
    """Between positions as they were recorded and as they are read."""

    def __init__(self, spans: list[tuple[int, int]]) -> None:
        """`spans`: from, to before; ValueError unless they ascend."""
        if any(begin < 0 or end <= begin for begin, end in spans):
            raise ValueError("a hole that is none")
        if any(earlier[1] > later[0] for earlier, later in itertools.pairwise(spans)):
            raise ValueError("holes that overlap")
        self.spans = [(int(begin), int(end)) for begin, end in spans]
        self._begins = [begin for begin, _ in self.spans]

    def __bool__(self) -> bool:
        return bool(self.spans)

    def read(self, recorded: int) -> int:
        """The position as it is read; NONE for an event that is gone, or for NONE."""
        if not self.spans or recorded < 0:
            return recorded
        before = bisect_right(self._begins, recorded)
        if before and recorded < self.spans[before - 1][1]:
            return NONE
        return recorded - sum(end - begin for begin, end in self.spans[:before])

    def kept(self, recorded: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Which of these events are left."""
        left = np.ones(len(recorded), np.bool_)
        for begin, end in self.spans:
            left &= (recorded < begin) | (recorded >= end)
        return left

    def read_all(self, recorded: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The positions of events that are left, as they are read."""
        shift = np.zeros(len(recorded), np.int64)
        for begin, end in self.spans:
            shift += np.where(recorded >= end, end - begin, 0)
        return recorded - shift
