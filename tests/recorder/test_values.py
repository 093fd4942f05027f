"""What is recorded of a tensor is what was in it then, whoever wrote to it in between, and however quietly.

The recorder takes over what it recorded last of a tensor that cannot have changed since; so here everything changes
that can. The truth is kept by a function mode of the test's own, which copies what each call is given and gives.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

import backstep
from backstep.recorder.calls import Function
from backstep.trace.event import ForwardEvent, UpdateEvent, Value

Seen = tuple[str, list[np.ndarray[Any, Any]], list[np.ndarray[Any, Any]]]


def tensors(thing: Any) -> list[torch.Tensor]:
    if isinstance(thing, torch.Tensor):
        return [thing]
    things = thing.values() if isinstance(thing, dict) else thing if isinstance(thing, list | tuple) else ()
    return [tensor for item in things for tensor in tensors(item)]


def copies(thing: Any) -> list[np.ndarray[Any, Any]]:
    return [tensor.detach().clone().to_dense().numpy() for tensor in tensors(thing)]


class Witness(TorchFunctionMode):
    """Copies what every call is given, and what it gives."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Seen] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        with torch._C.DisableTorchFunction():
            given = copies((args, kwargs))
        result = func(*args, **kwargs)
        with torch._C.DisableTorchFunction():
            self.calls.append((Function(func, len).op, given, copies(result)))
        return result


def written_through_data() -> None:
    w = torch.linspace(1, 2, 8, requires_grad=True)
    h = w * 3
    a = h.exp()
    h.data.add_(1)
    b = h * 2
    h.data = torch.ones(8)
    (a + b + h * 1).sum().backward()
    w.data.mul_(5)
    w * 2


def written_through_numpy() -> None:
    w = torch.linspace(1, 2, 8, requires_grad=True)
    h = w * 3
    view = h.detach().numpy()
    a = h * 2
    view[:] = 7
    b = h * 2
    array = np.zeros(8, np.float32)
    x = torch.from_numpy(array)
    c = w * x
    array += 1
    d = w * x
    leaf = w.detach().numpy()
    w * 1
    leaf[:] = -1
    (w * a * b * c * d).sum()


def written_on_lists() -> None:
    ws = [torch.full((6,), float(i), requires_grad=True) for i in range(2)]
    loss = sum((w * w).sum() for w in ws)
    loss.backward()
    grads = [w.grad for w in ws]
    torch._foreach_mul_(grads, 0.5)
    with torch.no_grad():
        torch._foreach_add_(ws, grads)
        total = [w + g for w, g in zip(ws, grads, strict=True)]
    [w * 2 for w in ws]
    torch.stack(total)


def clipped_and_stepped() -> None:
    model = nn.Linear(8, 8)
    for optimizer in (
        torch.optim.Adam(model.parameters(), foreach=True),
        torch.optim.Adam(model.parameters(), fused=True),
        torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, foreach=True),
    ):
        for _ in range(2):
            optimizer.zero_grad()
            model(torch.ones(4, 8)).square().sum().backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.1)
            optimizer.step()


def changed_in_place() -> None:
    w = torch.linspace(1, 2, 8, requires_grad=True)
    h = w * 2
    part = h[2:4]
    h2 = h.clone()
    part.mul_(3)
    h2 += h
    h2.view(2, 4)[0] = 0
    out = torch.zeros(8)
    with torch.no_grad():
        torch.add(w, 1, out=out)
        torch.add(w, 2, out=out)
        w[0] = 9
    (h2 * out).sum().backward()
    w.grad[1:3].zero_()
    w.grad * 2


def changed_by_another_thread() -> None:
    w = torch.linspace(1, 2, 8, requires_grad=True)
    h = w * 2
    h * 1

    def write() -> None:
        with torch.no_grad():
            h.mul_(10)
            w.add_(1)

    thread = threading.Thread(target=write)
    thread.start()
    thread.join()
    h * 1
    w * 1


def set_and_resized() -> None:
    a = torch.arange(6.0)
    a * 1
    a.set_(torch.ones(4))
    a * 1
    a.resize_(2)
    a * 1
    b = torch.ones(3, requires_grad=True)
    b * 1
    with torch.no_grad():
        b.set_(torch.full((3,), 5.0))
    b * 1


