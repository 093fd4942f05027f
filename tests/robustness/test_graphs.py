"""Graphs of every shape: tensors without a module, shared, broadcast, viewed, overwritten, complex, sparse."""

from __future__ import annotations

import enum
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.autograd.function import once_differentiable

from tests.robustness.twice import assert_gradients, equals, gradients_of, needed, run_twice


def test_plain_tensors() -> None:
    """Linear regression as the first lecture has it: no module, no optimizer, the update by hand."""

    def program() -> Any:
        features, targets = torch.randn(8, 3), torch.randn(8)
        w, b = torch.zeros(3, requires_grad=True), torch.zeros(1, requires_grad=True)
        steps = []
        for _step in range(4):
            predicted = features @ w + b
            loss = ((predicted - targets) ** 2).mean()
            loss.backward()
            with torch.no_grad():
                before = w.clone()
                w -= 0.1 * w.grad
                b -= 0.1 * b.grad
            steps.append((w.grad.clone(), before, w.detach().clone()))
            w.grad.zero_()
            b.grad.zero_()
        return w, b, steps

    twice = run_twice(program)
    (_, _, steps), _ = twice.bare
    accumulations = twice.events("accumulate", tensor="w")
    updates = twice.events("update", tensor="w")
    assert [event.iteration for event in accumulations] == [event.iteration for event in updates] == [0, 1, 2, 3]
    for arrived, update, (gradient, before, after) in zip(accumulations, updates, steps, strict=True):
        assert equals(arrived.arrived, gradient) and arrived.fresh
        assert equals(update.before, before) and equals(update.grad, gradient) and equals(update.after, after)
        assert (update.by, update.lr, update.grad_enabled) == ("sub_", 0.1, False)
    assert [event.how for event in twice.events("zero_grad")] == ["zero_"] * 8


def test_loss_outside_the_module() -> None:
    """The loss, with its penalty on the parameters, is nobody's module; what the model did is told from it."""

    def program() -> Any:
        model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2))
        x, targets = torch.randn(6, 4), torch.randn(6, 2)
        output = model(x)
        output.retain_grad()
        penalty = sum(p.square().sum() for p in model.parameters())
        loss = (output - targets).abs().mean() + 1e-2 * penalty
        loss.backward()
        return gradients_of(model), output.grad

    twice = run_twice(program)
    (gradients, at_output), _ = twice.bare
    assert_gradients(twice, gradients)
    modules = {event.op: event.module for event in twice.events("backward")}
    assert (modules["TanhBackward0"], modules["AbsBackward0"], modules["MeanBackward0"]) == ("1", None, None)
    assert [e.module for e in twice.nodes("AddmmBackward0")] == ["2", "0"]
    assert equals(twice.nodes("AddmmBackward0")[0].upstream[0], at_output)
    # Each parameter is used twice: what the penalty gives and what the model gives arrive as one sum.
    assert len(twice.events("accumulate")) == 4


class Huber(torch.autograd.Function):
    """A loss of the user's own with one saved tensor, one number, and an output that has no gradient."""

    @staticmethod
    def forward(ctx: Any, error: torch.Tensor, delta: float) -> Any:
        ctx.save_for_backward(error)
        ctx.delta = delta
        inside = error.abs() <= delta
        ctx.mark_non_differentiable(inside)
        loss = torch.where(inside, error**2 / 2, delta * (error.abs() - delta / 2)).sum()
        return loss, inside

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: torch.Tensor, _: Any) -> Any:
        (error,) = ctx.saved_tensors
        return upstream * error.clamp(-ctx.delta, ctx.delta), None


def test_custom_function_as_the_last_op() -> None:
    """Nothing comes after it, so no op's output leads to its node but the root itself."""

    def program() -> Any:
        w = torch.linspace(-3, 3, 5).requires_grad_()
        error = w * 2
        error.retain_grad()
        loss, inside = Huber.apply(error, 1.0)
        loss.backward()
        return loss, inside, error.grad, w.grad

    twice = run_twice(program)
    (loss, _, at_error, gradient), _ = twice.bare
    (node,) = twice.nodes("HuberBackward")
    made = twice.twin(node)
    assert (made.op, made.nodes, equals(made.outputs[0], loss)) == ("Huber", (node.node,), True)
    (edge,) = needed(node)
    assert equals(edge.downstream, at_error)
    assert edge.local.values is None and "user code" in edge.local.omitted
    assert equals(twice.events("accumulate")[0].after, gradient)


