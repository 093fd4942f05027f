"""How large a recorded tensor is, and whether it is zero or not finite: answers from its summary alone."""

from __future__ import annotations

import math

from backstep.trace.event import Value


def norm_of(value: Value | None) -> float | None:
    """The norm of its finite elements; None where nothing is known."""
    summary = None if value is None else value.summary
    return None if summary is None else summary.norm


def is_zero(value: Value | None) -> bool:
    """Whether it is there, known, and nothing but zeros."""
    summary = None if value is None else value.summary
    return value is not None and summary is not None and summary.zeros == math.prod(value.shape) > 0


def is_nonzero(value: Value | None) -> bool:
    """Whether it is known to have an element that is not zero."""
    norm = norm_of(value)
    return norm is not None and norm > 0


def not_finite(value: Value | None) -> bool:
    """Whether a NaN or an Inf is in it."""
    summary = None if value is None else value.summary
    return summary is not None and summary.nan + summary.inf > 0


def has_nan(value: Value | None) -> bool:
    summary = None if value is None else value.summary
    return summary is not None and summary.nan > 0


def moved(before: Value, after: Value) -> float | None:
    """The norm of the difference of two values of a tensor; None where their numbers were not kept."""
    one, other = before.array, after.array
    if one is None or other is None or one.shape != other.shape:
        return None
    return float(math.sqrt(float((abs(other.astype("float64") - one.astype("float64")) ** 2).sum())))
