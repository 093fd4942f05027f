"""Which name a result gets: each form in which a program binds what a call gave."""
# ruff: noqa: RUF059, F841 - what is bound and never used is what is tested

from __future__ import annotations

from typing import Any

import torch
from torch import nn

import backstep


def outputs(recording: Any, op: str) -> list[str]:
    """The names of what the last call of this op gave."""
    *_, last = recording.trace.find(kind="forward", op=op)
    return [value.name for value in last.outputs]


def test_parts_of_a_result_are_named_though_nothing_uses_them() -> None:
    w = torch.randn(4, 3, requires_grad=True)
    with backstep.record() as recording:
        values, where = w.max(1)
        U, S, Vh = torch.linalg.svd(w)
        top, _ = w.topk(2)
    assert outputs(recording, "max") == ["values", "where"]
    assert outputs(recording, "linalg_svd") == ["U", "S", "Vh"]
    assert outputs(recording, "topk") == ["top", "w.topk(2)"]


def test_parts_of_what_a_module_gives_are_named() -> None:
    lstm = nn.LSTM(2, 3)
    with backstep.record() as recording:
        z, (h, c) = lstm(torch.ones(4, 1, 2))
    assert outputs(recording, "lstm") == ["z", "h", "c"]


def test_a_tensor_taken_apart() -> None:
    w = torch.randn(3, 2, 2)
    with backstep.record() as recording:
        head, *tail = w
    assert outputs(recording, "unbind") == ["head", "tail[0]", "tail[1]"]
    with backstep.record() as recording:
        (p, q), *rest = w
    first, second = recording.trace.find(kind="forward", op="unbind")
    assert [value.name for value in first.outputs][1:] == ["rest[0]", "rest[1]"]
    assert [value.name for value in second.outputs] == ["p", "q"]


def test_either_side_of_a_condition_is_bound() -> None:
    w = torch.ones(2)
    with backstep.record() as recording:
        loss = w.sum() if len(w) else w.mean()
    assert outputs(recording, "sum") == ["loss"]


def test_what_a_comprehension_iterates_first_lies_in_the_loop_around_it() -> None:
    w = torch.ones(3, requires_grad=True)
    with backstep.record() as recording:
        for episode in range(2):
            loss = sum(part * k for k, part in zip(range(3), w * episode, strict=True))
            loss.backward()
    unbound = recording.trace.find(kind="forward", op="unbind")
    assert [event.loops for event in unbound] == [{"episode": 0}, {"episode": 1}]
    starts = recording.trace.find(kind="backward_start")
    assert [event.iteration for event in starts] == [0, 1]
