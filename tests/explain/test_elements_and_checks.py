"""The probe and the check: the terms of one number, and the slope without any derivative, held to autograd's."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F

import backstep
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


def answer(asked: dict[str, Any]) -> dict[str, Any]:
    """What the process that runs the op again would say."""
    return {"estimates": [asdict(slope) for slope in estimates(asked)]}


@pytest.mark.parametrize("name", OPS)
def test_the_estimate_agrees_with_autograd(name: str) -> None:
    compute, node = OPS[name]
    for step in steps(recorded(compute), node).values():
        asked = json.loads(json.dumps(request(step)))
        check = read(step, asked, answer(asked))
        assert check.agrees and len(check.places) == len(asked["elements"])


def test_a_wrong_derivative_is_found_out() -> None:
    (step,) = steps(recorded(lambda: A.tanh()), "Tanh").values()
    asked = request(step)
    wrong = [{key: 2 * number for key, number in slope.items()} for slope in answer(asked)["estimates"]]
    assert not read(step, asked, {"estimates": wrong}).agrees


def test_one_element_can_be_asked_for() -> None:
    step = steps(recorded(lambda: A @ B), "Mm")[0]
    asked = request(step, (2, 1))
    assert asked["elements"] == [7] and read(step, asked, answer(asked)).places == ((2, 1),)


def test_what_is_random_cannot_be_run_again() -> None:
    asked = request(steps(recorded(lambda: A.tanh()), "Tanh")[0])
    asked["result"]["values"][0] += 0.5
    with pytest.raises(CannotRun, match="random"):
        estimates(asked)


KINKS: dict[str, tuple[Callable[[], torch.Tensor], str]] = {
    "relu at 0": (lambda: F.relu(A * 0), "Relu"),
    "abs at 0": (lambda: (A * 0).abs(), "Abs"),
    "max of equals": (lambda: (A * 0 + 1).max(), "Max"),
    "max of equals in a row": (lambda: (A * 0 + 1).max(1).values, "Max"),
    "amax of equals": (lambda: (A * 0 + 1).amax(1), "Amax"),
    "the larger of equals": (lambda: torch.maximum(A, A * 1), "Maximum"),
    "max pool over equals": (lambda: F.max_pool2d((leaf(1, 1, 4, 4) * 0), 2), "MaxPool2DWithIndices"),
    "clamp at its bound": (lambda: (A * 0).clamp(min=0), "Clamp"),
}


@pytest.mark.parametrize("name", KINKS)
def test_at_a_kink_autograd_takes_a_slope_between_the_two_sides(name: str) -> None:
    compute, node = KINKS[name]
    for step in steps(recorded(compute), node).values():
        asked = request(step)
        check = read(step, asked, answer(asked))
        assert check.agrees
        assert any(check.bends_at(index) for index in range(len(check.places)))
        steeper = tuple(number + 100 for number in check.recorded)
        assert not replace(check, recorded=steeper).agrees


def test_what_cancels_is_compared_by_what_was_added_up() -> None:
    """Softmax of what all gets the same gradient: nothing leaves but rounding, and nothing is estimated but that."""
    with backstep.record() as recording:
        A.softmax(1).sum().backward()
    (step,) = steps(recording.trace, "Softmax").values()
    asked = request(step)
    assert read(step, asked, answer(asked)).agrees


@pytest.mark.parametrize("node", ["ToCopy", "Addmm"])
def test_half_precision_is_compared_as_coarsely_as_it_counts(node: str) -> None:
    net = torch.nn.Linear(3, 2)

    def compute() -> torch.Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return net(C)

    for step in steps(recorded(compute), node).values():
        asked = request(step)
        assert read(step, asked, answer(asked)).agrees
        assert step.left is not None and step.left.array is not None and step.in_half
        assert element(step, largest(step.left.array)).agrees


def test_a_mask_of_minus_infinity_is_constant() -> None:
    mask = torch.tensor([0.0, -torch.inf, 0.0])
    step = steps(recorded(lambda: (A + mask).softmax(1)), "Add")[0]
    asked = request(step)
    assert read(step, asked, answer(asked)).agrees


@pytest.mark.parametrize(
    ("index", "node"),
    [((slice(1, 3),), "Slice"), ((1,), "Select"), ((..., None), "Unsqueeze"), ((slice(None), [0, 2, 2]), "Index")],
)
def test_an_index_can_be_taken_again(index: Any, node: str) -> None:
    (step,) = steps(recorded(lambda: A[index]), node).values()
    asked = json.loads(json.dumps(request(step)))
    assert read(step, asked, answer(asked)).agrees


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
    told: dict[str, object] = json.loads(done.stdout)
    return told


def test_the_program_answers_as_json() -> None:
    step = steps(recorded(lambda: A.tanh()), "Tanh")[0]
    asked = request(step)
    told = asked_of_a_process(json.dumps(asked))
    assert told == json.loads(json.dumps(answer(asked)))
    asked["op"], asked["aten"] = "no_such_op", None
    assert "no function of torch's" in str(asked_of_a_process(json.dumps(asked))["why"])
