"""What recording costs, and what reading a trace costs: `python tests/benchmarks/record_cost.py [--others]`.

Each row is a training loop; each ratio is against the same loop run bare in the same process, one thread, the best of
several rounds. A function mode that does nothing is the least that any recorder of this kind can cost. `window` is the
cost of the iterations between two windows (`every`), `last 100` that of a flight recorder. Not run by pytest.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
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
Around = Callable[[], AbstractContextManager[Any]]
WARM = 5


class Nothing(TorchFunctionMode):
    """Intercepts every call, and only calls it."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


def ols() -> Step:
    """Eight ops an iteration, on single numbers."""
    x, y, w = torch.tensor(1.0), torch.tensor(2.0), torch.tensor(1.0, requires_grad=True)

    def step() -> None:
        y_hat = w * x
        l = y_hat - y  # noqa: E741 - as in the lecture
        loss = l**2
        loss.backward()
        with torch.no_grad():
            w.sub_(0.01 * w.grad)
        w.grad.zero_()

    return step


def mlp() -> Step:
    """784-128-64-10, batch 64."""
    model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10))
    x, y = torch.randn(64, 784), torch.randint(0, 10, (64,))
    return trained(model, lambda: nn.functional.cross_entropy(model(x), y), torch.optim.Adam)


def transformer() -> Step:
    """Four encoder layers, d 64, batch 8 x 32."""
    layer = nn.TransformerEncoderLayer(64, 4, 128, dropout=0.0, batch_first=True)
    model = nn.TransformerEncoder(layer, 4, enable_nested_tensor=False)
    x = torch.randn(8, 32, 64)
    return trained(model, lambda: model(x).square().mean(), torch.optim.AdamW)


def large() -> Step:
    """Ten million parameters, 100 ms and more a step."""
    model = nn.Sequential(nn.Linear(2048, 2048), nn.ReLU(), nn.Linear(2048, 2048), nn.ReLU(), nn.Linear(2048, 512))
    x = torch.randn(256, 2048)
    return trained(model, lambda: model(x).square().mean(), torch.optim.Adam)


def trained(model: nn.Module, loss_of: Callable[[], torch.Tensor], optimizer_of: Any) -> Step:
    optimizer = optimizer_of(model.parameters())

    def step() -> None:
        optimizer.zero_grad()
        loss_of().backward()
        optimizer.step()

    return step


LOOPS = {
    "OLS, scalars": (ols, 400),
    "MLP, Adam": (mlp, 80),
    "transformer, AdamW": (transformer, 16),
    "10M parameters, Adam": (large, 3),
}


def seconds(step: Step, count: int, around: Around, rounds: int = 3) -> float:
    """The best time of one step, warmed up inside; entering and leaving is not counted, a full queue is."""
    best = float("inf")
    for _ in range(rounds):
        with around():
            for _ in range(WARM):
                step()
            begin = time.perf_counter()
            for _ in range(count):
                step()
            best = min(best, (time.perf_counter() - begin) / count)
    return best


def ways(folder: Path, others: bool) -> dict[str, Around]:
    """What a loop is run under, by the name of its column."""
    number = itertools.count()

    def recorded(**options: Any) -> Around:
        return lambda: backstep.record(folder / f"{next(number)}.backstep", **options)

    found: dict[str, Around] = {
        "nothing": Nothing,
        "backstep": recorded(),
        "last 100": recorded(keep_last=100),
        "window": recorded(iterations=(0, 1)),
        "every": recorded(every=1_000_000),
    }
    if others:
        from torch.utils._debug_mode import DebugMode

        found["profiler"] = lambda: torch.profiler.profile(record_shapes=True, with_stack=True)
        found["DebugMode"] = DebugMode
    return found


def table(folder: Path, others: bool) -> None:
    columns = ways(folder, others)
    print(f"{'one training step':<22}{'bare':>11}" + "".join(f"{name:>11}" for name in columns))
    for name, (make, count) in LOOPS.items():
        torch.manual_seed(0)
        step = make()
        bare = seconds(step, count, contextlib.nullcontext)
        ratios = [seconds(step, count, around) / bare for around in columns.values()]
        print(f"{name:<22}{bare * 1e6:>8.0f} us" + "".join(f"{ratio:>10.2f}x" for ratio in ratios), flush=True)


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
    parser.add_argument("--others", action="store_true", help="also torch.profiler and DebugMode")
    others = parser.parse_args().others
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, python {sys.version.split()[0]}, one thread")
    with tempfile.TemporaryDirectory() as folder:
        table(Path(folder), others)
        flatness(Path(folder))
        reading(Path(folder) / "long.backstep")


if __name__ == "__main__":
    main()
