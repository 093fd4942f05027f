"""When two results of one calculation are the same but for rounding: the tolerances of `verify`, by dtype."""

from __future__ import annotations

import numpy as np

from backstep.trace.event import Array

TOLERANCE = {"float64": 1e-6, "complex128": 1e-6, "float16": 2e-2, "bfloat16": 2e-2}
"""Relative to the largest magnitude in either; 1e-4, single precision's, for what is not named."""

RANGE = {
    "float64": (float(np.finfo(np.float64).max), 2.0**-1074, 2.0**-52),
    "complex128": (float(np.finfo(np.float64).max), 2.0**-1074, 2.0**-52),
    "float16": (65504.0, 2.0**-24, 2.0**-10),
    "bfloat16": ((2 - 2.0**-7) * 2.0**127, 2.0**-133, 2.0**-7),
}
SINGLE = (float(np.finfo(np.float32).max), 2.0**-149, 2.0**-23)
"""The largest and the smallest magnitude of a dtype, and its epsilon; single precision's for what is not named."""

ROUNDINGS = 16
"""How many epsilons of its terms a sum may be off: a node rounds inside as well, more than once."""


def tolerance(*dtypes: str) -> float:
    """That of the coarsest of these dtypes."""
    return max(TOLERANCE.get(dtype, 1e-4) for dtype in dtypes)


def relative_error(expected: Array, actual: Array, dtype: str, terms: int = 1, scale: float | None = None) -> float:
    """The largest difference, by `scale` or else by the largest finite magnitude in either; infinite where only one
    is a number.

    `expected` is in double precision. What overflows or underflows in `dtype` is no difference: `terms` is
    of how many products each number was summed, each of which may have vanished below the smallest magnitude.
    """
    expected, actual = as_real(expected), as_real(actual)
    _, smallest, _ = RANGE.get(dtype, SINGLE)
    gap = difference(expected, actual, dtype)
    worst = float(np.max(np.where(gap <= smallest * terms, 0.0, gap), initial=0.0))
    if not np.isfinite(worst):
        return float("inf")
    return worst / (scale or max(largest(expected), largest(actual)) or 1.0) if worst else 0.0


def difference(expected: Array, actual: Array, dtype: str) -> Array:
    """How far the numbers are apart: 0 where both are the same infinity or NaN, or overflow in `dtype`."""
    top, _, _ = RANGE.get(dtype, SINGLE)
    with np.errstate(invalid="ignore", over="ignore"):
        expected = np.where(np.isfinite(expected) & (np.abs(expected) > top), np.sign(expected) * np.inf, expected)
        same = (expected == actual) | (np.isnan(expected) & np.isnan(actual))
        gap: Array = np.where(same, 0.0, np.abs(expected - actual))
    return np.where(np.isnan(gap), np.inf, gap)


def rounding(dtype: str, magnitudes: Array) -> Array:
    """What rounding may do to a sum whose terms have these magnitudes together, be the sum itself as small as it is."""
    _, _, epsilon = RANGE.get(dtype, SINGLE)
    return ROUNDINGS * epsilon * magnitudes


def as_real(array: Array) -> Array:
    """Complex numbers as `[..., 2]`, as `torch.view_as_real` has them; real ones as they are."""
    return np.stack([array.real, array.imag], -1) if np.iscomplexobj(array) else array


def largest(array: Array) -> float:
    """The largest finite magnitude; 0 where there is none."""
    magnitudes = np.abs(array)
    return float(np.max(magnitudes, initial=0.0, where=np.isfinite(magnitudes)))
