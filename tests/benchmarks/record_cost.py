"""What recording costs, and what reading a trace costs: `python tests/benchmarks/record_cost.py [--profiler]`.

Each row is a training loop; each ratio is against the same loop run bare in the same process, one thread, the best
of several rounds. A mode that does nothing is the least that any recorder of this kind can cost. Not run by pytest.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

import backstep

Step = Callable[[], None]


class Nothing(TorchFunctionMode):
    """Intercepts every call, and only calls it."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


def ols() -> Step:
    x, y, w = torch.tensor(1.0), torch.tensor(2.0), torch.tensor(1.0, requires_grad=True)

    def step() -> None:
        loss = (w * x - y) ** 2
        loss.backward()
        with torch.no_grad():
            w.sub_(0.01 * w.grad)
        w.grad.zero_()

    return step


def mlp() -> Step:
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10))
    x, y = torch.randn(64, 64), torch.randint(0, 10, (64,))
    return trained(model, lambda: nn.functional.cross_entropy(model(x), y))


def transformer() -> Step:
    layer = nn.TransformerEncoderLayer(64, 4, 128, dropout=0.0, batch_first=True)
    model = nn.TransformerEncoder(layer, 4, enable_nested_tensor=False)
    x = torch.randn(8, 32, 64)
    return trained(model, lambda: model(x).square().mean())


def trained(model: nn.Module, loss_of: Callable[[], torch.Tensor]) -> Step:
    optimizer = torch.optim.Adam(model.parameters(), foreach=False)

    def step() -> None:
        optimizer.zero_grad()
        loss_of().backward()
        optimizer.step()

    return step


LOOPS = {"OLS, scalars": (ols, 300), "MLP, Adam": (mlp, 60), "transformer, Adam": (transformer, 12)}


def seconds(step: Step, count: int, around: Callable[[], AbstractContextManager[Any]], rounds: int = 3) -> float:
    """The best time of one step. What entering and leaving costs counts too, spread over the steps."""
    best = float("inf")
    for _ in range(rounds):
        begin = time.perf_counter()
        with around():
            for _ in range(count):
                step()
        best = min(best, (time.perf_counter() - begin) / count)
    return best


def measure(make: Callable[[], Step], count: int, folder: Path, profiler: bool) -> list[float]:
    """Seconds a step: bare, under a mode that does nothing, recorded, and profiled if asked for."""

    def recorded() -> AbstractContextManager[Any]:
        return backstep.record(folder / f"{time.monotonic_ns()}.backstep")

    ways: list[Callable[[], AbstractContextManager[Any]]] = [contextlib.nullcontext, Nothing, recorded]
    if profiler:
        ways.append(lambda: torch.profiler.profile(record_shapes=True, with_stack=True))
    times = []
    for around in ways:
        torch.manual_seed(0)
        step = make()
        for _ in range(5):
            step()
        times.append(seconds(step, count, around))
    return times


def table(folder: Path, profiler: bool) -> None:
    names = ["nothing", "backstep", *(["profiler"] if profiler else [])]
    print(f"{'one training step':<20}{'bare':>10}" + "".join(f"{name:>12}" for name in names))
    for name, (make, count) in LOOPS.items():
        bare, *others = measure(make, count, folder, profiler)
        ratios = "".join(f"{other / bare:>11.1f}x" for other in others)
        print(f"{name:<20}{bare * 1e6:>7.0f} us{ratios}")


def flatness(folder: Path) -> None:
    """The last hundred steps of a long recording against its first hundred: 1.0 is flat."""
    step, times = ols(), []
    with backstep.record(folder / "long.backstep"):
        for _ in range(3000):
            begin = time.perf_counter()
            step()
            times.append(time.perf_counter() - begin)
    early, late = sorted(times[100:400])[150], sorted(times[-300:])[150]
    print(f"\nOLS, step 3000 against step 100: {late / early:.2f} (median)")


def reading(path: Path) -> None:
    """What the viewer waits for."""
    begin = time.perf_counter()
    trace = backstep.load(path)
    opened = time.perf_counter() - begin
    print(f"\nreading {len(trace):,} events, {path.stat().st_size / 1e6:.1f} MB")
    print(f"{'open':<40}{opened * 1e3:>10.2f} ms")
    last, leaf = len(trace) - 1, next(iter(trace.leaves))
    spots = [last * k // 997 for k in range(997)]
    for name, look_up in {
        "an event never read before": trace.event,
        "the same event again": trace.event,
        "value of a leaf at a position": lambda position: trace.value_at(leaf, position),
        "who wrote its gradient last": lambda position: trace.last_fact(leaf, 1, position),
    }.items():
        begin = time.perf_counter()
        for position in spots:
            look_up(position)
        print(f"{name:<40}{(time.perf_counter() - begin) / len(spots) * 1e6:>10.1f} us")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profiler", action="store_true", help="also torch.profiler with shapes and stacks")
    torch.set_num_threads(1)
    profiler = parser.parse_args().profiler
    print(f"torch {torch.__version__}, python {sys.version.split()[0]}, one thread")
    with tempfile.TemporaryDirectory() as folder:
        table(Path(folder), profiler)
        flatness(Path(folder))
        reading(Path(folder) / "long.backstep")


if __name__ == "__main__":
    main()