def test_custom_function_whose_backward_writes_into_what_arrives() -> None:
    """The upstream on record is what arrived, not what the user's backward made of it."""

    class Careless(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, upstream: torch.Tensor) -> torch.Tensor:
            return upstream.mul_(3)

    def program() -> Any:
        w = torch.tensor([1.0, 2.0], requires_grad=True)
        (Careless.apply(w) * torch.tensor([5.0, 7.0])).sum().backward()
        return w.grad

    twice = run_twice(program)
    (node,) = twice.nodes("CarelessBackward")
    assert node.upstream[0].values == [5.0, 7.0]
    assert needed(node)[0].downstream.values == [15.0, 21.0] == twice.bare[0].tolist()


def test_shared_weights() -> None:
    """A tied language model: two uses of one leaf, one name, one accumulation of the sum."""

    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(7, 4)
            self.mix = nn.Linear(4, 4)
            self.head = nn.Linear(4, 7, bias=False)
            self.head.weight = self.embed.weight

        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            return self.head(torch.tanh(self.mix(self.embed(tokens))))

    tokens = torch.tensor([1, 2, 3, 2])

    def program() -> Any:
        model = Tied()
        loss = nn.functional.cross_entropy(model(tokens[:-1]), tokens[1:])
        loss.backward()
        return gradients_of(model), model.embed.weight, model.mix.state_dict()

    twice = run_twice(program)
    (gradients, weight, mix), _ = twice.bare
    assert_gradients(twice, gradients)
    (accumulation,) = twice.events("accumulate", tensor="embed.weight")
    arrivals = [
        edge.downstream for event in twice.events("backward") for edge in needed(event)
        if edge.to.get("number") == accumulation.number
    ]  # fmt: skip
    # The same loss with a leaf of its own for each use tells the two parts.
    first, last = weight.detach().clone().requires_grad_(), weight.detach().clone().requires_grad_()
    hidden = torch.tanh(nn.functional.linear(first[tokens[:-1]], mix["weight"], mix["bias"]))
    parts = torch.autograd.grad(nn.functional.cross_entropy(hidden @ last.T, tokens[1:]), (last, first))
    assert len(arrivals) == 2
    for arrived, part in zip(arrivals, parts, strict=True):
        torch.testing.assert_close(torch.tensor(arrived.values).reshape(part.shape), part)


def test_broadcasting() -> None:
    """What was spread out in the forward is summed in the backward: each downstream has its input's shape."""

    def program() -> Any:
        row, column = torch.randn(1, 4, requires_grad=True), torch.randn(3, 1, requires_grad=True)
        scale, bias = torch.randn((), requires_grad=True), torch.randn(4, requires_grad=True)
        table = row * column
        table.retain_grad()
        out = table * scale + bias
        (out**2).sum().backward()
        return {"row": row.grad, "column": column.grad, "scale": scale.grad, "bias": bias.grad}, table.grad

    twice = run_twice(program)
    (gradients, at_table), _ = twice.bare
    assert_gradients(twice, gradients)
    outer = twice.nodes("MulBackward0")[-1]
    assert equals(outer.upstream[0], at_table)
    assert [(edge.input, edge.downstream.shape, edge.local.shape) for edge in outer.edges] == [
        ("row", (1, 4), (3, 4)), ("column", (3, 1), (3, 4)),
    ]  # fmt: skip
    (add,) = twice.nodes("AddBackward0")
    assert [(edge.input, edge.downstream.shape) for edge in add.edges][1] == ("bias", (4,))


