"""Work that is not in the main thread: loader processes, Python threads, and the engine's own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.robustness.twice import assert_gradients, equals, run_script_twice, run_twice

LOADING = """\
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Squares(Dataset):
    def __len__(self):
        return 6

    def __getitem__(self, index):
        x = torch.tensor([float(index)]) / 6
        noisy = x + torch.randn(1) * 0.01
        return noisy, (x * x).requires_grad_(False)


def main():
    torch.manual_seed(0)
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = DataLoader(
        Squares(), batch_size=3, shuffle=True, num_workers=1, multiprocessing_context="{method}",
        persistent_workers=True,
    )
    for epoch in range(2):
        for x, target in loader:
            optimizer.zero_grad()
            loss = (model(x) - target).square().mean()
            loss.backward()
            optimizer.step()
            print(loss.item(), model.weight.grad.tolist())


if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_loader_with_workers(method: str, tmp_path: Path) -> None:
    """A worker inherits the recorder (fork) or runs the script's top again (spawn): neither writes to the trace."""
    twice = run_script_twice(LOADING.replace("{method}", method), tmp_path, note="child processes are not recorded")
    losses = [line.split()[0] for line in twice.bare.splitlines()]
    starts = twice.events("backward_start")
    assert [str(event.roots[0].values) for event in starts] == losses
    assert [event.iteration for event in starts] == [0, 1, 2, 3]
    assert [event.loops["epoch"] for event in starts] == [0, 0, 1, 1]
    assert not any(event.op == "randn" for event in twice.events("forward")), "that ran in the worker"
    assert "".join(event.text for event in twice.events("output")) == twice.bare


def test_threads_of_ones_own() -> None:
    """Each thread trains a model of its own, while the main one waits, and one backward runs on another's graph."""

    def program() -> Any:
        results: dict[int, Any] = {}

        def train(number: int) -> None:
            w = torch.full((2,), float(number), requires_grad=True)
            for _step in range(3):
                (w * w).sum().backward()
                with torch.no_grad():
                    w -= 0.1 * w.grad
                w.grad = None
            results[number] = w

        for number in (1, 2):
            thread = threading.Thread(target=train, args=(number,))
            thread.start()
            thread.join()
        train(3)
        shared = torch.ones(2, requires_grad=True)
        loss = (shared * 3).sum()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(loss.backward).result()
        return dict(sorted(results.items())), shared.grad

    twice = run_twice(program)
    (results, gradient), _ = twice.bare
    last = {event.number: event.after for event in twice.events("update", by="sub_")}
    assert len(last) == 3
    assert all(equals(value, result) for value, result in zip(last.values(), results.values(), strict=True))
    last = {event.number: event.after for event in twice.events("accumulate")}
    assert any(equals(value, gradient) for value in last.values())


def test_a_pass_that_ends_while_another_runs() -> None:
    """One pass waits in its middle until another has begun, and that one until the first is over."""

    def program() -> Any:
        reached, begun, over = threading.Event(), threading.Event(), threading.Event()
        first, second = (torch.tensor([number, 2.0], requires_grad=True) for number in (1.0, 3.0))

        def start(w: torch.Tensor, meet: Callable[[Any], None]) -> None:
            wave = w.sin()
            wave.register_hook(meet)
            (wave * w).sum().backward()

        def wait_for_the_second(_: torch.Tensor) -> None:
            reached.set()
            begun.wait()

        def wait_for_the_first(_: torch.Tensor) -> None:
            begun.set()
            over.wait()

        def run_first() -> None:
            start(first, wait_for_the_second)
            over.set()

        thread = threading.Thread(target=run_first)
        thread.start()
        reached.wait()
        start(second, wait_for_the_first)
        thread.join()
        return first.grad, second.grad

    twice = run_twice(program)
    recorded = [event.after for event in twice.events("accumulate")]
    assert len(recorded) == 2
    assert all(equals(value, gradient) for value, gradient in zip(recorded, twice.bare[0], strict=True))


def test_threads_at_the_same_time() -> None:
    """Four at once, with the main one busy too; no leaf is shared, so that each sum is the same every time."""

    def program() -> Any:
        weights = [torch.full((3,), float(i), requires_grad=True) for i in range(4)]

        def work(weight: torch.Tensor) -> None:
            for _ in range(5):
                (weight.sin() * weight).sum().backward()

        threads = [threading.Thread(target=work, args=(weight,)) for weight in weights]
        for thread in threads:
            thread.start()
        for weight in weights:
            weight.detach().sum()
        for thread in threads:
            thread.join()
        return [weight.grad for weight in weights]

    twice = run_twice(program, hooks=True)  # as the test above: some are told to be hooked
    recorded = {event.number: event.after for event in twice.events("accumulate")}
    assert len(recorded) == 4
    assert all(any(equals(value, gradient) for value in recorded.values()) for gradient in twice.bare[0])


def test_data_parallel_like_replicas() -> None:
    """Forward in threads, backward in the main one: the nodes' twins are in the threads."""

    def program() -> Any:
        model = nn.Linear(2, 1)
        with ThreadPoolExecutor(2) as pool:
            outs = list(pool.map(model, torch.randn(2, 3, 2)))
        torch.cat(outs).sum().backward()
        return {name: parameter.grad for name, parameter in model.named_parameters()}

    twice = run_twice(program)
    assert_gradients(twice, twice.bare[0])
