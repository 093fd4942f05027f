"""What is said of the parts of networks, held to torch: attention, embeddings with padding, losses, pooling, norms."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from backstep.trace.event import Array
from backstep.trace.trace import Trace
from tests.explain.recorded import recorded, said, steps


def leaf(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed + sum(shape)), requires_grad=True)


def left(trace: Trace, op: str, edge: int = 0) -> Array:
    value = steps(trace, op)[edge].left
    assert value is not None and value.array is not None
    return value.array


def test_attention_weighs_what_goes_back_by_the_attention_that_was_paid() -> None:
    q, k, v = (leaf(1, 2, 4, 3, seed=seed) for seed in range(3))
    trace = recorded(lambda: F.scaled_dot_product_attention(q, k, v))
    op = "ScaledDotProductFlashAttentionForCpu"
    g = torch.arange(1.0, 25).reshape(1, 2, 4, 3)
    with torch.no_grad():
        paid = (q @ k.mT / math.sqrt(3)).softmax(-1)
        of_paid = g @ v.mT
        of_scores = paid * (of_paid - (of_paid * paid).sum(-1, keepdim=True)) / math.sqrt(3)
    wanted = {0: of_scores @ k, 1: of_scores.mT @ q, 2: paid.mT @ g}
    words = {0: "each row of q gets the rows of k", 1: "each row of k gets the rows of q", 2: "by the attention"}
    for edge, value in wanted.items():
        assert torch.allclose(torch.tensor(left(trace, op, edge)), value, rtol=1e-3, atol=1e-4)
        assert words[edge] in said(trace, op, edge)


def test_the_padding_row_of_an_embedding_gets_nothing() -> None:
    table = leaf(6, 2)
    trace = recorded(lambda: F.embedding(torch.tensor([0, 3, 3, 5, 0]), table, padding_idx=0))
    assert table.grad is not None and torch.equal(table.grad.any(1), torch.tensor([0, 0, 0, 1, 0, 1]).bool())
    assert said(trace, "Embedding").startswith("2 of the 6 rows of table were taken and get a gradient")
    assert said(trace, "Embedding").endswith("row 0 is padding and gets none.")
    table.grad = None
    only = recorded(lambda: F.embedding(torch.tensor([4]), table))
    assert said(only, "Embedding").startswith("1 of the 6 rows of table was taken and gets a gradient")


def test_rows_whose_target_is_ignored_do_not_count() -> None:
    scores, target = leaf(5, 3), torch.tensor([0, -100, 2, 1, -100])
    trace = recorded(lambda: F.cross_entropy(scores, target))
    assert scores.grad is not None and int(scores.grad.any(1).sum()) == 3
    wanted = (scores.detach().softmax(1) - F.one_hot(target.clamp(0), 3))[0] / 3
    assert torch.allclose(scores.grad[0], wanted, atol=1e-6)
    assert "p - y, divided by the 3 rows that count (the other 2 get 0)" in said(trace, "LogSoftmax")


@pytest.mark.parametrize(("dim", "line"), [(0, "column"), (1, "row"), (-1, "row")])
def test_what_adds_up_to_one_is_named_by_its_direction(dim: int, line: str) -> None:
    x = leaf(3, 4)
    trace = recorded(lambda: x.softmax(dim))
    assert torch.allclose(torch.tensor(left(trace, "Softmax")).sum(dim), torch.zeros(()), atol=1e-5)
    assert f"the gradients of each {line} add up to 0" in said(trace, "Softmax")
    assert steps(trace, "Softmax")[0].story.formula == f"diag(out) - out·outᵀ in each {line}"


def test_gates_count_who_passes() -> None:
    x, y = torch.tensor([1.0, 2.0, 3.0, -1.0], requires_grad=True), torch.tensor([1.0, 5.0, 0.0, -2.0])
    trace = recorded(lambda: torch.maximum(x, y))
    told = said(trace, "Maximum")
    assert told == "2 of 4 gradients pass unchanged, 1 by half, for the two were equal; the others get 0."
    assert x.grad is not None and x.grad.tolist() == [0.5, 0, 3, 4]
    assert said(recorded(lambda: (-x.abs() - 1).relu()), "Relu") == "None of the 4 gradients passes: all get 0."
    assert said(recorded(lambda: (x - 1).abs()), "Abs").startswith("1 of 4 gradients turn their sign")
    assert "and 1 get 0, for" in said(recorded(lambda: (x - 1).abs()), "Abs")


def test_shares_of_lengths_sums_and_windows() -> None:
    x, images = leaf(2, 3), leaf(1, 1, 4, 4)
    trace = recorded(lambda: x.logsumexp(1))
    assert torch.allclose(torch.tensor(left(trace, "Logsumexp")).sum(1), torch.tensor([1.0, 2.0]))
    assert "the shares of each out add up to what arrives" in said(trace, "Logsumexp")
    trace = recorded(lambda: x.norm())
    assert torch.allclose(torch.tensor(left(trace, "LinalgVectorNorm")), (x / x.norm()).detach())
    assert "the number over the norm" in said(trace, "LinalgVectorNorm")
    assert "the number over the norm" not in said(recorded(lambda: x.norm(p=1)), "LinalgVectorNorm")
    trace = recorded(lambda: F.avg_pool2d(images, 2))
    assert "gets 1/4 of the gradient of every window" in said(trace, "AvgPool2D")
    assert left(trace, "AvgPool2D").ravel()[:3].tolist() == [0.25, 0.25, 0.5]
    edges = recorded(lambda: F.avg_pool2d(images, 3, padding=1, count_include_pad=False))
    assert steps(edges, "AvgPool2D")[0].story.formula is None
    trace = recorded(lambda: F.pad(x, (2, 1)))
    assert said(trace, "ConstantPadNd").startswith("The 6 numbers of padding came from nowhere")


def test_a_recurrent_layer_that_runs_as_one_node_is_told_as_such() -> None:
    lstm, x = torch.nn.LSTM(2, 3), torch.randn(4, 1, 2)
    trace = recorded(lambda: lstm(x)[0])
    assert "all the time steps of the layer (its input is [4,1,2]): " in said(trace, "MkldnnRnnLayer", 1)
    assert "was used in each" in said(trace, "MkldnnRnnLayer", 1)


def test_the_mask_inside_of_attention_is_told_as_one() -> None:
    torch.manual_seed(0)
    layer, x = torch.nn.MultiheadAttention(4, 2, dropout=0.5, batch_first=True), torch.randn(2, 5, 4)
    trace = recorded(lambda: layer(x, x, x)[0])
    told = [said(trace, "Mul", edge) for edge in steps(trace, "Mul")]
    assert any("The mask of the forward pass once more" in words for words in told)


def test_attentions_equations_are_those_that_ran() -> None:
    q, k, v = (leaf(1, 1, 3, 2, seed=seed) for seed in range(3))
    trace = recorded(lambda: F.scaled_dot_product_attention(q, k, v, scale=0.3))
    told = {edge: step.story.equation for edge, step in steps(trace, "ScaledDotProductFlashAttentionForCpu").items()}
    assert told[0].endswith("@ vᵀ, back through the softmax, @ k · 0.3")
    assert told[1].endswith("@ vᵀ, back through the softmax)ᵀ @ q · 0.3")
    assert "= softmax(q @ kᵀ · 0.3)ᵀ @ d" in told[2]
    paid, g = (q @ k.mT * 0.3).softmax(-1), torch.arange(1.0, 7).reshape(1, 1, 3, 2)
    (scores,) = torch.autograd.grad(paid, q, g @ v.mT)
    assert q.grad is not None and v.grad is not None
    assert torch.allclose(scores, q.grad, atol=1e-5) and torch.allclose(paid.mT @ g, v.grad, atol=1e-5)