def test_views_and_writes_in_place() -> None:
    """A write through a view replaces nodes on both; what ran is what autograd made of it."""

    def program() -> Any:
        x = torch.randn(4, 4, requires_grad=True)
        start = x * 2
        start.retain_grad()
        h = start + 1
        h[:, 0] *= 3
        h[1].clamp_(-1, 1)
        h[2:, 1:3] = x[:2, :2] * 5
        column = h.t()[3]
        column.add_(x[0])
        h.mul_(torch.tensor([1.0, 2.0, 3.0, 4.0]))
        h[h > 2] = 0.0
        first, second = h.chunk(2)
        (first.sin() * second.exp()).sum().backward()
        return x.grad, start.grad, h

    twice = run_twice(program)
    (gradient, at_start, _), _ = twice.bare
    assert_gradients(twice, {"x": gradient})
    doubled = next(e for e in reversed(twice.nodes("MulBackward0")) if twice.twin(e).outputs[0].name == "start")
    assert equals(doubled.upstream[0], at_start)
    assert len(twice.nodes("torch::autograd::CopySlices")) == 5
    written = [event.op for event in twice.events("forward") if event.inplace and event.parent is None]
    assert written == ["mul_", "setitem", "clamp_", "setitem", "add_", "mul_", "setitem"]


def test_a_write_through_a_view_has_the_base_as_its_input() -> None:
    """The node that ran was made by the write; what was there is the base, what came in is the value."""

    def program() -> Any:
        x = torch.ones(3, requires_grad=True)
        h = x * 1
        h[0] = x[1] * 4
        h.sum().backward()
        return x.grad

    twice = run_twice(program)
    assert_gradients(twice, {"x": twice.bare[0]})
    (copied,) = twice.nodes("torch::autograd::CopySlices")
    assert twice.twin(copied).op == "copy_"
    assert [edge.input for edge in copied.edges] == ["h", "h[0]"]


def test_sparse_gradients_of_an_embedding() -> None:
    def program() -> Any:
        embed = nn.Embedding(6, 3, sparse=True)
        optimizer = torch.optim.SparseAdam(embed.parameters(), lr=0.1)
        for _step in range(2):
            optimizer.zero_grad()
            embed(torch.tensor([1, 4, 1])).square().sum().backward()
            optimizer.step()
        return embed.weight.grad, embed.weight

    twice = run_twice(program)
    (gradient, weight), _ = twice.bare
    assert gradient.is_sparse
    after = twice.events("accumulate", tensor="weight")[-1].after
    assert (after.layout, equals(after, gradient)) == ("sparse_coo", True)
    assert [e.by for e in twice.events("update")] == ["normal_", "SparseAdam.step", "SparseAdam.step"]
    assert equals(twice.events("update")[-1].after, weight)


def test_complex_numbers() -> None:
    """A holomorphic part, a conjugate, a Fourier transform, and a real loss of it all."""

    def program() -> Any:
        z = torch.randn(4, dtype=torch.complex64, requires_grad=True)
        phase = torch.randn(4, requires_grad=True)
        turned = z * torch.exp(1j * phase)
        turned.retain_grad()
        spectrum = torch.fft.fft(turned.conj() + 2)
        (spectrum.abs() ** 2).sum().backward()
        return {"z": z.grad, "phase": phase.grad}, turned.grad

    twice = run_twice(program)
    (gradients, at_turned), _ = twice.bare
    assert_gradients(twice, gradients)
    turned = next(e for e in twice.nodes("MulBackward0") if twice.twin(e).outputs[0].name == "turned")
    assert equals(turned.upstream[0], at_turned)
    (edge,) = [edge for edge in turned.edges if edge.input == "z"]
    assert (edge.local.form, edge.local.shape) == ("jacobian", (4, 2, 4, 2))
    assert turned.upstream[0].values[0] == [at_turned[0].real.item(), at_turned[0].imag.item()]


def test_inference_mode() -> None:
    """Tensors without a version or a graph, between two steps of training."""

    def program() -> Any:
        model = nn.Linear(3, 2)
        x = torch.randn(5, 3)
        scores = []
        for _epoch in range(2):
            model.zero_grad()
            model(x).square().mean().backward()
            with torch.inference_mode():
                judged = model(x)
                scores.append(judged.mean().item())
        return gradients_of(model), scores

    twice = run_twice(program)
    assert_gradients(twice, twice.bare[0][0])
    judged = [event for event in twice.forward("linear") if not event.grad_enabled]
    assert len(judged) == 2 and all(not event.nodes for event in judged)
    taken = twice.forward("item")
    assert [event.inputs[0].values for event in taken] == twice.bare[0][1]


