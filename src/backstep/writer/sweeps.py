"""What a row of updates was, as one thing: its learning rate, and the norm of all gradients that it used.

A gradient's numbers come before the update that uses them; of those that came last the norms are remembered.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Any

import numpy as np
import numpy.typing as npt

from backstep.trace.batch import remember
from backstep.trace.records import PayloadRow

Sweep = tuple[int, float | None, float]
"""Position of the first update, its learning rate, norm of the gradients of all."""


class Sweeps:
    """Adds up updates that follow one another."""

    def __init__(self) -> None:
        self._squares: OrderedDict[int, float] = OrderedDict()
        """By payload: the sum of the squares of its numbers."""
        self._open: Sweep | None = None

    def numbers(self, payload: int, row: PayloadRow) -> None:
        """These numbers may be a gradient's."""
        if row.summary is not None:
            norm = row.summary.norm
            squares = norm * norm if norm is not None and not row.summary.nan + row.summary.inf else math.nan
        else:
            squares = squares_of(np.frombuffer(row.values or b"", row.dtype))
        remember(self._squares, payload, squares)

    def update(self, position: int, row: Any) -> None:
        """An update, as the list that it is encoded as."""
        grad, rate = row[5], row[6]
        squares = 0.0
        if grad is not None:
            scalar = grad[4]
            squares = abs(scalar) ** 2 if scalar is not None else self._squares.get(grad[5], math.nan)
        first, rate, before = self._open or (position, rate, 0.0)
        self._open = first, rate, before + squares

    def end(self) -> Sweep | None:
        """What came to an end with the last update, if something did."""
        if self._open is None:
            return None
        (first, rate, squares), self._open = self._open, None
        return first, rate, math.sqrt(squares) if squares >= 0 else math.nan


def squares_of(array: npt.NDArray[Any]) -> float:
    if array.dtype.kind not in "fc":
        return math.nan
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.vdot(array, array).real)
