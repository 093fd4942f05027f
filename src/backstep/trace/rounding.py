"""When two results of one calculation are the same but for rounding: the tolerances of `verify`, by dtype."""

from __future__ import annotations

import numpy as np

from backstep.trace.event import Array

TOLERANCE = {"float64": 1e-6, "complex128": 1e-6, "float16": 2e-2, "bfloat16": 2e-2}
"""Relative to the largest magnitude in either; 1e-4, single precision's, for what is not named."""

RANGE = {
    "float64": (np.finfo(np.float64).max, 2.0**-1074),
    "complex128": (np.finfo(np.float64).max, 2.0**-1074),
    "float16": (65504.0, 2.0**-24),
    "bfloat16": ((2 - 2.0**-7) * 2.0**127, 2.0**-133),
}
SINGLE = (float(np.finfo(np.float32).max), 2.0**-149)
"""The largest and the smallest magnitude that a dtype has; single precision's for what is not named."""


def tolerance(*dtypes: str) -> float:
    """That of the coarsest of these dtypes."""
    return max(TOLERANCE.get(dtype, 1e-4) for dtype in dtypes)


def relative_error(expected: Array, actual: Array, dtype: str, terms: int = 1) -> float:
    """The largest difference, by the largest finite magnitude in either; infinite where only one is a number.

    `expected` is in double precision. What overflows or underflows in `dtype` is no difference: `terms` is
    of how many products each number was summed, each of which may have vanished below the smallest magnitude.
    """
    expected, actual = as_real(expected), as_real(actual)
    top, smallest = RANGE.get(dtype, SINGLE)
    with np.errstate(invalid="ignore", over="ignore"):
        expected = np.where(np.isfinite(expected) & (np.abs(expected) > top), np.sign(expected) * np.inf, expected)
        same = (expected == actual) | (np.isnan(expected) & np.isnan(actual))
        gap = np.where(same, 0.0, np.abs(expected - actual))
    gap = np.where(gap <= smallest * terms, 0.0, gap)
    worst = float(np.max(gap, initial=0.0))
    if not np.isfinite(worst):
        return float("inf")
    scale = max(largest(expected), largest(actual))
    return worst / scale if worst else 0.0


def as_real(array: Array) -> Array:
    """Complex numbers as `[..., 2]`, as `torch.view_as_real` has them; real ones as they are."""
    return np.stack([array.real, array.imag], -1) if np.iscomplexobj(array) else array


def largest(array: Array) -> float:
    """The largest finite magnitude; 0 where there is none."""
    magnitudes = np.abs(array)
    return float(np.max(magnitudes, initial=0.0, where=np.isfinite(magnitudes)))
