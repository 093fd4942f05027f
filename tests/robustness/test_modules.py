"""Layers that are more than an op: recurrent, attention, convolution with statistics, parametrized, lazy."""

from __future__ import annotations

import weakref
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from tests.robustness.twice import assert_gradients, equals, gradients_of, needed, run_twice


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("packed", [False, True], ids=["padded", "packed"])
def test_recurrent(kind: str, packed: bool) -> None:
    """One call that is dozens of nodes, two layers and both directions; packed sequences with their lengths."""

    def program() -> Any:
        layer = getattr(nn, kind)(3, 4, num_layers=2, bidirectional=True, batch_first=True)
        x = torch.randn(2, 5, 3, requires_grad=True)
        given = nn.utils.rnn.pack_padded_sequence(x, [5, 3], batch_first=True) if packed else x
        out, state = layer(given)
        out = nn.utils.rnn.pad_packed_sequence(out, batch_first=True)[0] if packed else out
        state = state if isinstance(state, torch.Tensor) else state[1]
        state.retain_grad()
        (out.square().mean() + state.sum()).backward()
        return gradients_of(layer) | {"x": x.grad}, state.grad

    twice = run_twice(program)
    (gradients, _), _ = twice.bare
    assert len(gradients) == 17
    assert_gradients(twice, gradients)
    (call,) = twice.forward(kind.lower() if kind != "RNN" else "rnn_tanh")
    parts = [event for event in twice.events("forward") if event.parent == call.position]
    assert parts and all(part.position < call.position for part in parts)
    inside = {number for part in parts for number in part.nodes}
    ran = [event for event in twice.events("backward") if event.node in inside]
    assert len(ran) >= 8 and {event.module for event in ran} == {ran[0].module}


@pytest.mark.parametrize("kind", ["RNNCell", "LSTMCell", "GRUCell"])
def test_cells_in_a_loop(kind: str) -> None:
    """The recurrence written out, with truncated backpropagation: the loop over time is inside an iteration."""

    def program() -> Any:
        cell = getattr(nn, kind)(2, 3)
        optimizer = torch.optim.SGD(cell.parameters(), lr=0.1)
        state = None
        for chunk in torch.randn(2, 4, 1, 2):
            state = state if state is None else tuple(s.detach() for s in state)
            for x in chunk:
                given = state if state is None or kind == "LSTMCell" else state[0]
                made = cell(x, given)
                state = made if isinstance(made, tuple) else (made,)
            optimizer.zero_grad()
            state[0].square().sum().backward()
            optimizer.step()
        return gradients_of(cell), cell.state_dict()

    twice = run_twice(program)
    assert_gradients(twice, twice.bare[0][0])
    assert [event.iteration for event in twice.events("backward_start")] == [0, 1]
    assert [event.iteration for event in twice.events("update", by="SGD.step")] == [0] * 4 + [1] * 4


@pytest.mark.parametrize("weights", [False, True], ids=["fused", "weights"])
def test_multihead_attention(weights: bool) -> None:
    """Self-attention with a mask, trained, then judged in eval mode, whose fused path must be left as it is."""

    def program() -> Any:
        layer = nn.MultiheadAttention(8, 2, batch_first=True)
        x = torch.randn(2, 5, 8, requires_grad=True)
        mask = torch.zeros(2, 5, dtype=torch.bool)
        mask[1, 3:] = True
        out, attention = layer(x, x, x, key_padding_mask=mask, need_weights=weights)
        out.retain_grad()
        (out.square().sum() + (attention[:, 0].sum() if weights else 0)).backward()
        layer.eval()
        with torch.no_grad():
            judged = layer(x, x, x, key_padding_mask=mask, need_weights=weights)
        return gradients_of(layer) | {"x": x.grad}, out, out.grad, judged

    twice = run_twice(program)
    (gradients, out, at_out, _), _ = twice.bare
    assert_gradients(twice, gradients)
    (call,) = twice.forward("multi_head_attention_forward")
    assert equals(call.outputs[0], out.transpose(0, 1))
    assert any(equals(event.upstream[0], at_out) for event in twice.nodes("TransposeBackward0"))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["flash", "math"])
def test_scaled_dot_product_attention(dtype: torch.dtype) -> None:
    """The kernel's node has several outputs and edges; the reference written out gives its gradients."""

    def program() -> Any:
        q, k, v = (torch.randn(1, 2, 5, 4, dtype=dtype, requires_grad=True) for _ in range(3))
        out = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        out.sum().backward()
        return {"q": q.grad, "k": k.grad, "v": v.grad}, (q, k, v)

    twice = run_twice(program)
    (gradients, leaves), _ = twice.bare
    recorded = {event.inputs[0].tensor for event in twice.forward("scaled_dot_product_attention")}
    assert len(recorded) == 1
    q, k, v = (leaf.detach().clone().requires_grad_() for leaf in leaves)
    scores = (q @ k.transpose(-1, -2) / 2).masked_fill(torch.ones(5, 5).tril() == 0, -torch.inf)
    reference = torch.autograd.grad((scores.softmax(-1) @ v).sum(), (q, k, v))
    numbers = sorted({event.number for event in twice.events("accumulate")})
    assert len(numbers) == 3
    for (_, gradient), expected, number in zip(gradients.items(), reference, numbers, strict=True):
        torch.testing.assert_close(gradient, expected)
        (event,) = [e for e in twice.events("accumulate") if e.number == number]
        assert equals(event.after, gradient)


