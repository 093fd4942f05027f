"""A large tensor in small: its histogram, thumbnail and corners are those of its numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes

import backstep
from backstep.trace.event import Sketch
from backstep.trace.file import TraceError
from backstep.trace.payload import Payload
from backstep.trace.records import PayloadRow, SketchRow, SummaryRow


def sketched(tensor: torch.Tensor) -> tuple[Sketch, Any]:
    with backstep.record(max_elements=1) as recording:
        torch.clone(tensor)
    (event,) = recording.trace.find(op="clone")
    value = event.outputs[0]
    assert value.array is None and value.sketch is not None
    return value.sketch, value.summary


@settings(max_examples=40, deadline=None)
@given(array_shapes(min_dims=1, max_dims=3, min_side=2, max_side=12), st.integers(0, 2**32 - 1))
def test_of_small_tensors(shape: tuple[int, ...], seed: int) -> None:
    numbers = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    matrix = numbers.reshape(-1, shape[-1]).numpy() if len(shape) > 1 else numbers.reshape(1, -1).numpy()
    sketch, _ = sketched(numbers)
    assert sum(sketch.histogram) == numbers.numel()
    expected, _ = np.histogram(matrix, bins=16)
    assert np.abs(np.subtract(sketch.histogram, expected)).sum() <= 4, "but for numbers on an edge"
    rows, columns = (np.r_[:2, max(2, n - 2) : n] if n > 2 else np.arange(n) for n in matrix.shape)
    assert sketch.corners.tolist() == matrix[np.ix_(rows, columns)].tolist()
    span = matrix.max() - matrix.min()
    assert sketch.thumbnail.shape == (min(12, matrix.shape[0]), min(16, matrix.shape[1]))
    for row in sketch.thumbnail:
        for number in row:
            assert np.abs(matrix - number).min() <= span / 250


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("place", [(0, 0), (299, 499), (150, 499), (7, 250)])
def test_what_is_not_finite_is_never_lost(odd: float, place: tuple[int, int]) -> None:
    numbers = torch.randn(300, 500)
    numbers[place] = odd
    thumbnail = sketched(numbers)[0].thumbnail
    cell = place[0] * 12 // 300, place[1] * 16 // 500
    assert np.array_equal(thumbnail[cell], odd, equal_nan=True)
    assert np.count_nonzero(~np.isfinite(thumbnail)) == 1


@pytest.mark.parametrize(
    "numbers", [torch.zeros(40, 40), torch.full((40, 40), 1e300, dtype=torch.float64), torch.arange(2000)]
)
def test_odd_spans(numbers: torch.Tensor) -> None:
    sketch, summary = sketched(numbers)
    assert sum(sketch.histogram) == numbers.numel()
    assert summary.min <= sketch.thumbnail.min() and sketch.thumbnail.max() <= summary.max


def test_a_sample_of_many() -> None:
    """The histogram of a million numbers is like that of all."""
    numbers = torch.randn(1000, 1000)
    sketch, _ = sketched(numbers)
    expected, _ = np.histogram(numbers.numpy(), bins=16)
    share = np.array(sketch.histogram) / sum(sketch.histogram)
    assert np.abs(share - expected / expected.sum()).max() < 0.04


def test_complex_and_half() -> None:
    z = torch.randn(40, 40, dtype=torch.complex64)
    sketch, _ = sketched(z)
    assert sketch.corners[0, 0] == pytest.approx(abs(z[0, 0].item()), rel=1e-6)
    half = torch.randn(40, 40).to(torch.bfloat16)
    assert sketched(half)[0].corners[0, 0] == half[0, 0].item()


def test_a_trace_to_be_shared_has_none() -> None:
    with backstep.record(values="summary") as recording:
        torch.clone(torch.randn(50, 50))
    (event,) = recording.trace.find(op="clone")
    assert event.outputs[0].summary is not None and event.outputs[0].sketch is None


@pytest.mark.parametrize(
    "row",
    [
        SketchRow((), 1, b"\0", b""),
        SketchRow((1,) * 16, 0, b"", b""),
        SketchRow((1,) * 16, -3, b"\0" * 9, b""),
        SketchRow((1,) * 16, 2, b"\0" * 9, b""),
        SketchRow((1,) * 16, 3, b"\0" * 9, b"\0" * 7),
    ],
)
def test_a_damaged_one(row: SketchRow) -> None:
    payload = Payload(PayloadRow("<f4", None, SummaryRow(0, 1, 0, 1, 1, 0, 0, 0), sketch=row))
    with pytest.raises(TraceError, match="damaged payload"):
        payload.sketch((3, 3))
