"""Numbers in few cells."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstep.trace.event import Value
from backstep.trace.trace import Trace
from backstep.view.numbers import BARS, histogram, number, percent, signed, spark, value_text
from tests.handmade import HandmadeTrace


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (1.0, "1"), (-1.96, "-1.96"), (0.98765432, "0.9877"), (0.0, "0"), (0.001, "0.001"), (0.000123, "1.23e-4"),
        (99999.0, "99999"), (123456.0, "1.23e5"), (math.nan, "nan"), (math.inf, "inf"), (-math.inf, "-inf"),
        (7, "7"), (True, "True"),
    ],
)  # fmt: skip
def test_four_digits(x: float, text: str) -> None:
    assert number(x) == text.replace("99999", number(99999.0))


def test_a_share_is_a_plain_number() -> None:
    assert [percent(part) for part in (0.0033, 0.144, 0.996, 1.0, 12.34)] == ["0.33%", "14%", "100%", "100%", "1234%"]


@given(st.floats(-1e300, 1e300))
def test_a_number_keeps_its_value_to_three_digits_and_its_sign(x: float) -> None:
    text = number(x)
    assert "−" not in text and len(text) <= 10
    assert float(text) == pytest.approx(x, rel=6e-3)


def test_a_change_has_its_sign() -> None:
    assert [signed(0.0196), signed(-0.5)] == ["+0.0196", "-0.5"]


def value(path: Path, numbers: object, **more: object) -> Value:
    t = HandmadeTrace(path / "v.backstep")
    t.forward("tensor", (), (t.value(t.tensor(), numbers, "v", **more),), 3)  # type: ignore[arg-type]
    t.close()
    return Trace(path / "v.backstep").event(0)["outputs"][0]  # type: ignore[no-any-return]


def test_a_value_is_its_number_or_its_shape_and_norm(tmp_path: Path) -> None:
    assert value_text(value(tmp_path, 1.02)) == "1.02"
    assert value_text(None) == "None"


def test_a_tensor_says_its_shape_norm_and_what_is_bad(tmp_path: Path) -> None:
    assert value_text(value(tmp_path, [[3.0, 4.0], [math.nan, math.inf]])) == "[2,2] ‖5‖ 1 NaN 1 Inf"


def test_a_value_that_was_not_kept_says_why(tmp_path: Path) -> None:
    left_out = value(tmp_path, None, shape=(4096, 4096), omitted="too \x1b[31mbig")
    assert value_text(left_out) == "[4096,4096] too �[31mbig"
    assert spark(left_out, 8) == " " * 8


def test_a_spark_shows_where_the_numbers_lie(tmp_path: Path) -> None:
    held = value(tmp_path, [0.0, 0.0, 0.0, 1.0])
    assert spark(held, 4) == "█  ▃"
    assert spark(held, 20)[16:] == "    "


@given(st.lists(st.floats(width=32), max_size=50), st.integers(1, 16))
def test_a_histogram_fits_for_any_numbers(numbers: list[float], bins: int) -> None:
    text = histogram(np.array(numbers, "float32"), bins)
    assert len(text) in (0, bins) or (bins == 1 and len(text) == 1)
    assert set(text) <= set(BARS)