def test_writes_in_inference_mode() -> None:
    def program() -> Any:
        with torch.inference_mode():
            judged = torch.ones(3) * 2
            judged += 1
            judged.mul_(2)
            return judged.tolist()

    twice = run_twice(program)
    written = [event for event in twice.events("forward") if event.inplace]
    assert [event.op for event in written] == ["add_", "mul_"]
    assert written[-1].outputs[0].values == twice.bare[0]


def test_numbers_that_are_not_quite_python_s() -> None:
    """Numbers of numpy, enums and booleans among the arguments, as scipy's optimizers and schedules give them."""

    class Axis(enum.IntEnum):
        ROW = 1

    def program() -> Any:
        w = torch.ones(2, 3, requires_grad=True)
        scaled = w * np.float64(2.5) + np.int64(3) * w + True
        scaled.sum(Axis.ROW).pow(np.float32(2)).sum().backward()
        return w.grad

    twice = run_twice(program)
    assert_gradients(twice, {"w": twice.bare[0]})
    numbers = [argument["value"] for event in twice.forward("mul") for argument in event.arguments]
    assert numbers == [2.5, 3]


def test_aten_ops_called_by_themselves() -> None:
    """As graphs of compilers call them: the op is the aten name, the overload is in `aten`."""

    def program() -> Any:
        w = torch.ones(2, 2, requires_grad=True)
        torch.ops.aten.sum.dim_IntList(torch.ops.aten.mm.default(w, w), [0, 1]).backward()
        return w.grad

    twice = run_twice(program)
    assert_gradients(twice, {"w": twice.bare[0]})
    told = [(event.op, event.aten) for event in twice.events("forward")[1:]]
    assert told == [("mm", "aten.mm.default"), ("sum", "aten.sum.dim_IntList")]


def test_one_call_that_is_another_op_by_the_layout() -> None:
    """`reshape` is a view or a copy, `contiguous` nothing or a copy, `x[:]` an alias or a slice."""

    def program() -> Any:
        w = torch.randn(2, 3, requires_grad=True)
        total = torch.zeros(())
        for table in (w * 1, (w * 2).t(), w * 3):
            table = table.contiguous()
            total = total + (table.t().reshape(-1) * table.reshape(-1)).sum() + table[:].sum() + table[:, 1:].sum()
        total.backward()
        return w.grad

    twice = run_twice(program)
    assert_gradients(twice, {"w": twice.bare[0]})


@pytest.mark.parametrize("how", ["set_", "resize_", "data", "storage"])
def test_storage_that_is_replaced(how: str) -> None:
    """What a tensor holds changes without an op that says so; each value on record is what was there then."""

    def program() -> Any:
        w = torch.tensor([1.0, 2.0], requires_grad=True)
        buffer = torch.tensor([3.0, 4.0])
        before = (w * buffer).sum()
        if how == "set_":
            buffer.set_(torch.tensor([5.0, 6.0, 7.0]).untyped_storage(), 1, (2,))
        elif how == "resize_":
            buffer.resize_(2, 2).fill_(8.0)
        elif how == "data":
            buffer.data = torch.tensor([9.0, 10.0])
        else:
            buffer.untyped_storage().copy_(torch.tensor([11.0, 12.0]).untyped_storage())
        after = (w * buffer.detach().clone()).sum()
        after.backward()
        return w.grad, before, after, buffer

    twice = run_twice(program)
    (gradient, _, _, buffer), _ = twice.bare
    assert_gradients(twice, {"w": gradient})
    products = [e for e in twice.forward("mul") if e.inputs[0].name == "w"]
    assert products[0].inputs[1].values == [3.0, 4.0]
    assert equals(products[1].inputs[1], buffer)


def test_storage_freed_and_brought_back() -> None:
    """What FSDP does: a parameter's storage is empty between its uses, in mid-backward too."""

    def program() -> Any:
        w = torch.tensor([2.0, 3.0], requires_grad=True)
        kept = w.detach().clone()
        storage = w.untyped_storage()
        storage.resize_(0)
        storage.resize_(kept.untyped_storage().nbytes())
        storage.copy_(kept.untyped_storage())
        h = w * w
        h.register_hook(lambda _: storage.copy_(kept.untyped_storage()) and None)
        storage.resize_(0)
        storage.resize_(kept.untyped_storage().nbytes())
        h.sum().backward()
        return w.grad, w

    twice = run_twice(program)
    assert_gradients(twice, {"w": twice.bare[0][0]})
