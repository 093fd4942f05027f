"""Numbers of every type travel as torch has them."""

from __future__ import annotations

import pytest
import torch

import backstep
from backstep.writer.parcel import DTYPES, array_of

FLOATS = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
COMPLEX = [torch.complex64, torch.complex128]


@pytest.mark.parametrize("name", DTYPES)
def test_numbers_of_a_type(name: str) -> None:
    dtype = getattr(torch, name)
    numbers = (torch.randn(64) * 50).abs().to(torch.complex64 if dtype.is_complex else torch.float32).to(dtype)
    wide = numbers.to(torch.complex64) if dtype is torch.complex32 else numbers
    wide = wide.float() if dtype in (torch.float16, torch.bfloat16) else wide
    found = array_of(numbers.view(torch.uint8).numpy().tobytes(), DTYPES.index(name))
    assert found.tolist() == wide.tolist()


@pytest.mark.parametrize("dtype", [*FLOATS, *COMPLEX, torch.float8_e4m3fn, torch.int16, torch.uint32, torch.bool])
def test_recorded(dtype: torch.dtype) -> None:
    """Through a recording, in any layout of memory."""
    numbers = (torch.arange(12).reshape(3, 4) % 5).to(dtype)
    with backstep.record() as recording:
        torch.clone(numbers)
        torch.clone(numbers.t())
    plain, transposed = (event.outputs[0] for event in recording.trace.find(op="clone"))
    wide = numbers.to(torch.complex128 if dtype.is_complex else torch.float64)
    assert plain.array.tolist() == wide.tolist() and transposed.array.tolist() == wide.t().tolist()


def test_a_conjugate_is_no_other_tensor() -> None:
    z = torch.tensor([1 + 2j, 3 - 4j])
    with backstep.record() as recording:
        torch.clone(z.conj())
    (event,) = recording.trace.find(op="clone")
    assert event.inputs[0].array.tolist() == [1 - 2j, 3 + 4j]
