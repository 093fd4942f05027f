"""PyTorch's own formulas, under the names that autograd itself has for its nodes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import backstep
from backstep.recorder import derivatives

NOT_GENERATED = {
    "AccumulateGrad", "CopyBackwards", "CopySlices", "DelayedError", "Error", "NotImplemented", "SendRpcBackward",
    "UndefinedGrad", "UndefinedGradBackward",
}  # fmt: skip
"""The nodes that somebody wrote by hand in C++; there is no formula of theirs."""


def test_every_generated_node_has_its_formula_and_no_other() -> None:
    names = {name for name in dir(torch._C._functions) if not name.startswith("__")} - NOT_GENERATED
    assert {name.removesuffix("_copy") for name in names} == set(derivatives.derivatives())
    assert all(derivatives.derivative(name) for name in names)


def test_the_formulas_stand_in_the_order_of_the_edges() -> None:
    schema, formulas = derivatives.derivatives()["AddmmBackward0"]
    assert schema.startswith("addmm(Tensor self, Tensor mat1, Tensor mat2")
    assert [(argument, text.split("(")[0]) for argument, text in formulas] == [
        ("self", "maybe_multiply"), ("mat1", "mm_mat1_backward"), ("mat2", "mm_mat2_backward"),
    ]  # fmt: skip
    assert derivatives.derivatives()["PowBackward1"][0].startswith("pow.Tensor_Tensor(")


def test_comments_and_texts_over_several_lines_are_read() -> None:
    text = (
        "# head\n- name: f.x(Tensor self, Tensor other, Tensor t) -> Tensor\n  # why\n"
        '  self, other: "a ? b\n      : c"\n  t: non_differentiable\n  result: auto_linear\n'
        "- name: g(Tensor self) -> Tensor\n  dispatch:\n    Default:\n      self: grad # as it is\n"
        "    AutogradX:\n      self: grad * 2\n"
    )
    found = list(derivatives.entries(text))
    assert [(key, formulas) for _, key, formulas in found] == [
        ("Default", {"self, other": "a ? b : c", "t": "non_differentiable", "result": "auto_linear"}),
        ("Default", {"self": "grad"}),
        ("AutogradX", {"self": "grad * 2"}),
    ]
    assert derivatives.in_order(found[0][0], found[0][2]) == (("self", "a ? b : c"), ("other", "a ? b : c"))


def test_torch_without_the_file_is_recorded_without_formulas(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    derivatives.derivatives.cache_clear()
    monkeypatch.setattr(derivatives, "FILE", tmp_path / "derivatives.yaml")
    try:
        assert derivatives.derivatives() == {}
    finally:
        derivatives.derivatives.cache_clear()


def test_an_edge_has_the_formula_of_its_input() -> None:
    a, b, c = (torch.ones(2, requires_grad=True) for _ in range(3))
    with backstep.record() as recording:
        (torch.cat([a, b, c]).sum() + torch.cdist(a[None], b[None]).sum()).backward()
    nodes = {event.op: event for event in recording.trace.find(kind="backward")}
    parts = [edge.formula for edge in nodes["CatBackward0"].edges]
    assert len(parts) == 3 and len(set(parts)) == 1 and parts[0].startswith("cat_tensors_backward(grad")
    first, second = (edge.formula for edge in nodes["CdistBackward0"].edges)
    assert first and second and first != second
    assert nodes["AddBackward0"].as_dict()["edges"][0]["formula"] == "handle_r_to_c(self.scalar_type(), grad)"


def test_a_function_of_the_users_own_has_none() -> None:
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: torch.Tensor) -> torch.Tensor:
            return x * 2

        @staticmethod
        def backward(ctx: object, *grads: torch.Tensor) -> torch.Tensor:
            return grads[0] * 2

    x = torch.ones((), requires_grad=True)
    with backstep.record() as recording:
        Double.apply(x).backward()
    assert next(recording.trace.find(kind="backward")).edges[0].formula is None
