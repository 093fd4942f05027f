"""Passes of loops, however a program writes them: each backward pass lies in the pass that the program says."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import backstep

Say = Callable[[int, int], None]


def training(step: Callable[[torch.Tensor, int, int], None], form: str, loader: DataLoader[torch.Tensor]) -> None:
    """Two or three epochs over the same loader; `step` is told the number of the epoch and of the batch in it."""
    epochs = 3
    if form == "for":
        for epoch in range(epochs):
            for i, (x,) in enumerate(loader):
                step(x, epoch, i)
    elif form == "for without numbers":
        told = itertools.count()
        for _ in range(epochs):
            epoch, batch = next(told), itertools.count()
            for (x,) in loader:
                step(x, epoch, next(batch))
    elif form == "while with a number":
        epoch = 0
        while epoch < epochs:
            for i, (x,) in enumerate(loader):
                step(x, epoch, i)
            epoch += 1
    elif form == "while true":
        epoch = 0
        while True:
            for i, (x,) in enumerate(loader):
                step(x, epoch, i)
            epoch += 1
            if epoch == epochs:
                break
    elif form == "while in while":
        epoch = 0
        while epoch < epochs:
            i, batches = 0, iter(loader)
            while i < len(loader):
                (x,) = next(batches)
                step(x, epoch, i)
                i += 1
            epoch += 1
    elif form == "generator":
        def batches() -> Iterator[tuple[int, torch.Tensor]]:
            for i, (x,) in enumerate(loader):
                yield i, x * 2

        for epoch in range(epochs):
            for i, x in batches():
                step(x, epoch, i)
    elif form == "counting on":
        for epoch in itertools.count(5):
            for i, (x,) in enumerate(loader):
                step(x, epoch - 5, i)
            if epoch == 7:
                break
    elif form == "evaluated between":
        for epoch in range(epochs):
            for i, (x,) in enumerate(loader):
                step(x, epoch, i)
            with torch.no_grad():
                sum(x.sum().item() for (x,) in loader)
    else:
        raise AssertionError(form)


FORMS = [
    "for", "for without numbers", "while with a number", "while true", "while in while", "generator", "counting on",
    "evaluated between",
]  # fmt: skip


@pytest.mark.parametrize("batches", [1, 3])
@pytest.mark.parametrize("updates", [1, 2], ids=["a step a batch", "a step for two batches"])
@pytest.mark.parametrize("form", FORMS)
def test_each_pass_lies_where_the_program_says(form: str, updates: int, batches: int) -> None:
    truth: list[tuple[int, int]] = []

    class Trainer:
        def __init__(self) -> None:
            self.model = nn.Linear(2, 1)
            self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1)

        def step(self, x: torch.Tensor, epoch: int, batch: int) -> None:
            truth.append((epoch, batch))
            self.model(x).square().mean().backward()
            if len(truth) % updates == 0:
                self.optimizer.step()
                self.optimizer.zero_grad()

    loader = DataLoader(TensorDataset(torch.ones(2 * batches, 2)), batch_size=2, shuffle=True)
    with backstep.record() as recording:
        training(Trainer().step, form, loader)
    starts = list(recording.trace.find(kind="backward_start"))
    assert [start.iteration for start in starts] == list(range(len(truth)))
    seen = [list(start.loops.values())[:2] for start in starts]
    first = seen[0][0]
    assert [(epoch - first, batch) for epoch, batch in seen] == truth