def seen_from_all_sides() -> None:
    w = torch.arange(6.0, requires_grad=True)
    m = w.view(2, 3)
    t = m.t()
    (t @ m).flatten().unsqueeze(0).transpose(0, 1).sum().backward()
    torch.nn.functional.linear(m, m)
    m.permute(1, 0).reshape(-1)


def normalised() -> None:
    model = nn.Sequential(nn.Conv1d(1, 2, 3), nn.BatchNorm1d(2), nn.ReLU())
    for _ in range(2):
        model(torch.linspace(-1, 1, 20).view(2, 1, 10)).square().sum().backward()
    model.eval()
    model(torch.ones(1, 1, 5))


PROGRAMS = [
    written_through_data, written_through_numpy, written_on_lists, clipped_and_stepped, changed_in_place,
    changed_by_another_thread, set_and_resized, seen_from_all_sides, normalised,
]  # fmt: skip


def witnessed(program: Callable[[], None], **options: Any) -> tuple[list[Seen], list[Any]]:
    torch.manual_seed(0)
    witness = Witness()
    with backstep.record(**options) as recording, witness:
        program()
    return witness.calls, list(recording.trace.events)


def agree(value: Value, truth: np.ndarray[Any, Any]) -> bool:
    """Whether what was recorded, numbers or summary, is what was there."""
    if value.omitted and "uninitialised" in value.omitted:
        return True
    if value.array is not None:
        return np.array_equal(value.array, truth, equal_nan=True)
    assert value.summary is not None
    found = (value.summary.min, value.summary.max, value.summary.norm)
    return np.allclose(found, (truth.min(), truth.max(), np.linalg.norm(truth.astype(np.float64))), rtol=1e-6)


@pytest.mark.parametrize("options", [{"values": "all"}, {"values": "summary"}], ids=["values", "summaries"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_inputs_and_outputs_are_what_they_were(program: Callable[[], None], options: dict[str, str]) -> None:
    calls, events = witnessed(program, **options)
    compared = 0
    remaining = iter(calls)
    for event in events:
        if not isinstance(event, ForwardEvent) or event.parent is not None:
            continue
        if program is changed_by_another_thread and event.inplace:
            continue  # the witness is in this thread only
        _, given, gave = next(call for call in remaining if call[0] == event.op)
        assert len(event.inputs) == len(given)
        for value, truth in zip(event.inputs, given, strict=True):
            assert agree(value, truth), (event.position, event.op, value.name, value.values, truth)
        if not event.inplace and len(gave) == len(event.outputs):
            for value, truth in zip(event.outputs, gave, strict=True):
                assert agree(value, truth), (event.position, event.op, value.name, value.values, truth)
        compared += len(given)
    assert compared


@pytest.mark.parametrize("program", [clipped_and_stepped, written_on_lists, changed_in_place])
def test_updates_follow_on_each_other(program: Callable[[], None]) -> None:
    """What a leaf was after one update it is before the next; its gradient is what was delivered or written last."""
    _, events = witnessed(program, values="all")
    values: dict[int, Any] = {}
    grads: dict[int, Any] = {}
    updates = 0
    for event in events:
        if isinstance(event, UpdateEvent):
            if event.number in values:
                assert np.array_equal(event.before.array, values[event.number])
            values[event.number] = event.after.array
            if event.grad is not None and event.number in grads:
                assert np.array_equal(event.grad.array, grads[event.number])
            updates += 1
        elif event.kind in ("accumulate", "grad_write", "zero_grad") and event.after is not None:
            grads[event.number] = event.after.array
    assert updates


def test_sparse_gradients_beside_memory_that_was_given_away() -> None:
    """What has no storage cannot share it: once something was written through `.data`, that must not be asked for."""
    table = nn.Embedding(4, 2, sparse=True)
    w = nn.Parameter(torch.ones(2))
    with backstep.record(values="all") as recording:
        for _ in range(2):
            (table(torch.tensor([1, 1, 3])).sum() + w.sum()).backward()
            assert w.grad is not None
            w.grad.data.clamp_(-1, 1)
    events = list(recording.trace.find(kind="accumulate", tensor="weight"))
    assert table.weight.grad is not None and not list(recording.trace.find(kind="note"))
    assert [np.asarray(event["after"].array)[:, 0].tolist() for event in events] == [[0, 2, 0, 1], [0, 4, 0, 2]]
    assert table.weight.grad.to_dense()[:, 0].tolist() == [0, 4, 0, 2]
