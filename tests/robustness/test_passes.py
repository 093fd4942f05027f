"""Backward passes that are more than one, or more than they seem: recomputed, repeated, differentiated again."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from tests.robustness.twice import Twice, assert_gradients, equals, gradients_of, last_gradients, run_twice


def checkpointed(use_reentrant: bool) -> Any:
    block = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Tanh())
    x = torch.randn(5, 3, requires_grad=True)
    h = checkpoint(block, x, use_reentrant=use_reentrant)
    h.retain_grad()
    h.square().sum().backward()
    return gradients_of(block) | {"x": x.grad}, h.grad


def assert_recomputed(twice: Twice) -> None:
    """The block's ops are there twice, with the same numbers: in the forward, and inside the backward pass."""
    for op in ("linear", "dropout"):
        first, again = twice.forward(op)
        assert (first.phase, again.phase) == ("forward", "backward")
        assert first.outputs[0].values == again.outputs[0].values
        assert twice.events("backward_start")[0].position < again.position < twice.events("backward_end")[-1].position


def test_checkpointing_that_saves_nothing() -> None:
    """Non-reentrant: the nodes are those of the first forward; the recomputation only fills in what they need."""
    twice = run_twice(lambda: checkpointed(use_reentrant=False))
    (gradients, at_h), _ = twice.bare
    assert_gradients(twice, gradients)
    assert_recomputed(twice)
    assert len(twice.events("backward_start")) == 1
    (tanh,) = twice.nodes("TanhBackward0")
    assert twice.twin(tanh).phase == "forward"
    assert equals(tanh.upstream[0], at_h)


def test_checkpointing_by_a_pass_inside_the_pass() -> None:
    """Reentrant: nothing was differentiable in the first forward; the nodes that run are those of the second."""
    twice = run_twice(lambda: checkpointed(use_reentrant=True))
    (gradients, at_h), _ = twice.bare
    recorded = {event.tensor: event.after for event in twice.events("accumulate")}
    assert all(equals(recorded[name], gradient) for name, gradient in gradients.items())
    assert_recomputed(twice)
    outer, inner = twice.events("backward_start")
    ends = twice.events("backward_end")
    assert [e["pass"] for e in (outer, inner, *ends)] == [0, 1, 1, 0]
    first, again = twice.forward("tanh")
    assert not first.grad_enabled and first.nodes == ()
    (tanh,) = twice.nodes("TanhBackward0")
    assert (tanh["pass"], tanh.forward) == (1, again.position)
    assert equals(tanh.upstream[0], at_h)
    (custom,) = twice.nodes("CheckpointFunctionBackward")
    assert twice.twin(custom).op == "CheckpointFunction" and custom["pass"] == 0


def test_micro_batches() -> None:
    """Gradients pile up over micro-batches of an inner loop: one iteration a step, fresh only at the first."""

    def program() -> Any:
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        data = torch.randn(3, 4, 5, 2)
        parts = []
        for batch in data:
            for micro in batch:
                loss = model(micro).square().mean() / len(batch)
                parts += torch.autograd.grad(loss, model.weight, retain_graph=True)
                loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        return model.weight, parts

    twice = run_twice(program)
    (weight, parts), _ = twice.bare
    passes = [e for e in twice.events("backward_start") if e.api == "backward"]
    assert [e.iteration for e in passes] == [step for step in range(3) for _ in range(4)]
    accumulations = twice.events("accumulate", tensor="weight")
    assert [e.fresh for e in accumulations] == [True, False, False, False] * 3
    assert all(equals(e.arrived, part) for e, part in zip(accumulations, parts, strict=True))
    for before, after in itertools.pairwise(accumulations):
        assert after.fresh or after.before.values == before.after.values
    updates = twice.events("update", tensor="weight", by="SGD.step")
    assert [e.iteration for e in updates] == [0, 1, 2]
    assert equals(updates[-1].after, weight)


