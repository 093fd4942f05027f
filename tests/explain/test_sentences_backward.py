"""Every sentence about a backward step is true: its numbers are those that torch computes, for random shapes."""

from __future__ import annotations

import re

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.explain.recorded import recorded, said, steps

SIZES = st.integers(1, 5)
SEEDS = st.integers(0, 10_000)
quickly = settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))


def draw(seed: int, *shapes: tuple[int, ...]) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, requires_grad=True) for shape in shapes]


def counts(text: str) -> list[int]:
    return [int(digits.replace(",", "")) for digits in re.findall(r"(?<![\w.])\d[\d,]*(?![\w.])", text)]


@quickly
@given(SIZES, SIZES, st.sampled_from(["add", "mul", "sub", "div", "maximum"]), SEEDS)
def test_what_was_broadcast_is_summed(rows: int, columns: int, op: str, seed: int) -> None:
    a, row, column, one = draw(seed, (rows, columns), (columns,), (rows, 1), ())
    for b, size, word in ((row, rows, "row"), (column, columns, "column"), (one, rows * columns, "place")):
        trace = recorded(lambda b=b: getattr(torch, op)(a, b))
        sentence = said(trace, op.title(), 1)
        repeated = b.numel() != a.numel()
        assert ("is summed over" in sentence) == repeated
        if repeated:
            told = re.search(r"summed over (?:the|all) (\d+) (row|column|place)s?, because", sentence)
            assert told and int(told[1]) == a.numel() // b.numel()
            assert told[2] in (word, "place") or 1 in (rows, columns)
            assert size == a.numel() // b.numel()


@quickly
@given(SIZES, SIZES, SIZES, SEEDS)
def test_a_product_adds_up_as_many_terms_as_it_says(rows: int, inner: int, columns: int, seed: int) -> None:
    x, w, bias = draw(seed, (rows, inner), (inner, columns), (columns,))
    trace = recorded(lambda: torch.addmm(bias, x, w))
    upstream = torch.arange(1.0, rows * columns + 1).reshape(rows, columns)
    of_x, of_w = upstream[:, None, :] * w[None], (x[:, :, None] * upstream[:, None, :]).movedim(0, -1)
    for edge, terms in ((1, of_x), (2, of_w)):
        step = steps(trace, "Addmm")[edge]
        assert step.left is not None and step.left.array is not None
        assert torch.allclose(terms.sum(-1), torch.tensor(step.left.array), rtol=1e-4, atol=1e-5)
        assert step.is_single or counts(said(trace, "Addmm", edge)) == [terms.shape[-1]]
    assert steps(trace, "Addmm")[0].is_single or counts(said(trace, "Addmm")) == ([rows] if rows > 1 else [])


@quickly
@given(SIZES, SIZES, st.sampled_from([None, 0, 1]), SEEDS)
def test_sums_and_means_say_what_each_number_gets(rows: int, columns: int, dim: int | None, seed: int) -> None:
    (x,) = draw(seed, (rows, columns))
    each = rows * columns if dim is None else (rows, columns)[dim]
    assume(rows * columns > 1)
    trace = recorded(lambda: x.mean() if dim is None else x.mean(dim))
    assert set(re.findall(r"1/(\d+)", said(trace, "Mean"))) == {str(each)}
    trace = recorded(lambda: x.sum() if dim is None else x.sum(dim))
    assert each in counts(said(trace, "Sum"))


@quickly
@given(SIZES, SIZES, SEEDS)
def test_gates_count_what_passes(rows: int, columns: int, seed: int) -> None:
    (x,) = draw(seed, (rows, columns))
    positive = int((x > 0).sum())
    for compute, op, rest in (
        (lambda: x.relu(), "Relu", "get 0"),
        (lambda: F.leaky_relu(x, 0.25), "LeakyRelu", "are multiplied by 0.25"),
        (lambda: x.clamp(min=0), "Clamp", "get 0"),
    ):
        sentence = said(recorded(compute), op)
        if x.numel() == 1:
            assert sentence.startswith("Nudge")
        elif positive == x.numel():
            assert sentence == f"All {positive} gradients pass unchanged."
        elif not positive and rest == "get 0":
            assert sentence == f"None of the {x.numel()} gradients passes: all get 0."
        else:
            others = x.numel() - positive
            assert sentence == f"{positive} of {x.numel()} gradients pass unchanged, the other {others} {rest}."


@quickly
@given(st.integers(2, 6), st.integers(2, 6), SEEDS)
def test_dropout_tells_its_mask(rows: int, columns: int, seed: int) -> None:
    (x,) = draw(seed, (rows, columns))
    torch.manual_seed(seed)
    trace = recorded(lambda: F.dropout(x, 0.5))
    assert x.grad is not None
    dropped = int((x.grad == 0).sum())
    sentence = said(trace, "Mul")
    if dropped < x.numel():
        assert counts(sentence.split("numbers")[0]) == [dropped, x.numel()]
        assert sentence.endswith("the others are multiplied by 2.")


@quickly
@given(st.integers(2, 5), st.integers(2, 5), SEEDS)
def test_a_maximum_tells_where_the_gradient_goes(rows: int, columns: int, seed: int) -> None:
    (x,) = draw(seed, (rows, columns))
    for compute, op, chosen in (
        (lambda: x.max(dim=1).values, "Max", rows), (lambda: x.max(), "Max", 1), (lambda: x.amin(0), "Amin", columns),
        (lambda: F.max_pool2d(x[None, None], 2, 1), "MaxPool2DWithIndices", None),
    ):  # fmt: skip
        x.grad = None
        sentence = said(recorded(compute), op)
        assert x.grad is not None
        got = int((x.grad != 0).sum())
        assert chosen in (None, got)
        assert (f"to {got} of {x.numel()} numbers" in sentence) or (got == x.numel() and "every number" in sentence)