def test_transformer_layer() -> None:
    def program() -> Any:
        layer = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2)
        x = torch.randn(2, 3, 8)
        mask = nn.Transformer.generate_square_subsequent_mask(3)
        layer(x, mask=mask, is_causal=True).square().mean().backward()
        gradients = gradients_of(layer)
        layer.eval()
        with torch.no_grad():
            judged = layer(x)
        return gradients, judged

    twice = run_twice(program)
    assert_gradients(twice, twice.bare[0][0])
    assert {"layers.0.linear1", "layers.1.self_attn"} <= {event.module for event in twice.events("backward")}


def test_convolutions_with_batch_norm() -> None:
    """The running statistics change in place beside the graph; pooling gives indices that no gradient takes."""

    def program() -> Any:
        net = nn.Sequential(
            nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(inplace=True), nn.MaxPool2d(2),
            nn.Conv2d(3, 4, 3, groups=1, bias=False), nn.GroupNorm(2, 4), nn.SiLU(), nn.AdaptiveAvgPool2d(1),
            nn.Flatten(), nn.Dropout(0.2), nn.Linear(4, 3),
        )  # fmt: skip
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
        for images in torch.randn(2, 4, 1, 8, 8):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(images), torch.tensor([0, 1, 2, 0])).backward()
            optimizer.step()
        net.eval()
        with torch.no_grad():
            judged = net(torch.ones(1, 1, 8, 8))
        return gradients_of(net), net.state_dict(), judged

    twice = run_twice(program)
    (gradients, state, _), _ = twice.bare
    assert_gradients(twice, gradients)
    modules = {event.op: event.module for event in twice.events("backward")}
    assert modules["NativeBatchNormBackward0"] == "1" and modules["MaxPool2DWithIndicesBackward0"] == "3"
    last = {event.tensor: event.after for event in twice.events("update") if event.by == "SGD.step"}
    assert all(equals(value, state[name]) for name, value in last.items())
    pooled = twice.nodes("MaxPool2DWithIndicesBackward0")[0]
    assert len(pooled.upstream) == 1 and [edge.downstream.shape for edge in needed(pooled)] == [(4, 3, 8, 8)]


@pytest.mark.parametrize("how", ["spectral_norm", "weight_norm", "orthogonal", "old weight_norm"])
@pytest.mark.filterwarnings("ignore:.*weight_norm. is deprecated")
def test_parametrizations(how: str) -> None:
    """The weight is computed anew at each use: what trains are the tensors behind it."""

    def program() -> Any:
        layer = nn.Linear(3, 4)
        wrap = nn.utils.weight_norm if how == "old weight_norm" else getattr(parametrizations, how)
        layer = wrap(layer)
        optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
        for x in torch.randn(2, 5, 3):
            optimizer.zero_grad()
            layer(x).square().mean().backward()
            optimizer.step()
        return gradients_of(layer), layer.state_dict(), layer.weight

    twice = run_twice(program)
    (gradients, state, _), _ = twice.bare
    assert_gradients(twice, gradients)
    last = {event.tensor: event.after for event in twice.events("update") if event.by == "SGD.step"}
    assert last.keys() == gradients.keys() and all(equals(value, state[name]) for name, value in last.items())


def test_parametrization_cached() -> None:
    def program() -> Any:
        layer = parametrizations.spectral_norm(nn.Linear(3, 3))
        with nn.utils.parametrize.cached():
            layer(layer(torch.ones(2, 3))).sum().backward()
        return gradients_of(layer)

    twice = run_twice(program)
    assert_gradients(twice, twice.bare[0])


def test_lazy_modules_and_functional_call() -> None:
    """Parameters that come to be in the first forward, and a module run with other tensors than its own."""

    def program() -> Any:
        layer = nn.LazyLinear(2)
        layer(torch.randn(3, 4)).sum().backward()
        own = {name: (tensor.detach() * 2).requires_grad_() for name, tensor in layer.named_parameters()}
        out = torch.func.functional_call(layer, own, (torch.ones(3, 4),))
        out.square().sum().backward()
        return gradients_of(layer), {name: tensor.grad for name, tensor in own.items()}

    twice = run_twice(program)
    (gradients, others), _ = twice.bare
    recorded = [event.after for event in twice.events("accumulate")]
    assert len(recorded) == 4
    for gradient in (*gradients.values(), *others.values()):
        assert any(value.shape == tuple(gradient.shape) and equals(value, gradient) for value in recorded)