def test_gradient_penalty() -> None:
    """WGAN-GP: a gradient is part of the loss, so the backward's own ops are differentiated by a second pass."""

    def program() -> Any:
        critic = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))
        x = torch.randn(3, 2, requires_grad=True)
        (slope,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
        penalty = ((slope.norm(dim=1) - 1) ** 2).mean()
        penalty.backward()
        return gradients_of(critic) | {"x": x.grad}, slope

    twice = run_twice(program)
    (gradients, slope), _ = twice.bare
    assert_gradients(twice, gradients)
    assert [(e["pass"], e.api, e.create_graph) for e in twice.events("backward_start")] == [
        (0, "grad", True), (1, "backward", False),
    ]  # fmt: skip
    assert equals(twice.events("backward_end")[0].captured[0], slope)
    # The last layer's weight is used in both; its product ran in the first pass, its product's product in the second.
    assert {e["pass"] for e in twice.nodes("TanhBackward0")} == {0, 1}
    (again,) = twice.nodes("TanhBackwardBackward0")
    assert again["pass"] == 1
    assert {e.tensor for e in twice.events("accumulate")} == {n for n, g in gradients.items() if g is not None}


def test_what_a_backward_pass_runs_is_recorded() -> None:
    """The cube's slope: each node of the second and third pass has an op of the pass before as its twin."""

    def program() -> Any:
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        (slope,) = torch.autograd.grad((x**3).sum(), x, create_graph=True)
        (curve,) = torch.autograd.grad(slope.sum(), x, create_graph=True)
        (third,) = torch.autograd.grad(curve.sum(), x)
        return slope, curve, third

    twice = run_twice(program)
    (slope, curve, third), _ = twice.bare
    ends = twice.events("backward_end")
    assert all(equals(end.captured[0], g) for end, g in zip(ends, (slope, curve, third), strict=True))
    made = [op for op in twice.events("forward") if op.phase == "backward"]
    assert {op.source["line"] for op in made} == {end.source["line"] for end in ends[:2]}
    begins = [start.position for start in twice.events("backward_start")]
    for event in twice.events("backward"):
        twin = twice.twin(event)
        assert twin.phase == "forward" or begins[0] < twin.position < begins[event["pass"]]
    assert {twice.twin(e).phase for e in twice.nodes("PowBackward0")} == {"forward", "backward"}
    assert not twice.events("accumulate")


def test_a_graph_through_users_code_in_a_pass() -> None:
    """What a hook and a `Function.backward` run in such a pass is theirs: each of their ops is one event, not two."""

    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
            (x,) = ctx.saved_tensors
            return grad * 3 * x**2

    def program() -> Any:
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        h = x.sin()
        h.register_hook(lambda grad: grad * 2)
        (Cube.apply(h) + h).sum().backward(create_graph=True)
        slope = x.grad
        x.grad = None
        slope.square().sum().backward()
        return slope, x.grad

    twice = run_twice(program, hooks=True)
    assert equals(twice.events("accumulate")[-1].after, twice.bare[0][1])
    factors = [op.arguments[0]["value"] for op in twice.forward("mul") if op.phase == "backward" and op.arguments]
    assert sorted(factors[:2]) == [2, 3]


def test_a_penalty_in_each_iteration() -> None:
    """Leaves whose `.grad` has a graph of its own, sums of contributions, broadcasting."""

    def program() -> Any:
        model = nn.Sequential(nn.Linear(2, 3), nn.Softplus(), nn.Linear(3, 1))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(3):
            x = torch.randn(4, 2, requires_grad=True)
            optimizer.zero_grad()
            loss = (model(x) + x.sum(1, keepdim=True)).square().mean()
            loss.backward(create_graph=True)
            sum(p.grad.square().sum() for p in model.parameters()).backward()
            optimizer.step()
        return gradients_of(model), model.state_dict()

    twice = run_twice(program)
    recorded = last_gradients(twice)
    assert all(equals(recorded[name], gradient) for name, gradient in twice.bare[0][0].items())


def test_retained_graph() -> None:
    """Two passes over one graph: the same nodes, and the second gradient on top of the first."""

    def program() -> Any:
        w = torch.tensor([1.0, -2.0], requires_grad=True)
        h = w.exp()
        first, second = h.sum(), (h * torch.tensor([3.0, 4.0])).sum()
        first.backward(retain_graph=True)
        once = w.grad.clone()
        second.backward()
        return once, w.grad, torch.autograd.grad((w.exp() * torch.tensor([3.0, 4.0])).sum(), w)[0]

    twice = run_twice(program)
    (once, both, alone), _ = twice.bare
    one, two = twice.events("accumulate")
    assert equals(one.after, once) and equals(two.before, once)
    assert equals(two.arrived, alone) and equals(two.after, both)
    assert (one.fresh, two.fresh) == (True, False)
    exponentials = twice.nodes("ExpBackward0")[:2]
    assert len({e.node for e in exponentials}) == 1 and [e["pass"] for e in exponentials] == [0, 1]
    assert [e.retain_graph for e in twice.events("backward_start")] == [True, False, False]


def test_only_some_inputs_are_asked_for() -> None:
    """`backward(inputs=)` leaves other leaves alone, and so does the trace; a non-leaf is captured, not accumulated."""

    def program() -> Any:
        a, b = torch.ones(2, requires_grad=True), torch.full((2,), 2.0, requires_grad=True)
        loss = (a * b).sum()
        loss.backward(inputs=[a], retain_graph=True)
        h = b * 3
        (at_h,) = torch.autograd.grad((h * a).sum(), h)
        return a.grad, b.grad, at_h

    twice = run_twice(program)
    (at_a, at_b, at_h), _ = twice.bare
    assert at_b is None
    assert_gradients(twice, {"a": at_a})
    first, second = twice.events("backward_start")
    assert [v.name for v in first.inputs] == ["a"] and [v.name for v in second.inputs] == ["h"]
    assert equals(twice.events("backward_end")[1].captured[0], at_h)


@pytest.mark.parametrize("where", ["hook", "function"])
def test_backward_inside_backward(where: str) -> None:
    """User code that runs in a pass starts one of its own: each pass has its nodes, and the outer goes on after."""

    class Inner(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
            ctx.save_for_backward(x)
            return x.detach() ** 3

        @staticmethod
        def backward(ctx: Any, upstream: torch.Tensor) -> torch.Tensor:
            with torch.enable_grad():
                x = ctx.saved_tensors[0].detach().requires_grad_()
                return torch.autograd.grad((x**3).sum(), x)[0] * upstream

    def start_another(side: torch.Tensor, gradient: torch.Tensor) -> None:
        with torch.enable_grad():
            (side * gradient).sum().backward()

    def program() -> Any:
        w = torch.tensor([1.0, 2.0], requires_grad=True)
        side = torch.tensor([1.0, 1.0], requires_grad=True)
        h = w * 2
        if where == "hook":
            h.register_hook(lambda gradient: start_another(side, gradient))
            out = h.sin()
        else:
            out = Inner.apply(h)
        out.sum().backward()
        return {"w": w.grad, "side": side.grad}

    twice = run_twice(program)
    assert_gradients(twice, twice.bare[0])
    assert [e["pass"] for e in twice.events("backward_start")] == [0, 1]
    assert [e["pass"] for e in twice.events("backward_end")] == [1, 0]
    assert twice.nodes("MulBackward0")[-1]["pass"] == 0


def test_iterations_of_a_training_whose_backward_loops() -> None:
    """The adjoint of a solver: each training step's backward pass runs a loop of small passes of its own."""

    class Solve(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, y: torch.Tensor, rate: torch.Tensor) -> torch.Tensor:
            ctx.save_for_backward(y, rate)
            for _step in range(3):
                y = y - 0.1 * rate * y
            return y

        @staticmethod
        def backward(ctx: Any, upstream: torch.Tensor) -> Any:
            y, rate = ctx.saved_tensors
            y = y.detach().requires_grad_()
            total = torch.zeros_like(rate)
            for _step in range(3):
                with torch.enable_grad():
                    slope = -0.1 * rate * y
                along, at_rate = torch.autograd.grad(slope, (y, rate), upstream)
                upstream, total = upstream + along, total + at_rate
            return upstream, total

    def program() -> Any:
        rate = torch.ones(2, requires_grad=True)
        optimizer = torch.optim.SGD([rate], lr=0.1)
        for _batch in range(2):
            optimizer.zero_grad()
            Solve.apply(torch.ones(2), rate).sum().backward()
            optimizer.step()
        return rate, rate.grad

    twice = run_twice(program)
    starts = twice.events("backward_start")
    assert [event.api for event in starts] == ["backward", "grad", "grad", "grad"] * 2
    assert [event.iteration for event in starts] == [0] * 4 + [1] * 4
    assert equals(twice.events("update")[-1].after, twice.bare[0][0])
