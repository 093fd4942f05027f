"""Which positions wrote which tensor: an index that grows with the trace."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt


class FactIndex:
    """Where each tensor, and each `.grad`, got its values: sorted, so that a question is a few bisections.

    Kept as sorted runs, each of them later than the one before and at most half as long: what a recorder adds
    is merged without sorting everything again, and there are few runs to ask.
    """

    def __init__(self) -> None:
        self._runs: list[tuple[npt.NDArray[Any], npt.NDArray[Any]]] = []

    def add(self, facts: npt.NDArray[np.void]) -> None:
        keys, positions = small(facts["tensor"] * 2 + facts["field"]), small(facts["position"])
        while self._runs and len(self._runs[-1][0]) < 2 * len(keys):
            old_keys, old_positions = self._runs.pop()
            keys, positions = np.concatenate([old_keys, keys]), np.concatenate([old_positions, positions])
        if len(keys):
            order = np.lexsort((positions, keys))
            self._runs.append((keys[order], positions[order]))

    def positions(self, tensor: int, field: int) -> npt.NDArray[np.int64]:
        """The positions at which this tensor's value (or `.grad`) was written, ascending."""
        return np.concatenate([np.empty(0, np.int64), *self._of(tensor, field)])

    def last(self, tensor: int, field: int, position: int) -> int | None:
        """The last of them at or before a position."""
        last = None
        for run in self._of(tensor, field):
            if run[0] > position:
                break
            last = int(run[run.searchsorted(run.dtype.type(min(position, run[-1])), "right") - 1])
        return last

    def latest(self, tensor: int, field: int, position: int, count: int) -> npt.NDArray[np.int64]:
        """The last `count` of them at or before a position, ascending."""
        found: list[npt.NDArray[Any]] = []
        for run in reversed(list(self._of(tensor, field))):
            if run[0] <= position and count > 0:
                end = int(run.searchsorted(run.dtype.type(min(position, run[-1])), "right"))
                found.append(run[max(0, end - count) : end])
                count -= len(found[-1])
        return np.concatenate([np.empty(0, np.int64), *reversed(found)])

    def next(self, tensor: int, field: int, position: int) -> int | None:
        """The first of them after a position."""
        for run in self._of(tensor, field):
            if run[0] > position:
                return int(run[0])
            if run[-1] > position:
                return int(run[run.searchsorted(run.dtype.type(position), "right")])
        return None

    def _of(self, tensor: int, field: int) -> Iterator[npt.NDArray[Any]]:
        """What each run has of them, if it has any."""
        number = tensor * 2 + field
        for keys, positions in self._runs:
            if not keys[0] <= number <= keys[-1]:
                continue
            key = keys.dtype.type(number)  # of their own type: else all of them would be converted
            low = keys.searchsorted(key, "left")
            if keys[low] == key:
                yield positions[low : keys.searchsorted(key, "right")]


def small(numbers: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    """A copy in as few bytes as they need."""
    fits = len(numbers) > 0 and numbers.min() >= 0 and numbers.max() < 1 << 32
    return numbers.astype(np.uint32 if fits else np.int64)
