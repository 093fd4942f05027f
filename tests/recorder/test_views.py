"""Who writes to a view of a leaf, or of its gradient, writes to that: told as such, whole, before and after."""

from __future__ import annotations

import itertools
from typing import Any

import torch
from torch import nn

import backstep


def told(recording: Any, kind: str = "update") -> list[tuple[str, str, Any]]:
    return [(event.tensor, event.by, event.after.values) for event in recording.trace.find(kind=kind)]


def test_a_weight_nudged_element_by_element() -> None:
    """As in a check by finite differences: the leaf is itself a view, and Python assigns what has been written."""
    w = torch.arange(4.0).view(2, 2).requires_grad_()
    seen = []
    with backstep.record() as recording, torch.no_grad():
        flat = w.view(-1)
        for index in range(2):
            flat[index] += 1
            seen.append(w.tolist())
            flat[index].sub_(0.5)
            seen.append(w.tolist())
            w[1, index] += 1
            seen.append(w.tolist())
    assert told(recording) == [("w", by, values) for by, values in zip(["add_", "sub_", "add_"] * 2, seen, strict=True)]
    updates = list(recording.trace.find(kind="update"))
    for update, later in itertools.pairwise(updates):
        assert later.before.values == update.after.values
    assert set(recording.trace.leaves.values()) == {"w"}


def test_rows_and_parts() -> None:
    w = torch.ones(2, 2, requires_grad=True)
    with backstep.record() as recording, torch.no_grad():
        for row in w:
            row.clamp_(max=0.5)
        a, _ = w.T.chunk(2)
        a.mul_(2)
        w[0] = w[1]
        w.data[0].fill_(7)
    assert [by for _, by, _ in told(recording)] == ["clamp_", "clamp_", "mul_", "setitem", "fill_"]
    assert told(recording)[2:] == [
        ("w", "mul_", [[1, 0.5], [1, 0.5]]), ("w", "setitem", [[1, 0.5], [1, 0.5]]), ("w", "fill_", [[7, 7], [1, 0.5]]),
    ]  # fmt: skip


def test_a_padding_row() -> None:
    with backstep.record() as recording:
        table = nn.Embedding(3, 2, padding_idx=0)
        table(torch.tensor([1]))
    *_, (name, by, values) = told(recording)
    assert (name, by, values) == ("weight", "fill_", table.weight.tolist())


def test_a_part_of_a_gradient() -> None:
    w = torch.ones(2, 2, requires_grad=True)
    with backstep.record() as recording:
        w.sum().backward()
        w.grad[0] *= 3
        w.grad[0].zero_()
        w.grad[1].zero_()
    assert told(recording, "grad_write") == [("w", "mul_", [[3, 3], [1, 1]]), ("w", "zero_", [[0, 0], [1, 1]])]
    (zeroing,) = recording.trace.find(kind="zero_grad")
    assert zeroing.how == "zero_"


def test_a_view_of_what_is_no_leaf_is_an_op_like_any_other() -> None:
    w = torch.ones(2, requires_grad=True)
    with backstep.record() as recording:
        h = w * 2
        h[0].mul_(3)
        h.sum().backward()
    assert told(recording) == []
    assert {event.inplace for event in recording.trace.find(kind="forward", op="mul_")} == {True}
