"""The summary of many numbers, chunk by chunk: each stays in the processor's cache for all that is asked of it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from backstep.trace.records import SummaryRow

CHUNK = 1 << 15
"""Elements of a chunk: 256 KB in double precision."""


class Moments:
    """Adds up what a summary tells. bool counts as 0 and 1, complex by absolute value.

    Means and squared deviations of the chunks are merged as by T. Chan, G. Golub and R. LeVeque, "Updating formulae
    and a pairwise algorithm for computing sample variances", 1979: nothing is lost to cancellation.
    """

    def __init__(self) -> None:
        self._count = self._zeros = self._nan = self._inf = 0
        self._low, self._high = math.inf, -math.inf
        self._mean = self._squares = 0.0

    @property
    def odd(self) -> int:
        """How many elements so far are not finite."""
        return self._nan + self._inf

    def add(self, array: npt.NDArray[Any]) -> None:
        """Takes in an array of any shape."""
        flat = array.reshape(-1)
        with np.errstate(over="ignore", invalid="ignore"):
            for begin in range(0, flat.size, CHUNK):
                chunk = flat[begin : begin + CHUNK]
                self._add(np.abs(chunk.astype(np.complex128)) if chunk.dtype.kind == "c" else chunk)

    def _add(self, chunk: npt.NDArray[Any]) -> None:
        wide = chunk.astype(np.float64)
        mean = float(np.add.reduce(wide)) / wide.size
        if not math.isfinite(mean):
            finite = np.isfinite(wide)
            nan = int(np.count_nonzero(np.isnan(wide)))
            self._nan += nan
            chunk = wide = wide[finite]
            self._inf += finite.size - wide.size - nan
            if not wide.size:
                return
            mean = float(np.mean(wide))
        low, high = float(np.minimum.reduce(chunk)), float(np.maximum.reduce(chunk))
        if low <= 0 <= high:
            self._zeros += int(np.count_nonzero(chunk == 0))
        self._low, self._high = min(self._low, low), max(self._high, high)
        wide -= mean
        self._merge(wide.size, mean, float(np.einsum("i,i->", wide, wide)))

    def _merge(self, count: int, mean: float, squares: float) -> None:
        if not self._count:
            self._count, self._mean, self._squares = count, mean, squares
            return
        total = self._count + count
        apart = mean - self._mean
        self._squares += squares + apart * apart * self._count * count / total
        self._mean += apart * count / total
        self._count = total

    def row(self) -> SummaryRow:
        """Over the finite elements: None where there are none. `std` divides by n."""
        if not self._count:
            return SummaryRow(None, None, None, None, None, 0, self._nan, self._inf)
        mean, squares = self._mean, self._squares
        norm = math.sqrt(squares + self._count * mean * mean) if self._high or self._low else 0.0
        std = math.sqrt(squares / self._count)
        return SummaryRow(self._low, self._high, mean, std, norm, self._zeros, self._nan, self._inf)
