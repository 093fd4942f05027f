"""The summary of a tensor: over its finite elements, `std` divided by n."""

from __future__ import annotations

import math
from dataclasses import astuple
from typing import Any

import numpy as np
import pytest

from backstep.trace.event import Summary, summarize, summarize_number

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("numbers", "dtype", "expected"),
    [
        ([3, -4], "float32", (-4, 3, -0.5, 3.5, 5, 0, 0, 0)),
        ([[0, 2], [0, 2]], "float64", (0, 2, 1, 1, math.sqrt(8), 2, 0, 0)),
        ([True, False, True, True], "bool", (0, 1, 0.75, math.sqrt(3) / 4, math.sqrt(3), 1, 0, 0)),
        ([3 + 4j, 0], "complex64", (0, 5, 2.5, 2.5, 5, 1, 0, 0)),
        ([2, 4], "int64", (2, 4, 3, 1, math.sqrt(20), 0, 0, 0)),
        ([NAN, 3, INF, 0, -INF], "float32", (0, 3, 1.5, 1.5, 3, 1, 1, 2)),
        ([NAN, INF], "float32", (None, None, None, None, None, 0, 1, 1)),
        ([], "float32", (None, None, None, None, None, 0, 0, 0)),
        ([1e200, 1e200], "float64", (1e200, 1e200, 1e200, 0, INF, 0, 0, 0)),
        ([3e38, 3e38], "float32", (3.0e38, 3.0e38, 3.0e38, 0, 3.0e38 * math.sqrt(2), 0, 0, 0)),
    ],
)
def test_by_hand(numbers: Any, dtype: str, expected: tuple[float | None, ...]) -> None:
    found = astuple(summarize(np.array(numbers, dtype)))
    for name, number, wanted in zip(Summary.field_names(), found, expected, strict=True):
        assert number == (None if wanted is None else pytest.approx(wanted, rel=1e-6)), name


@pytest.mark.parametrize("number", [0.0, -2.5, 1e-200, NAN, INF, -INF, True])
def test_one_number_is_an_array_of_one(number: float) -> None:
    alone, of_one = astuple(summarize_number(float(number))), astuple(summarize(np.array([float(number)])))
    for one, other in zip(alone, of_one, strict=True):
        assert one == (None if other is None else pytest.approx(other, abs=1e-199))


def test_the_absolute_value_of_a_single_precision_complex_number_is_a_double() -> None:
    assert summarize(np.array([1 + 2j], "complex64")).max == math.sqrt(5)
