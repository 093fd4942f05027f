"""What a composite's parts leave: the tensors' versions as in a bare run, and what each part wrote."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F

import backstep


def test_parts_in_place_tell_what_they_wrote() -> None:
    w = torch.randn(6, requires_grad=True)
    with backstep.record() as recording:
        h = w * 1
        F.dropout(h, 0.5, inplace=True)
    (call,) = recording.trace.find(kind="forward", op="dropout")
    parts = [event for event in recording.trace.find(kind="forward", parent=call.position) if event.inplace]
    assert [part.op for part in parts] == ["bernoulli_", "div_", "mul_"]
    for part in parts:
        assert part.outputs[0].tensor == part.inputs[0].tensor
        assert part.outputs[0].version == part.inputs[0].version + 1
    assert parts[-1].inputs[0].values == w.tolist()
    assert parts[-1].outputs[0].values == call.outputs[0].values == h.tolist()


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors: torch._foreach_mul_(tensors, 2.0), lambda tensors: torch._foreach_zero_(tensors),
        lambda tensors: torch.nn.utils.clip_grads_with_norm_(leaves(tensors), 0.1, torch.ones(())),
        lambda tensors: F.dropout(tensors[0], inplace=True), lambda tensors: tensors[1].unsqueeze_(0).clamp_(0, 1),
    ],
)  # fmt: skip
def test_versions_count_as_when_nobody_looks(change: Any) -> None:
    def run() -> list[int]:
        tensors = [torch.ones(2), torch.ones(3)]
        change(tensors)
        return [tensor._version for tensor in tensors]

    bare = run()
    with backstep.record():
        recorded = run()
    assert recorded == bare != [0, 0]


def leaves(grads: list[torch.Tensor]) -> list[torch.Tensor]:
    """Leaves with these gradients."""
    made = [torch.ones_like(grad).requires_grad_() for grad in grads]
    for leaf, grad in zip(made, grads, strict=True):
        leaf.grad = grad
    return made


def test_an_overwritten_tensor_is_missed_as_when_nobody_looks() -> None:
    w = torch.ones(2, requires_grad=True)
    with backstep.record():
        x = w * 2
        y = x.exp() * x
        torch._foreach_add_([x.detach()], 1.0)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            y.sum().backward()


def test_a_jacobian_that_vmap_gets_wrong() -> None:
    a, b = torch.randn(4, 5, requires_grad=True), torch.randn(3, 5)
    with backstep.record() as recording:
        torch.cdist(a, b).backward(torch.ones(4, 3))
    (node,) = recording.trace.find(kind="backward", op="CdistBackward0")
    expected = torch.autograd.functional.jacobian(lambda x: torch.cdist(x, b), a.detach())
    assert torch.allclose(torch.tensor(node.edges[0].local.values), expected, atol=1e-6)


def test_a_local_gradient_that_is_not_kept_has_its_shape() -> None:
    a, b = torch.randn(20, 30, requires_grad=True), torch.randn(30, 20)
    with backstep.record() as recording:
        (a @ b).sum().backward()
    (node,) = recording.trace.find(kind="backward", op="MmBackward0")
    local = node.edges[0].local
    assert local.omitted
    assert local.shape == (20, 20, 20, 30)
