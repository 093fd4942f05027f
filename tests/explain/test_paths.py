"""The paths from the loss: their parts, each worked out from local gradients, add up to what autograd recorded."""

from __future__ import annotations

import math

import numpy as np
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backstep.explain.paths import MOST_PATHS, chain_to_edge, chain_to_leaf, tell_apart
from backstep.trace.event import AccumulateEvent, BackwardEvent
from backstep.trace.trace import Trace
from tests.explain.recorded import recorded

STEPS = st.lists(st.tuples(st.sampled_from(["add", "mul", "sub"]), st.integers(0, 9), st.integers(0, 9)), min_size=1,
                 max_size=6)  # fmt: skip


def leaf_event(trace: Trace) -> AccumulateEvent:
    event = next(iter(trace.find(kind="accumulate")))
    assert isinstance(event, AccumulateEvent)
    return event


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(STEPS, st.sampled_from([(), (3,), (2, 3)]))
def test_the_parts_add_up_to_the_gradient(steps: list[tuple[str, int, int]], shape: tuple[int, ...]) -> None:
    x = torch.full(shape, 1.25, requires_grad=True)

    def compute() -> torch.Tensor:
        values = [x, x * 0.5]
        for op, one, other in steps:
            values.append(getattr(torch, op)(values[one % len(values)], values[other % len(values)]))
        return sum(values[2:], values[1]).sum()

    trace = recorded(compute)
    chain = chain_to_leaf(trace, leaf_event(trace))
    assert chain is not None and chain.agrees and x.grad is not None
    parts = [path.part for path in chain.paths]
    assert all(part is not None for part in parts)
    assert np.allclose(sum(part for part in parts if part is not None), x.grad.numpy(), rtol=1e-4)
    assert sum(path.count for path in chain.paths) == chain.count
    assert len(tell_apart(trace, chain)) == len(chain.paths)


def test_each_path_alone_is_what_autograd_gives_without_the_others() -> None:
    x = torch.tensor(3.0, requires_grad=True)
    trace = recorded(lambda: x.sin() * 2 + x.exp())
    chain = chain_to_leaf(trace, leaf_event(trace))
    assert chain is not None and chain.count == 2
    wanted = {
        "sin": torch.autograd.grad(x.sin() * 2, x)[0].item(),
        "exp": torch.autograd.grad(x.exp(), x)[0].item(),
    }
    for path, name in zip(chain.paths, tell_apart(trace, chain), strict=True):
        kind = "sin" if "sin" in name else "exp"
        assert path.part is not None and np.isclose(path.part, wanted[kind])
        assert path.factors is not None and np.isclose(np.prod(path.factors), wanted[kind])


def test_a_node_with_one_path_has_the_product_so_far() -> None:
    w = torch.tensor(1.0, requires_grad=True)
    trace = recorded(lambda: (w * 1.0 - 2.0) ** 2)
    mul = next(event for event in trace.find(kind="backward") if event.op.startswith("Mul"))
    assert isinstance(mul, BackwardEvent)
    chain = chain_to_edge(trace, mul, 0)
    assert chain is not None and chain.agrees and chain.paths[0].factors == (-2.0, 1.0, 1.0)


def test_the_way_past_a_block_is_the_direct_one() -> None:
    x = torch.tensor(0.5, requires_grad=True)

    def compute() -> torch.Tensor:
        y = x * 3
        return y + y.sin()

    trace = recorded(compute)
    mul = next(event for event in trace.find(kind="backward") if event.op.startswith("Mul"))
    assert isinstance(mul, BackwardEvent)
    chain = chain_to_edge(trace, mul, 0)
    assert chain is not None and chain.agrees
    parts = dict(zip(tell_apart(trace, chain), [path.part for path in chain.paths], strict=True))
    assert set(parts) == {"the direct way", "y.sin()"} and parts["the direct way"] == 3
    assert np.isclose(float(parts["y.sin()"]), 3 * math.cos(1.5))  # type: ignore[arg-type]


def test_more_paths_than_can_be_told_are_told_by_how_they_end() -> None:
    x = torch.tensor(1.5, requires_grad=True)

    def compute() -> torch.Tensor:
        y = x * 1
        for _ in range(6):
            y = y + y.sin()
        return y

    trace = recorded(compute)
    first = next(event for event in trace.find(kind="backward") if event.op.startswith("Mul"))
    assert isinstance(first, BackwardEvent)
    chain = chain_to_edge(trace, first, 0)
    assert chain is not None and chain.count == 64 > MOST_PATHS
    assert [path.count for path in chain.paths] == [32, 32] and chain.agrees


def test_what_was_not_kept_is_not_claimed() -> None:
    x = torch.randn(300, requires_grad=True)
    trace = recorded(lambda: x.softmax(0).log().sum())
    chain = chain_to_leaf(trace, leaf_event(trace))
    assert chain is not None and not chain.agrees
