"""The user's own hooks: they still run, in their order, and what flows on after them is what is on record."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from backstep.trace.verify import verify
from tests.robustness.twice import assert_gradients, equals, gradients_of, needed, run_twice


def test_hooks_on_tensors_and_nodes() -> None:
    """Every kind, at every place, put on before and after each other; the order is part of what is compared."""

    def program() -> Any:
        order: list[Any] = []

        def say(name: str, factor: float | None = None) -> Any:
            def hook(*arguments: Any) -> Any:
                gradients = arguments[0] if isinstance(arguments[0], tuple) else (arguments[0],)
                order.append((name, [None if g is None else g.clone() for g in gradients]))
                if factor is None:
                    return None
                changed = tuple(None if g is None else g * factor for g in gradients)
                return changed if isinstance(arguments[0], tuple) else changed[0]

            return hook

        w = torch.tensor([1.0, 2.0], requires_grad=True)
        w.register_hook(say("leaf", 0.5))
        w.register_post_accumulate_grad_hook(lambda p: order.append(("accumulated", p.grad.clone())))
        h = w * 3
        h.register_hook(say("h first", 2.0))
        h.grad_fn.register_prehook(say("node before", 5.0))
        out = h.exp()
        h.register_hook(say("h second", -1.0))
        out.grad_fn.register_hook(say("node after", 7.0))
        h.retain_grad()
        h.register_hook(say("removed", 100.0)).remove()
        with torch.autograd.graph.register_multi_grad_hook((h, w), lambda gs: order.append(("multi", len(gs)))):
            out.sum().backward()
        return order, w.grad, h.grad

    twice = run_twice(program, hooks=True)
    (order, gradient, _), _ = twice.bare
    assert [name for name, _ in order] == [
        "node after", "h first", "h second", "node before", "leaf", "multi", "accumulated",
    ]  # fmt: skip
    assert_gradients(twice, {"w": gradient})
    exponential, product = twice.nodes("ExpBackward0")[0], twice.nodes("MulBackward0")[0]
    # What the multiplication was given is what all hooks before it left of what the exponential handed on.
    told = dict(order)
    assert equals(product.upstream[0], told["node before"][0] * 5.0) and equals(exponential.upstream[0], torch.ones(2))
    assert equals(needed(product)[0].downstream, told["leaf"][0])
    (arrived,) = twice.events("accumulate")
    assert equals(arrived.arrived, told["leaf"][0] * 0.5) and equals(arrived.after, gradient)
    assert needed(exponential)[0].hooked and needed(product)[0].hooked
    assert equals(needed(exponential)[0].downstream, told["h first"][0]), "what the node's own hook made of it"


def test_hook_on_a_node_that_replaces_a_gradient() -> None:
    """The edge is told to be hooked, with what flowed on; one that gives the same tensor back, or nothing, is not."""

    def program() -> Any:
        w, v = torch.tensor([1.0, 2.0], requires_grad=True), torch.tensor([3.0, 4.0], requires_grad=True)
        product = w * v
        handles = [
            product.grad_fn.register_hook(lambda left, arrived: None),
            product.grad_fn.register_hook(lambda left, arrived: (left[0] * 10, left[1])),
        ]
        hooks = handles[0].hooks_dict_ref()
        product.exp().sum().backward(retain_graph=True)
        left_behind = list(hooks) == [handle.id for handle in handles]
        handles[1].remove()
        product.sum().backward()
        return w.grad, v.grad, left_behind

    twice = run_twice(program, hooks=True)
    (w, v, left_behind), _ = twice.bare
    assert left_behind
    assert_gradients(twice, {"w": w, "v": v})
    first, second = twice.nodes("MulBackward0")
    assert [edge.hooked for edge in first.edges] == [True, False]
    assert [edge.hooked for edge in second.edges] == [False, False]
    upstream, local, downstream = first.upstream[0].array, first.edges[0].local.array, first.edges[0].downstream.array
    assert downstream == pytest.approx(10 * upstream * local)
    assert verify(twice.trace).edges.unchecked == {"a user's hook replaced the gradient": 1}


def test_post_accumulate_hook_that_changes_the_gradient() -> None:
    """It is a write of its own, after the accumulation, whose sum it leaves alone."""

    def halve(parameter: torch.Tensor) -> None:
        parameter.grad.mul_(0.5)

    def program() -> Any:
        w = torch.tensor([1.0, 2.0], requires_grad=True)
        w.register_post_accumulate_grad_hook(halve)
        for _pass in range(2):
            (w * w).sum().backward()
        return w.grad

    twice = run_twice(program)
    kinds = [e.kind for e in twice.trace.events if e.kind in ("accumulate", "grad_write")]
    assert kinds == ["accumulate", "grad_write"] * 2
    first, second = twice.events("accumulate")
    assert (first.after.values, second.before.values, second.after.values) == ([2.0, 4.0], [1.0, 2.0], [3.0, 6.0])
    assert equals(twice.events("grad_write")[-1].after, twice.bare[0])


def test_post_accumulate_hook_that_updates() -> None:
    """The optimizer in the backward pass: the hook steps and drops the gradient while the pass goes on."""

    def program() -> Any:
        model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
        optimizers = {p: torch.optim.SGD([p], lr=0.1) for p in model.parameters()}
        gradients: list[torch.Tensor] = []

        def step(parameter: torch.Tensor) -> None:
            gradients.append(parameter.grad.clone())
            optimizers[parameter].step()
            optimizers[parameter].zero_grad()

        for parameter in model.parameters():
            parameter.register_post_accumulate_grad_hook(step)
        for x in torch.randn(2, 4, 2):
            model(x).square().mean().backward()
        return gradients, model.state_dict()

    twice = run_twice(program)
    (gradients, state), _ = twice.bare
    accumulations = twice.events("accumulate")
    assert len(accumulations) == 8 and all(event.fresh for event in accumulations)
    assert all(equals(e.after, g) for e, g in zip(accumulations, gradients, strict=True))
    updates = twice.events("update", by="SGD.step")
    assert [e.tensor for e in updates] == [e.tensor for e in accumulations]
    assert all(equals(e.grad, g) for e, g in zip(updates, gradients, strict=True))
    last = {event.tensor: event.after for event in updates}
    assert all(equals(last[name], tensor) for name, tensor in state.items())
    assert [e.tensor for e in twice.events("zero_grad")] == [e.tensor for e in updates]


def test_hook_that_writes_into_the_gradient() -> None:
    """Against the rules, and done all the same: the gradient is changed in place on its way."""

    def program() -> Any:
        w = torch.tensor([1.0, 2.0], requires_grad=True)
        h = w * 3
        h.register_hook(lambda gradient: gradient.mul_(10))
        (h * torch.tensor([5.0, 7.0])).sum().backward()
        return w.grad

    twice = run_twice(program, hooks=True)
    assert_gradients(twice, {"w": twice.bare[0]})
    inner = twice.nodes("MulBackward0")[-1]
    assert inner.upstream[0].values == [50.0, 70.0]


def test_hooks_on_modules() -> None:
    """Forward hooks replace inputs and outputs, backward hooks gradients; the wrappers around them are nodes too."""

    def program() -> Any:
        order: list[str] = []
        model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
        model[0].register_forward_pre_hook(lambda m, args: (order.append("pre"), (args[0] + 1,))[1])
        model[0].register_forward_hook(lambda m, args, out: (order.append("forward"), out * 2)[1])
        model[2].register_forward_hook(lambda m, args, kwargs, out: order.append("kwargs"), with_kwargs=True)
        model[1].register_full_backward_pre_hook(lambda m, gs: (order.append("backward pre"), (gs[0] * 3,))[1])
        model[1].register_full_backward_hook(lambda m, ins, outs: (order.append("backward"), (ins[0] / 2,))[1])
        x = torch.randn(5, 3, requires_grad=True)
        model(x).square().sum().backward()
        return order, gradients_of(model) | {"x": x.grad}

    twice = run_twice(program, hooks=True)
    (order, gradients), _ = twice.bare
    assert order == ["pre", "forward", "kwargs", "backward pre", "backward"]
    assert_gradients(twice, gradients)
    wrappers = twice.nodes("BackwardHookFunctionBackward")
    assert len(wrappers) == 2 and all(edge.hooked for event in wrappers for edge in needed(event))
    assert sum(edge.hooked for event in twice.events("backward") for edge in event.edges) == 2
    assert {twice.twin(event).op for event in wrappers} == {"BackwardHookFunction"}


def test_saved_tensors_hooks_run_as_often_as_bare() -> None:
    """Packed tensors are unpacked once for each use of autograd's, not once more for the local gradient."""

    def program() -> Any:
        calls: list[str] = []

        def pack(tensor: torch.Tensor) -> Any:
            calls.append("pack")
            return tensor.numpy(force=True).copy()

        def unpack(packed: Any) -> torch.Tensor:
            calls.append("unpack")
            return torch.from_numpy(packed)

        w = torch.randn(3, requires_grad=True)
        with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
            h = (w * w).exp()
        with torch.autograd.graph.save_on_cpu():
            out = h.sin()
        out.sum().backward()
        return calls, w.grad

    twice = run_twice(program)
    assert_gradients(twice, {"w": twice.bare[0][1]})


def test_optimizer_hooks() -> None:
    def program() -> Any:
        order: list[str] = []
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

        def halve(optimizer: Any, args: Any, kwargs: Any) -> None:
            order.append("before")
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    parameter.grad /= 2

        optimizer.register_step_pre_hook(halve)
        optimizer.register_step_post_hook(lambda *_: order.append("after"))
        model(torch.randn(3, 2)).sum().backward()
        optimizer.step()
        return order, gradients_of(model), model.state_dict()

    twice = run_twice(program)
    (_, gradients, state), _ = twice.bare
    assert [event.by for event in twice.events("grad_write")] == ["div_", "div_"]
    for update in twice.events("update", by="SGD.step"):
        assert equals(update.grad, gradients[update.tensor]) and equals(update.after, state[update.tensor])
