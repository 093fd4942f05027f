"""Which iterations are recorded: `iterations`, `every`, `keep_last`, `max_size`. The truth is a recording of all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import backstep
from backstep.trace.trace import Trace
from backstep.trace.verify import verify
from backstep.writer import intake


def by_hand(epochs: int = 4, batches: int = 6) -> None:
    torch.manual_seed(0)
    w = torch.ones(3, requires_grad=True)
    for _epoch in range(epochs):
        for batch in range(batches):
            x = torch.full((3,), float(batch))
            loss = ((w * x - 1) ** 2).sum()
            loss.backward()
            with torch.no_grad():
                w -= 1e-3 * w.grad
            w.grad = None


def with_a_loader() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))
    data = DataLoader(TensorDataset(torch.randn(24, 2), torch.randn(24, 1)), batch_size=4)
    optimizer = torch.optim.Adam(model.parameters(), foreach=False)
    for _epoch in range(4):
        for x, y in data:
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
        with torch.no_grad():
            for x, _ in data:
                model(x)


def in_micro_batches() -> None:
    torch.manual_seed(0)
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for step in range(24):
        optimizer.zero_grad()
        for part in range(2):
            (model(torch.full((3, 2), float(step + part))).square().mean() / 2).backward()
        optimizer.step()


TRAININGS = [by_hand, with_a_loader, in_micro_batches]


def told(trace: Trace) -> dict[int, list[Any]]:
    """What each iteration's events say, without the numbers that depend on what else is recorded."""
    found: dict[int, list[Any]] = {}
    for event in trace.events:
        if event.iteration is not None:
            found.setdefault(event.iteration, []).append(stripped(event.as_dict()))
    return found


NUMBERS = {"position", "parent", "forward", "node", "nodes", "pass", "number", "version", "to", "why"}


def stripped(thing: Any) -> Any:
    if isinstance(thing, dict):
        kept = {key: stripped(value) for key, value in thing.items() if key not in NUMBERS}
        if isinstance(kept.get("tensor"), int):
            del kept["tensor"]
        return kept
    return [stripped(item) for item in thing] if isinstance(thing, list) else thing


def recorded(train: Callable[[], None], **options: Any) -> Trace:
    with backstep.record(**options) as recording:
        train()
    return recording.trace


@pytest.mark.parametrize("train", TRAININGS)
@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"iterations": (3, 5)}, [3, 4]),
        ({"iterations": "20:"}, [20, 21, 22, 23]),
        ({"iterations": ":1"}, [0]),
        ({"every": 10}, [0, 10, 20]),
        ({"iterations": (2, 20), "every": 7}, [2, 9, 16]),
        ({"keep_last": 2}, [0, 22, 23]),
        ({"keep_last": 2, "iterations": (0, 9)}, [0, 7, 8]),
        ({"keep_last": 50}, list(range(24))),
    ],
)
def test_what_is_wanted_is_told_as_in_a_recording_of_all(
    train: Callable[[], None], options: dict[str, Any], wanted: list[int]
) -> None:
    with recorded(train) as whole, recorded(train, **options) as part:
        everything, some = told(whole), told(part)
        assert sorted(some) == wanted
        for iteration in wanted:
            assert some[iteration] == everything[iteration]
        assert [event.position for event in part.events] == list(range(len(part)))
        assert not list(part.find(kind="note"))
        assert not verify(part).failures


@pytest.mark.parametrize("options", [{"iterations": (3, 5)}, {"every": 10}, {"keep_last": 2}])
def test_nodes_and_their_twins_belong_together(options: dict[str, Any]) -> None:
    with recorded(with_a_loader, **options) as trace:
        for event in trace.find(kind="backward"):
            assert event.node in trace.event(event.forward).nodes
        for event in trace.find(kind="forward"):
            assert event.parent is None or event.parent > event.position


def test_training_is_the_same_with_windows() -> None:
    def trained(**options: Any) -> list[torch.Tensor]:
        torch.manual_seed(0)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.Adam(model.parameters())
        with backstep.record(**options):
            for _ in range(12):
                optimizer.zero_grad()
                model(torch.randn(4, 2)).square().mean().backward()
                optimizer.step()
        return [p.detach().clone() for p in model.parameters()]

    torch.manual_seed(0)
    for options in ({"iterations": (3, 5)}, {"every": 4}, {"keep_last": 2}):
        for one, other in zip(trained(), trained(**options), strict=True):
            assert torch.equal(one, other)


def test_the_first_nan_stays(tmp_path: Path) -> None:
    def train() -> None:
        w = torch.tensor(4.0, requires_grad=True)
        for step in range(300):
            loss = (w - step).sqrt() if step == 7 else w * 2
            loss.backward()
            w.grad = None
            with torch.no_grad():
                w -= 1e-3

    with recorded(train, keep_last=3) as trace:
        iterations = {event.iteration for event in trace.events} - {None}
        assert {0, 5, 6, 7, 8, 297, 298, 299} <= iterations and len(iterations) < 15


def test_a_flight_recorder_does_not_grow(tmp_path: Path) -> None:
    sizes = []
    for epochs in (100, 400):
        path = tmp_path / f"{epochs}.backstep"
        with backstep.record(path, keep_last=5):
            by_hand(epochs, 6)
        sizes.append(path.stat().st_size)
    # What grows is a row for each pass of a loop.
    assert sizes[1] < 2 * sizes[0]
    assert sizes[1] < 3 << 19


@pytest.mark.parametrize(
    "options",
    [
        {"iterations": (5, 5)}, {"iterations": (-1, 2)}, {"every": 0}, {"keep_last": 0}, {"iterations": "x"},
        {"iterations": 3}, {"iterations": range(0, 9, 2)}, {"iterations": (1, 2, 3)}, {"iterations": ("1", "2")},
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        backstep.record(**options)


@pytest.mark.parametrize("iterations", ["2:4", (2, 4), [2, 4], range(2, 4)])
def test_a_window_can_be_said_in_several_ways(iterations: Any) -> None:
    with backstep.record(iterations=iterations) as recording:
        by_hand(2, 3)
    assert {event.iteration for event in recording.trace.find(kind="update")} == {2, 3}


@pytest.mark.parametrize("events", [1, 3, 4096])
@pytest.mark.parametrize("size", [100, 1 << 20])
def test_a_flight_recorder_keeps_the_numbers_of_what_it_keeps(
    monkeypatch: pytest.MonkeyPatch, events: int, size: int
) -> None:
    """Wherever its batches end, after so many events or bytes: those before may hold numbers that these need."""
    monkeypatch.setattr(intake, "BATCH_EVENTS", events)
    monkeypatch.setattr(intake, "BATCH_BYTES", size)
    model, data = nn.Sequential(nn.Linear(3, 2), nn.Tanh()), torch.randn(4, 3)
    optimizer = torch.optim.Adam(model.parameters())
    with backstep.record(keep_last=2) as recording:
        for _ in range(12):
            optimizer.zero_grad()
            model(data).square().sum().backward()
            optimizer.step()
    trace = recording.trace
    assert len({event.iteration for event in trace.events}) < 8
    for event in trace.events:
        assert event.as_dict()
    assert not verify(trace).failures
