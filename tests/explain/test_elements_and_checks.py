"""The probe and the check: the terms of one number, and the slope without any derivative, held to autograd's."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from backstep.explain.element import NoElement, element, largest
from backstep.explain.finite_difference import read, request
from backstep.recorder.estimate import CannotRun, estimates
from tests.explain.recorded import recorded, steps


def leaf(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed + sum(shape)), requires_grad=True)


A, B, C, ROW, ONE = leaf(4, 3), leaf(3, 5), leaf(4, 3, seed=7), leaf(3), leaf()
INDEX, TARGET = torch.tensor([0, 2, 2]), torch.tensor([0, 2, 1, 1])
OPS: dict[str, tuple[Callable[[], torch.Tensor], str]] = {
    "mm": (lambda: A @ B, "Mm"),
    "addmm": (lambda: torch.addmm(leaf(5), A, B), "Addmm"),
    "bmm": (lambda: torch.bmm(A[None], B[None]), "Bmm"),
    "mul": (lambda: A * C, "Mul"),
    "mul by a number": (lambda: A * 3, "Mul"),
    "mul by a row": (lambda: A * ROW, "Mul"),
    "add one": (lambda: A + ONE, "Add"),
    "div": (lambda: A / (C + 4), "Div"),
    "sub from": (lambda: 2 - A, "Rsub"),
    "softmax": (lambda: A.softmax(1), "Softmax"),
    "mean": (lambda: A.mean(0), "Mean"),
    "max": (lambda: A.max(1).values, "Max"),
    "tanh": (lambda: A.tanh(), "Tanh"),
    "pow": (lambda: ONE**3, "Pow"),
    "embedding": (lambda: F.embedding(INDEX, A), "Embedding"),
    "layer norm": (lambda: F.layer_norm(A, (3,), ROW), "NativeLayerNorm"),
    "conv": (lambda: F.conv2d(leaf(1, 1, 4, 4), leaf(2, 1, 3, 3), padding=1), "Convolution"),
    "mse": (lambda: F.mse_loss(A, C), "MseLoss"),
    "cross entropy": (lambda: F.cross_entropy(A, TARGET), "NllLoss"),
    "cat": (lambda: torch.cat([A, C]), "Cat"),
    "gelu": (lambda: F.gelu(A), "Gelu"),
}


@pytest.mark.parametrize("name", OPS)
def test_the_terms_add_up_to_the_recorded_number(name: str) -> None:
    compute, node = OPS[name]
    for step in steps(recorded(compute), node).values():
        assert step.left is not None and step.left.array is not None
        left = step.left.array
        for at in {largest(left), tuple(0 for _ in left.shape), tuple(size - 1 for size in left.shape)}:
            found = element(step, at)
            assert found.agrees and found.recorded == left[at] and found.left[found.cell] == left[at]
            assert found.total == pytest.approx(float(left[at]), rel=1e-4, abs=1e-6)
            for term in found.terms:
                assert found.arrived[term.arrived_at] == term.upstream and found.local[term.local_at] == term.factor


@pytest.mark.parametrize("name", OPS)
def test_the_estimate_agrees_with_autograd(name: str) -> None:
    compute, node = OPS[name]
    for step in steps(recorded(compute), node).values():
        asked = json.loads(json.dumps(request(step)))
        check = read(step, asked, {"estimates": estimates(asked)})
        assert check.agrees and len(check.places) == len(asked["elements"])


def test_a_wrong_derivative_is_found_out() -> None:
    (step,) = steps(recorded(lambda: A.tanh()), "Tanh").values()
    asked = request(step)
    wrong = [2 * number for number in estimates(asked)]
    assert not read(step, asked, {"estimates": wrong}).agrees


def test_one_element_can_be_asked_for() -> None:
    step = steps(recorded(lambda: A @ B), "Mm")[0]
    asked = request(step, (2, 1))
    assert asked["elements"] == [7] and read(step, asked, {"estimates": estimates(asked)}).places == ((2, 1),)


def test_what_is_random_cannot_be_run_again() -> None:
    asked = request(steps(recorded(lambda: A.tanh()), "Tanh")[0])
    asked["result"]["values"][0] += 0.5
    with pytest.raises(CannotRun, match="random"):
        estimates(asked)
    with pytest.raises(CannotRun, match="getitem"):
        estimates(request(steps(recorded(lambda: A[1:3]), "Slice")[0]))


def test_what_was_not_kept_is_told() -> None:
    big = torch.randn(5000, requires_grad=True)
    step = steps(recorded(lambda: big.tanh()), "Tanh")[0]
    with pytest.raises(NoElement, match="not kept"):
        element(step, (0,))
    with pytest.raises(NoElement, match="not kept"):
        request(step)
    kept = steps(recorded(lambda: leaf(300).softmax(0)), "Softmax")[0]
    with pytest.raises(NoElement, match="local gradient was not kept"):
        element(kept, (0,))


def asked_of_a_process(text: str, *options: str) -> dict[str, object]:
    command = [sys.executable, *options, "-m", "backstep.recorder.estimate"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=120)
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def test_the_program_answers_as_json() -> None:
    step = steps(recorded(lambda: A.tanh()), "Tanh")[0]
    asked = request(step)
    answer = asked_of_a_process(json.dumps(asked))
    assert np.allclose(answer["estimates"], estimates(asked))  # type: ignore[arg-type]
    asked["op"], asked["aten"] = "no_such_op", None
    assert "no function of torch's" in str(asked_of_a_process(json.dumps(asked))["why"])
