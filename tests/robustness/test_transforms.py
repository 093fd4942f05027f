"""Function transforms and compilers: tensors without readable values, and one node for a whole compiled function."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call, grad, hessian, jacrev, jvp, vmap

from tests.robustness.twice import assert_gradients, equals, gradients_of, needed, run_twice

pytestmark = pytest.mark.filterwarnings("ignore:.*jit.*deprecated")


def test_per_sample_gradients() -> None:
    """`vmap(grad(f))`: what cannot be read says so; the training beside it is recorded as ever."""

    def program() -> Any:
        model = nn.Linear(3, 2)
        x, targets = torch.randn(4, 3), torch.randn(4, 2)
        model(x[:1])
        own = {name: parameter.detach() for name, parameter in model.named_parameters()}

        def loss_of(own: Any, x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            return (functional_call(model, own, (x,)) - target).square().sum()

        each = vmap(grad(loss_of), in_dims=(None, 0, 0))(own, x, targets)
        (model(x) - targets).square().sum().backward()
        return each, gradients_of(model)

    twice = run_twice(program)
    (each, gradients), _ = twice.bare
    assert_gradients(twice, gradients)
    for name, gradient in gradients.items():
        torch.testing.assert_close(each[name].sum(0), gradient)
    unread = [v for e in twice.events("forward") for v in e.outputs if v.values is None]
    assert unread and all(value.omitted for value in unread)


def test_transforms_of_a_function() -> None:
    """Jacobians, Hessians and forward mode of one function, some inside a graph that is then run backward."""

    def program() -> Any:
        x = torch.tensor([0.5, -1.0], requires_grad=True)
        y = torch.randn(3, 2, requires_grad=True)

        def f(x: torch.Tensor) -> torch.Tensor:
            return (x.sin() * x.flip(0)).sum()

        slope = grad(f)(x)
        curvature = jacrev(grad(f))(x.detach())
        value, tangent = jvp(f, (x.detach(),), (torch.ones(2),))
        slope.square().sum().backward()
        jacrev(f)(x).sum().backward()
        (vmap(f)(y) + vmap(grad(f))(y).square().sum(1)).sum().backward()
        return slope, curvature, value, tangent, x.grad, y.grad

    twice = run_twice(program)
    *_, x, y = twice.bare[0]
    assert_gradients(twice, {"x": x, "y": y})
    assert twice.nodes("FlipBackward0") and {twice.twin(node).op for node in twice.nodes("FlipBackward0")} == {"flip"}


def test_forward_mode_inside_a_graph() -> None:
    """The nodes of tangents lie behind no result of a call: they say so, and their products hold."""

    def program() -> Any:
        x = torch.tensor([0.5, -1.0], requires_grad=True)
        hessian(lambda x: (x.sin() * x.flip(0)).sum())(x).square().sum().backward()
        return x.grad

    twice = run_twice(program, why=("made inside torch.func",))
    assert_gradients(twice, {"x": twice.bare[0]})


def test_names_after_functional_call() -> None:
    def program() -> Any:
        model = nn.Linear(2, 1)
        own = {name: parameter.detach() for name, parameter in model.named_parameters()}
        functional_call(model, own, (torch.ones(3, 2),))
        model(torch.ones(3, 2)).sum().backward()
        return gradients_of(model)

    twice = run_twice(program)
    assert_gradients(twice, twice.bare[0])


@pytest.fixture
def fresh_dynamo() -> Iterator[None]:
    """Both runs compile anew, and what they compiled goes with them."""
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
@pytest.mark.usefixtures("fresh_dynamo")
def test_compiled(backend: str) -> None:
    """One graph, no break; what aot makes of it is one node, and so it is told."""
    from torch._dynamo.utils import counters

    def program() -> Any:
        torch._dynamo.reset()
        counters.clear()
        model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
        model(torch.ones(1, 3))
        compiled = torch.compile(lambda x: model(x), backend=backend, fullgraph=True)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        outs = []
        for x in torch.randn(2, 5, 3):
            out = compiled(x)
            out.retain_grad()
            optimizer.zero_grad()
            out.square().mean().backward()
            optimizer.step()
            outs.append((out, out.grad))
        return gradients_of(model), model.state_dict(), outs, dict(counters["graph_break"]), counters["stats"]

    twice = run_twice(program)
    (gradients, _, outs, breaks, stats), _ = twice.bare
    assert (breaks, stats["unique_graphs"]) == ({}, 1)
    assert_gradients(twice, gradients)
    if backend == "aot_eager":
        nodes = twice.nodes("CompiledFunctionBackward")
        assert len(nodes) == 2 and {event.op for event in twice.events("backward")} == {
            "CompiledFunctionBackward", "PowBackward0", "MeanBackward0",
        }  # fmt: skip
        for event, (_, at_out) in zip(nodes, outs, strict=True):
            assert equals(event.upstream[0], at_out)
            assert sum(edge.to is not None and "leaf" in edge.to for edge in needed(event)) == 4
    else:
        assert len(twice.nodes("AddmmBackward0")) == 4
        assert [event.iteration for event in twice.events("backward_start")] == [0, 1]


@pytest.mark.usefixtures("fresh_dynamo")
def test_names_inside_compiled_code() -> None:
    def program() -> Any:
        torch._dynamo.reset()
        model = nn.Linear(2, 1)
        torch.compile(lambda x: model(x), backend="eager")(torch.ones(3, 2)).sum().backward()
        return gradients_of(model)

    twice = run_twice(program)
    assert_gradients(twice, twice.bare[0])


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.usefixtures("fresh_dynamo")
def test_a_compiled_module_gives_no_warning() -> None:
    """Nothing is on stderr that the bare run has not."""

    def program() -> Any:
        torch._dynamo.reset()
        model = nn.Sequential(nn.Linear(2, 1))
        torch.compile(model, backend="eager")(torch.ones(3, 2)).sum().backward()
        return gradients_of(model)

    run_twice(program)


def test_scripted_and_traced_symbolically() -> None:
    """Compilers read the source or run it on proxies; what they make is the same, and trains the same."""

    def program() -> Any:
        model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
        x = torch.randn(4, 2)
        model(x)
        scripted = torch.jit.script(model)
        graph = torch.fx.symbolic_trace(model)
        (scripted(x) + graph(x)).sum().backward()
        return scripted.code, graph.code, gradients_of(model)

    twice = run_twice(program, why=("not seen",))
    assert_gradients(twice, twice.bare[0][-1])


def test_fake_tensors() -> None:
    """Exporting runs the model on tensors that have a device but no memory; the training after it is recorded."""

    def program() -> Any:
        model = nn.Linear(2, 3)
        exported = torch.export.export(model, (torch.ones(1, 2),))
        with FakeTensorMode() as mode:
            (mode.from_tensor(torch.ones(2)) * 2).sum()
        exported.module()(torch.ones(1, 2)).sum().backward()
        model(torch.ones(1, 2)).sum().backward()
        return str(exported.graph), gradients_of(model)

    twice = run_twice(program)
    assert_gradients(twice, twice.bare[0][-1])


def test_functions_traced_symbolically() -> None:
    """Torch functions on proxies compute nothing: there is nothing to record, and nothing that was missed."""

    def product(a: Any, b: Any) -> Any:
        c = torch.einsum("ij,jk->ik", [a, torch.einsum("ij,jk->ik", a, b)])
        return nn.functional.relu(torch.cat([a, c])).reshape(-1).sum() * a.shape[0]

    def program() -> Any:
        traced = torch.fx.symbolic_trace(product)
        a = torch.ones(2, 2, requires_grad=True)
        traced(a, a).backward()
        return traced.code, a.grad

    twice = run_twice(program)
    assert_gradients(twice, {"a": twice.bare[0][1]})


@pytest.mark.filterwarnings("error::torch.jit.TracerWarning")
def test_traced_by_running() -> None:
    """The traced graph, down to its numbering, is the one of the bare run."""

    def program() -> Any:
        model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
        graph = str(torch.jit.trace(model, (torch.randn(4, 2),)).graph)
        return re.sub(r"___torch_mangle_\d+\.", "", graph)  # counts the modules that this process has traced

    run_twice(program)