def test_embedding_with_padding() -> None:
    """Making one writes zeros through a view of the weight, without grad mode."""

    def program() -> Any:
        embed = nn.Embedding(4, 2, padding_idx=0)
        embed(torch.tensor([0, 1, 3])).sum().backward()
        return embed.weight, gradients_of(embed)

    twice = run_twice(program)
    (weight, gradients), _ = twice.bare
    assert_gradients(twice, gradients)
    (filled,) = twice.events("update", by="fill_")
    assert filled.before.values[0] != [0.0, 0.0] and equals(filled.after, weight)
    assert equals(twice.forward("embedding")[0].inputs[1], weight)


def test_a_module_with_a_call_of_its_own() -> None:
    """As GPyTorch has them: `__call__` goes to `forward` and past every hook on modules."""

    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(2))

        def __call__(self, x: torch.Tensor) -> torch.Tensor:
            return self.forward(x)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raw = self.scale
            return nn.functional.softplus(raw) * x

    def program() -> Any:
        kernel = Own()
        optimizer = torch.optim.SGD(kernel.parameters(), lr=0.1)
        kernel(torch.ones(2)).sum().backward()
        optimizer.step()
        return gradients_of(kernel), kernel.scale

    twice = run_twice(program)
    assert_gradients(twice, twice.bare[0][0])


class Scale(nn.Module):
    """Is called past every hook on modules."""

    def __init__(self, body: nn.Module | None = None) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.ones(2))
        self.body = body

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return self.factor * (x if self.body is None else self.body(x))


def test_names_of_modules_that_no_hook_sees() -> None:
    """Two roots that share a path get the variables in front, also where only an optimizer or a pass meets them."""

    def program() -> Any:
        outer, other, plain = Scale(Scale()), Scale(), nn.Parameter(torch.ones(2))
        optimizer = torch.optim.SGD(outer.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            (outer(torch.ones(2)) + other(torch.ones(2)) + plain).sum().backward()
            optimizer.step()
        own = {f"outer.{name}": gradient for name, gradient in gradients_of(outer).items()}
        return own | {"other.factor": other.factor.grad, "plain": plain.grad}

    twice = run_twice(program)
    assert_gradients(twice, twice.bare[0])


def test_names_of_a_moving_average() -> None:
    """Nobody calls it, and no gradient reaches it: it is written to, and has the names of its module all the same."""

    def program() -> Any:
        model = nn.Linear(2, 1)
        average = torch.optim.swa_utils.AveragedModel(model)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(2):
            optimizer.zero_grad()
            model(torch.ones(2)).sum().backward()
            optimizer.step()
            average.update_parameters(model)
        return average.state_dict()

    twice = run_twice(program)
    state = twice.bare[0]
    for name in ("module.weight", "module.bias"):
        updates = twice.events("update", tensor=name, by="copy_") + twice.events("update", tensor=name, by="lerp_")
        assert equals(max(updates, key=lambda event: event.position).after, state[name])


def test_looking_for_owners_keeps_nothing_alive() -> None:
    """What a function drops is gone, although its variables were looked at."""

    def program() -> Any:
        kernel, dropped = Scale(), torch.ones(1000)
        gone = weakref.ref(dropped)
        kernel(torch.ones(2)).sum().backward()
        del dropped
        return gone() is None, gradients_of(kernel)

    twice = run_twice(program)
    assert twice.bare[0][0]
    assert_gradients(twice, twice.bare[0][1])


def test_bags_and_losses() -> None:
    """Embedding bags with offsets, CTC and triplet losses: nodes with outputs and inputs that take no gradient."""

    def program() -> Any:
        bag = nn.EmbeddingBag(6, 3, mode="max")
        pooled = bag(torch.tensor([1, 2, 4, 5, 4]), torch.tensor([0, 2]))
        table = nn.Embedding(6, 3)
        rows = table(torch.tensor([[0, 1], [2, 0]]))
        nn.functional.triplet_margin_loss(pooled, rows[:, 0], rows[:, 1]).backward()
        scores = torch.randn(5, 2, 4, requires_grad=True)
        lengths = torch.tensor([5, 5]), torch.tensor([2, 3])
        nn.functional.ctc_loss(scores.log_softmax(-1), torch.tensor([[1, 2, 0], [1, 2, 3]]), *lengths).backward()
        return bag.weight.grad, table.weight.grad, scores.grad

    twice = run_twice(program)
    recorded = [event.after for event in twice.events("accumulate")]
    assert len(recorded) == 3
    assert all(any(v.shape == tuple(g.shape) and equals(v, g) for v in recorded) for g in twice.bare[0])
