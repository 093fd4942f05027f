"""Each formula with the recorded numbers in it is the local gradient that autograd has, whatever the arguments were."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import backstep
from backstep.explain.chain_rule import schema_of, stories, twin
from backstep.explain.formulas import local_formula
from backstep.trace.event import BackwardEvent

GENERATOR = torch.Generator().manual_seed(0)


def leaf(*shape: int, low: float | None = None, high: float = 1.0) -> torch.Tensor:
    """Normal numbers, or such as lie between two."""
    if low is None:
        return torch.randn(shape, generator=GENERATOR, dtype=torch.float64, requires_grad=True)
    uniform = torch.rand(shape, generator=GENERATOR, dtype=torch.float64)
    return (low + (high - low) * uniform).requires_grad_()


A, B, V = leaf(3, 4), leaf(3, 4), leaf(5)
P, Q = leaf(3, 4, low=0.5, high=1.5), leaf(3, 4, low=0.1, high=0.9)
TARGET = (B.detach() > 0).double()
CALLS: dict[str, Callable[[], torch.Tensor]] = {
    "var, biased": lambda: A.var(unbiased=False), "var, correction": lambda: A.var(correction=2),
    "var, false": lambda: torch.var(V, False), "var": lambda: A.var(), "var, dims": lambda: A.var((0, 1), correction=0),
    "std, biased": lambda: A.std(unbiased=False), "std, correction": lambda: torch.std(V, 0, correction=3),
    "norm": lambda: A.norm(), "norm 1": lambda: A.norm(1), "norm p=1": lambda: A.norm(p=1), "norm 3": lambda: A.norm(3),
    "norm inf": lambda: A.norm(float("inf")), "vector norm": lambda: torch.linalg.vector_norm(A, 3),
    "linalg norm": lambda: torch.linalg.norm(V, 1), "fro": lambda: torch.linalg.norm(A, "fro"),
    "add": lambda: torch.add(A, B, alpha=3), "sub": lambda: torch.sub(A, B, alpha=2.5), "over": lambda: 3 / P,
    "div": lambda: A / P, "pow": lambda: P**0.5, "pow -2": lambda: P**-2, "base": lambda: 2.5**A, "pow x": lambda: P**A,
    "leaky": lambda: F.leaky_relu(A, 0.3), "elu": lambda: F.elu(A, alpha=2.0), "celu": lambda: F.celu(A, alpha=2.0),
    "selu": lambda: F.selu(A), "softplus": lambda: F.softplus(A, beta=3), "far": lambda: F.softplus(A, 1, 0.5),
    "hardtanh": lambda: F.hardtanh(A, -0.5, 0.7), "relu6": lambda: F.relu6(A * 5), "silu": lambda: F.silu(A),
    "hardsigmoid": lambda: F.hardsigmoid(A * 3), "threshold": lambda: F.threshold(A, 0.1, 5.0),
    "clamp": lambda: A.clamp(-0.2), "clamp max": lambda: A.clamp(max=0.3), "clip": lambda: torch.clip(A, -0.1, 0.1),
    "clamp by two": lambda: torch.clamp(A, B - 1, B + 0.1), "clamp_max": lambda: torch.clamp_max(A, B),
    "maximum": lambda: torch.maximum(A, B), "where": lambda: torch.where(A > 0, A, B), "abs": lambda: A.abs(),
    "fill": lambda: A.masked_fill(B > 0, 2.0), "log2": lambda: P.log2(), "log1p": lambda: P.log1p(),
    "exp2": lambda: A.exp2(), "expm1": lambda: A.expm1(), "exp": lambda: A.exp(), "atan": lambda: A.atan(),
    "sigmoid": lambda: A.sigmoid(), "rsqrt": lambda: P.rsqrt(), "atan2": lambda: torch.atan2(A, B),
    "lerp": lambda: torch.lerp(A, B, 0.3), "lerp by": lambda: torch.lerp(A, B, Q),
    "addcmul": lambda: torch.addcmul(A, B, P, value=2), "addcdiv": lambda: torch.addcdiv(A, B, P, value=-2),
    "mean": lambda: A.mean(), "mse": lambda: F.mse_loss(A, B), "mse sum": lambda: F.mse_loss(A, B, reduction="sum"),
    "mse none": lambda: F.mse_loss(A, B, reduction="none"), "huber": lambda: F.huber_loss(A, B, delta=0.4),
    "huber sum": lambda: F.huber_loss(A, B, "sum", 0.4), "smooth": lambda: F.smooth_l1_loss(A, B, beta=0.5),
    "bce": lambda: F.binary_cross_entropy(Q, TARGET), "weighted": lambda: F.binary_cross_entropy(Q, TARGET, P.detach()),
    "logits": lambda: F.binary_cross_entropy_with_logits(A, TARGET),
    "logits sum": lambda: F.binary_cross_entropy_with_logits(A, TARGET, reduction="sum"),
}  # fmt: skip
KNOWN = {
    "exp": np.exp, "ln": np.log, "sign": np.sign, "clamp": np.clip, "where": np.where, "float": float,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}  # fmt: skip
NO_FORMULA = ("celu", "clip", "norm 3", "norm inf", "vector norm", "weighted")
"""What is left to PyTorch's own formula."""


def worked_out(formula: str, names: dict[str, Any]) -> Any:
    """The formula as numpy has it."""
    text = formula.rpartition(" = ")[2]
    text = re.sub(r", ½ where they are equal", "", text)
    if cases := re.fullmatch(r"(.*) where (.*), else (.*)", text):
        parts = re.split(r" ([≤≥<>]) ", cases[2])
        bounds = [f"({a} {sign} {b})" for a, sign, b in zip(parts[::2], parts[1::2], parts[2::2], strict=False)]
        text = f"where({' & '.join(bounds) or cases[2]}, {cases[1]}, {cases[3]})"
    for sign, written in {"·": "*", "^": "**", "²": "**2", "³": "**3", "½": "0.5", "≤": "<=", "≥": ">="}.items():
        text = text.replace(sign, written)
    return eval(text, {"__builtins__": {}, **KNOWN}, names)


@pytest.mark.parametrize("name", CALLS)
def test_the_formula_is_the_local_gradient(name: str) -> None:
    with backstep.record() as recording:
        out = CALLS[name]()
        out.backward(torch.ones_like(out))
    event = next(event for event in recording.trace.find(kind="backward"))
    assert isinstance(event, BackwardEvent)
    op = twin(recording.trace, event)
    assert op is not None
    names = [f"a{index}" for index in range(len(op.inputs))]
    values = {label: value.array for label, value in zip(names, op.inputs, strict=True)}
    compared = 0
    for told in stories(recording.trace, event):
        local = told.edge.local
        schema = schema_of(recording.trace, event)
        formula = local_formula(event.op, op, told.index, schema=schema, names=names, result="made")
        if formula is None or local is None or local.array is None:
            continue
        there = {**values, "made": op.outputs[0].array, "mean": np.mean(op.inputs[0].array)}  # type: ignore[arg-type]
        slopes = local.array
        if slopes.ndim > len(out.shape) > 0:
            slopes = np.diagonal(slopes.reshape(out.numel(), -1)).reshape(out.shape)
        close = 1e-3 if "." in formula else 1e-6  # decimals are told with four digits
        assert np.allclose(worked_out(formula, there), slopes, rtol=close, atol=1e-9), formula
        compared += 1
    assert bool(compared) == (name not in NO_FORMULA)
