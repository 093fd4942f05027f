"""A number that is told again and again over a run, as the loss is: a sequence of `(position, value)`."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import overload


class Series(Sequence[tuple[int, float]]):
    """Grows with its trace; in 16 bytes each."""

    def __init__(self) -> None:
        self.positions = array("q")
        self.values = array("d")

    def append(self, position: int, value: float) -> None:
        self.positions.append(position)
        self.values.append(value)

    def upto(self, position: int) -> float | None:
        """The newest at a position."""
        at = bisect_right(self.positions, position) - 1
        return None if at < 0 else self.values[at]

    def within(self, first: int, last: int) -> float | None:
        """The last between two positions, both included."""
        at = bisect_right(self.positions, last) - 1
        return self.values[at] if at >= bisect_left(self.positions, first) else None

    def all_within(self, first: int, last: int) -> Sequence[float]:
        """Those between two positions, both included."""
        return self.values[bisect_left(self.positions, first) : bisect_right(self.positions, last)]

    def __len__(self) -> int:
        return len(self.positions)

    @overload
    def __getitem__(self, index: int) -> tuple[int, float]: ...
    @overload
    def __getitem__(self, index: slice) -> list[tuple[int, float]]: ...
    def __getitem__(self, index: int | slice) -> tuple[int, float] | list[tuple[int, float]]:
        if isinstance(index, slice):
            return list(zip(self.positions[index], self.values[index], strict=True))
        return self.positions[index], self.values[index]