@quickly
@given(st.integers(1, 6), st.lists(st.integers(0, 5), min_size=1, max_size=8), SEEDS)
def test_rows_that_were_looked_up_are_counted(columns: int, rows: list[int], seed: int) -> None:
    (table,) = draw(seed, (6, columns))
    index = torch.tensor(rows)
    distinct, again = len(set(rows)), sum(rows.count(row) > 1 for row in set(rows))
    for compute, op in (
        (lambda: F.embedding(index, table), "Embedding"), (lambda: table[index], "Index"),
        (lambda: table.index_select(0, index), "IndexSelect"),
    ):  # fmt: skip
        sentence = said(recorded(compute), op)
        assert ("Every row" in sentence) if distinct == 6 else (f"{distinct} of the 6 rows" in sentence)
        assert (f"the gradients of {again} of them added up" in sentence) == (again > 0)


@quickly
@given(st.integers(1, 6), st.integers(2, 6), SEEDS)
def test_softmax_and_cross_entropy_are_p_minus_y(rows: int, classes: int, seed: int) -> None:
    (scores,) = draw(seed, (rows, classes))
    target = torch.arange(rows) % classes
    for reduction, words in (("mean", f", divided by the {rows} rows" if rows > 1 else ""), ("sum", "")):
        scores.grad = None
        trace = recorded(lambda reduction=reduction: F.cross_entropy(scores, target, reduction=reduction))
        wanted = scores.detach().softmax(1) - F.one_hot(target, classes)
        assert scores.grad is not None
        assert torch.allclose(scores.grad, wanted / (rows if reduction == "mean" else 1), atol=1e-6)
        assert f"what leaves is p - y{words}, the predicted" in said(trace, "LogSoftmax")


def test_a_loss_that_is_not_cross_entropy_is_not_taken_for_it() -> None:
    (scores,) = draw(3, (4, 3))
    trace = recorded(lambda: (scores.log_softmax(1) * torch.tensor([[0.2, 0.5, 0.3]])).sum())
    assert "p - y" not in said(trace, "LogSoftmax")
    assert "the gradients of each row add up to 0" in said(trace, "LogSoftmax")


@quickly
@given(st.integers(3, 6), st.integers(3, 5), SEEDS)
def test_normalisation_couples_what_it_normalises(rows: int, columns: int, seed: int) -> None:
    x, weights = (value.detach().double().requires_grad_() for value in draw(seed, (rows, columns), (rows, columns)))
    trace = recorded(lambda: F.layer_norm(x, (columns,)) * weights)
    assert x.grad is not None and x.grad.abs().max() > 0
    assert torch.allclose(x.grad.sum(1), torch.zeros(rows).double(), atol=1e-9)
    assert "they add up to 0 in each row" in said(trace, "NativeLayerNorm")
    x.grad = None
    weight = torch.ones(columns, dtype=torch.float64, requires_grad=True)
    mean, variance = torch.zeros(columns).double(), torch.ones(columns).double()
    trace = recorded(lambda: F.batch_norm(x, mean, variance, weight, training=True))
    assert "in each channel" in said(trace, "NativeBatchNorm")
    assert x.grad is not None and torch.allclose(x.grad.sum(0), torch.zeros(columns).double(), atol=1e-6)
    trace = recorded(lambda: F.batch_norm(x, mean, variance, weight))
    assert "constants" in said(trace, "NativeBatchNorm")


@quickly
@given(st.floats(-2, 2), st.sampled_from(["sin", "exp", "tanh", "sigmoid", "square"]))
def test_a_nudge_moves_what_it_says(at: float, op: str) -> None:
    x = torch.tensor(at, dtype=torch.float64, requires_grad=True)

    def compute() -> torch.Tensor:
        y = getattr(torch, op)(x)
        return y * 3

    trace = recorded(compute)
    node = {"square": "Pow"}.get(op, op.title())
    found = re.search(r"moves (\S+)·ε, so .* moves \S+ × 3 = (\S+)·ε", said(trace, node))
    assert found
    epsilon = 1e-6
    with torch.no_grad():
        slope = (getattr(torch, op)(x + epsilon) - getattr(torch, op)(x - epsilon)) / (2 * epsilon)
    assert float(found[1]) == pytest.approx(float(slope), rel=2e-3, abs=1e-5)
    assert float(found[2]) == pytest.approx(3 * float(slope), rel=2e-3, abs=1e-5)


def test_views_losses_and_copies_have_their_words() -> None:
    x, y = draw(1, (4, 3), (4, 3))
    assert "the 12 gradients go back into the shape of" in said(recorded(lambda: x.t()), "T")
    assert "read 5 times" in said(recorded(lambda: x[None].expand(5, 4, 3)), "Expand")
    assert "divided by 12, for the loss is a mean" in said(recorded(lambda: F.mse_loss(x, y)), "MseLoss")
    assert "divided" not in said(recorded(lambda: F.mse_loss(x, y, reduction="sum")), "MseLoss")
    assert "with its sign turned" in said(recorded(lambda: x - y), "Sub", 1)
    assert "cut up again" in said(recorded(lambda: torch.cat([x, y])), "Cat", 1)
    images, kernel = draw(2, (2, 1, 5, 5), (3, 1, 3, 3))
    assert "9 positions of 2 samples" in said(recorded(lambda: F.conv2d(images, kernel)), "Convolution", 1)
    assert "6 of the 12 numbers of" in said(recorded(lambda: x[:2]), "Slice")
