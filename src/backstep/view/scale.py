"""How the losses of a run are drawn: between which numbers, and whether by their logarithms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from backstep.trace.memo import per_trace
from backstep.trace.trace import Trace

WIDE_RANGE = 1e3
"""Losses this many times apart are drawn by their logarithms."""

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scale:
    """The lowest number that is drawn, and the highest."""

    low: float
    high: float
    logarithmic: bool = False

    @property
    def middle(self) -> float:
        """The number half way up."""
        return float((self.low * self.high) ** 0.5) if self.logarithmic else (self.low + self.high) / 2

    def heights(self, values: Numbers) -> Numbers:
        """Finite numbers as heights from 0 to 1."""
        if self.high <= self.low:
            return np.full(len(values), 0.5)
        if self.logarithmic:
            return np.asarray(np.log(values / self.low) / np.log(self.high / self.low))
        return (values - self.low) / (self.high - self.low)


@per_trace(4)
def scale_of(trace: Trace, count: int) -> Scale:
    """The scale of the first `count` losses; what falls by half and more is drawn down to 0."""
    values = np.array(trace.losses.values[:count], np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        return Scale(0.0, 1.0)
    low, high = float(values.min()), float(values.max())
    if low > 0 and high / low > WIDE_RANGE:
        return Scale(low, high, logarithmic=True)
    return Scale(0.0 if 0 <= low < high / 2 else low, high)
