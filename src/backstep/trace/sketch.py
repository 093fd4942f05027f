"""What is kept of a tensor too large to be kept: a histogram, a thumbnail in which no NaN is lost, and its corners.

The thumbnail and the corners are of the tensor folded to two dimensions, all but the last being one. Both and the
histogram cost the same for every large tensor: they are taken at places that are spread evenly over it.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from backstep.trace.records import SketchRow, SummaryRow

BINS = 16
ROWS, COLUMNS = 12, 16
"""Places of a thumbnail at most."""
CORNER = 2
"""Rows and columns at each end."""
SAMPLE = 1 << 11
"""Elements of a histogram about; all of a tensor with fewer."""

LEVELS = 252
"""The greatest of the levels from the least finite element to the greatest; above it stands what is not finite."""
NEGATIVE, POSITIVE, NAN = 253, 254, 255

Array = npt.NDArray[Any]


class Places:
    """Where a thumbnail, its corners and a histogram look at a tensor of so many elements, in rows of `columns`."""

    def __init__(self, elements: int, columns: int) -> None:
        self.columns = max(columns, 1)
        self.rows = max(elements // self.columns, 1)
        self.shape = min(self.rows, ROWS), min(self.columns, COLUMNS)
        middles = (
            (np.arange(count) * 2 + 1) * length // (2 * count)
            for count, length in zip(self.shape, (self.rows, self.columns), strict=True)
        )
        ends = (ends_of(self.rows), ends_of(self.columns))
        self.thumbnail = self._flat(*middles)
        self.corners = self._flat(*ends)
        self.step = max(1, elements // SAMPLE)

    def _flat(self, rows: Array, columns: Array) -> Array:
        return (rows[:, None] * self.columns + columns).ravel()

    def cells(self, places: Array) -> Array:
        """The places of the thumbnail that elements belong to."""
        rows, columns = self.shape
        row, column = np.divmod(places, self.columns)
        cells: Array = row * rows // self.rows * columns + column * columns // self.columns
        return cells


places_of = lru_cache(256)(Places)


def ends_of(length: int) -> Array:
    """The first and the last few."""
    return np.arange(length) if length <= 2 * CORNER else np.r_[:CORNER, length - CORNER : length]


class Sketching:
    """Takes in a tensor's elements in their order, in one piece or several."""

    def __init__(self, elements: int, columns: int) -> None:
        self._places = places = places_of(elements, columns)
        self._begin = 0
        self._thumbnail = np.zeros(len(places.thumbnail))
        self._corners = np.zeros(len(places.corners))
        self._samples: list[Array] = []
        self._is_odd = False

    def add(self, array: Array, *, finite: bool) -> None:
        """Takes in the next elements; `finite`: all of them are known to be."""
        flat = np.abs(array) if array.dtype.kind == "c" else array
        places, begin = self._places, self._begin
        self._begin = end = begin + flat.size
        for kept, asked in ((self._thumbnail, places.thumbnail), (self._corners, places.corners)):
            first, last = np.searchsorted(asked, (begin, end))
            kept[first:last] = flat[asked[first:last] - begin]
        self._samples.append(flat[-begin % places.step :: places.step])
        if not finite:
            self._is_odd = True
            self._keep_odd(flat)

    def _keep_odd(self, flat: Array) -> None:
        """A place with an infinity or a NaN anywhere in it shows it; a NaN before all else."""
        odd = np.flatnonzero(~np.isfinite(flat))
        cells, numbers = self._places.cells(odd + self._begin - flat.size), flat[odd]
        infinite = ~np.isnan(numbers)
        self._thumbnail[cells[infinite]] = numbers[infinite]
        self._thumbnail[cells[~infinite]] = np.nan

    def row(self, summary: SummaryRow) -> SketchRow:
        """Given the summary of the same elements."""
        low, high = summary.min or 0.0, summary.max or 0.0
        sample = self._samples[0] if len(self._samples) == 1 else np.concatenate(self._samples)
        sample = sample.astype(np.float64)
        if summary.nan or summary.inf:
            sample = sample[np.isfinite(sample)]
        bins = np.minimum(leveled(sample, low, high, BINS), BINS - 1).astype(np.intp)
        counts = np.bincount(bins, minlength=BINS)
        levels = self._levels(low, high)
        return SketchRow(tuple(counts.tolist()), self._places.shape[0], levels, self._corners.tobytes())

    def _levels(self, low: float, high: float) -> bytes:
        numbers = self._thumbnail
        if not self._is_odd:
            return (leveled(numbers, low, high, LEVELS) + 0.5).astype(np.uint8).tobytes()
        odd = ~np.isfinite(numbers)
        levels = (leveled(np.where(odd, low, numbers), low, high, LEVELS) + 0.5).astype(np.uint8)
        levels[odd] = np.where(np.isnan(numbers[odd]), NAN, np.where(numbers[odd] > 0, POSITIVE, NEGATIVE))
        return levels.tobytes()


def leveled(numbers: Array, low: float, high: float, levels: int) -> Array:
    """Numbers from `low` to `high` as such from 0 to `levels`."""
    span = high - low
    return (numbers - low) * (levels / span) if 0 < span < math.inf else np.zeros(len(numbers))


def thumbnail(row: SketchRow, summary: SummaryRow) -> Array:
    """The numbers of a thumbnail, to about a 250th of what they span. ValueError where the row is damaged."""
    if len(row.histogram) != BINS or not 0 < row.rows <= ROWS:
        raise ValueError("a sketch of another shape")
    levels = np.frombuffer(row.thumbnail, np.uint8).reshape(row.rows, -1)
    low, high = summary.min or 0.0, summary.max or 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        numbers = low + levels / LEVELS * (high - low)
    numbers[levels == NEGATIVE], numbers[levels == POSITIVE], numbers[levels == NAN] = -np.inf, np.inf, np.nan
    return numbers


def corners(row: SketchRow, columns: int) -> Array:
    """The first and last two rows and columns, double precision. ValueError where the row is damaged."""
    return np.frombuffer(row.corners, np.float64).reshape(-1, min(columns, 2 * CORNER))
