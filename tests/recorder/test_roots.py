"""From which root module a parameter is named, in whatever order modules are made, put together and called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize

import backstep
from backstep.trace.event import ForwardEvent
from tests.processes import TRACE, record


def test_children_that_are_called_one_by_one_are_named_from_what_holds_them() -> None:
    with backstep.record() as recording:
        net = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
        net[2](net[1](net[0](torch.ones(1, 2)))).sum().backward()
    assert {event.tensor for event in recording.trace.find(kind="accumulate")} == set(dict(net.named_parameters()))
    linear = [event.module for event in recording.trace.find(kind="forward", op="linear")]
    assert linear == ["0", "2"]


def test_a_frozen_part_has_its_path_before_it_is_called_and_after() -> None:
    class Learner(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model, self.target = nn.Linear(2, 1), nn.Linear(2, 1)

    with backstep.record() as recording:
        learner = Learner()
        learner.target.load_state_dict(learner.model.state_dict())
        learner.target.requires_grad_(False)
        (learner.model(torch.ones(2)) - learner.target(torch.ones(2))).square().sum().backward()
    copied: list[Any] = [event for event in recording.trace.find(kind="update") if event.by == "copy_"]
    assert [event.tensor for event in copied] == ["target.weight", "target.bias"]
    calls = [event for event in recording.trace.find(kind="forward", op="linear") if isinstance(event, ForwardEvent)]
    assert [[value.name for value in call.inputs[1:]] for call in calls] == [
        ["model.weight", "model.bias"], ["target.weight", "target.bias"],
    ]  # fmt: skip


def test_what_was_called_alone_is_named_from_the_root_that_it_comes_into() -> None:
    class Symmetric(nn.Module):
        def forward(self, weight: torch.Tensor) -> torch.Tensor:
            return weight + weight.T

    with backstep.record() as recording:
        parts = [nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)]
        for part in parts:
            parametrize.register_parametrization(part, "weight", Symmetric())
        net = nn.Sequential(*parts)
        net(torch.ones(1, 2)).sum().backward()
    names = {event.tensor for event in recording.trace.find(kind="accumulate")}
    assert names == set(dict(net.named_parameters()))


def test_buffers_have_their_paths_and_what_they_were_when_they_were_used() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    means = []
    with backstep.record() as recording:
        for _ in range(3):
            means.append(model[1].running_mean.detach().clone())
            model(torch.randn(8, 4)).square().mean().backward()
    found = recording.trace.find(kind="forward", op="batch_norm")
    calls = [event for event in found if isinstance(event, ForwardEvent)]
    assert [value.name for value in calls[0].inputs[1:3]] == ["1.running_mean", "1.running_var"]
    history = recording.trace.tensor("1.running_mean").history()
    assert [point.values for point in history[:3]] == [mean.tolist() for mean in means]
    assert [point.iteration for point in history[:3]] == [0, 1, 2]


def test_buffers_of_the_same_path_are_told_apart() -> None:
    with backstep.record() as recording:
        left, right = nn.Sequential(nn.BatchNorm1d(2)), nn.Sequential(nn.BatchNorm1d(2))
        (left(torch.randn(4, 2)) + right(torch.randn(4, 2))).sum().backward()
    found = recording.trace.find(kind="forward", op="batch_norm")
    calls = [event for event in found if isinstance(event, ForwardEvent)]
    assert [call.inputs[1].name for call in calls] == ["left.0.running_mean", "right.0.running_mean"]


def test_what_no_pass_has_met_is_named_by_the_variable_of_a_program_that_has_ended(tmp_path: Path) -> None:
    script = "import torch\nused = torch.nn.Linear(2, 3)\nused(torch.ones(2)).sum().backward()\n"
    (tmp_path / "script.py").write_text(f"{script}unused = torch.nn.Linear(2, 3)\n")
    assert record("script.py", cwd=tmp_path).code == 0
    with backstep.load(tmp_path / TRACE) as trace:
        assert sorted(trace.leaves.values()) == ["unused.bias", "unused.weight", "used.bias", "used.weight"]
