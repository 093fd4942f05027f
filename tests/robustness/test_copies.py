"""What is copied or saved in mid-recording is the user's alone: no trace of ours in it, byte for byte."""

from __future__ import annotations

import copy
import io
from typing import Any

import pytest
import torch
from torch import nn

from tests.robustness.twice import assert_gradients, equals, gradients_of, run_twice


def train(model: nn.Module, optimizer: torch.optim.Optimizer, x: torch.Tensor) -> None:
    optimizer.zero_grad()
    model(x).square().mean().backward()
    optimizer.step()


@pytest.mark.filterwarnings("ignore:.*jit.*deprecated")
def test_saved_in_mid_recording() -> None:
    """Modules, optimizers, tensors, scripts: the bytes are those of the bare run, and nothing of ours is in them."""

    def saved(thing: Any) -> bytes:
        file = io.BytesIO()
        torch.save(thing, file)
        return file.getvalue()

    def program() -> Any:
        model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh())
        optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
        x = torch.randn(5, 3)
        train(model, optimizer, x)
        w = nn.Parameter(torch.ones(2))
        w.grad = torch.zeros(2)
        scripted = torch.jit.script(nn.Linear(2, 2))
        return [
            saved(model), saved(model.state_dict()), saved(optimizer.state_dict()), saved(optimizer), saved(w),
            saved(model[0].weight.grad), scripted.save_to_buffer(),
        ]  # fmt: skip

    twice = run_twice(program)
    assert not any(b"backstep" in data for data in twice.bare[0])


def test_copied_in_mid_recording() -> None:
    """A copy is a model of its own, with leaves of its own; training one leaves the other alone."""

    def program() -> Any:
        model = nn.Sequential(nn.Linear(3, 2))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        x = torch.randn(5, 3)
        train(model, optimizer, x)
        twin, other = copy.deepcopy((model, optimizer))
        train(twin, other, x + 1)
        loaded = nn.Sequential(nn.Linear(3, 2))
        loaded.load_state_dict(twin.state_dict())
        assigned = nn.Sequential(nn.Linear(3, 2))
        assigned.load_state_dict(copy.deepcopy(twin.state_dict()), assign=True)
        loaded(x).sum().backward()
        assigned(x).sum().backward()
        return [(m.state_dict(), gradients_of(m)) for m in (model, twin, loaded, assigned)]

    twice = run_twice(program)
    last: dict[int, Any] = {event.number: event.after for event in twice.events("accumulate")}
    names = {event.number: event.tensor for event in twice.events("accumulate")}
    assert len(last) == 8 and len(set(names.values())) == 8
    for _, gradients in twice.bare[0]:
        for name, gradient in gradients.items():
            assert any(name in names[n] and equals(value, gradient) for n, value in last.items())


def test_tensors_carry_nothing_of_ours() -> None:
    """Attributes, hooks and metadata of the user's tensors, modules and nodes are the bare run's."""

    def program() -> Any:
        model = nn.Linear(2, 1)
        out = model(torch.ones(1, 2))
        out.retain_grad()
        out.backward()
        hooks = [thing._backward_hooks for thing in (out, model.weight)]
        modules = [len(table) for table in (model._forward_hooks, model._forward_pre_hooks, model._backward_hooks)]
        attributes = [sorted(vars(thing)) for thing in (out, model.weight, model)]
        return attributes, hooks, modules, type(out).__name__, gradients_of(model)

    twice = run_twice(program)
    assert_gradients(twice, twice.bare[0][-1])
