"""Every sentence about a forward op is true: what it claims is worked out here from the tensors themselves."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F

import backstep
from backstep.explain.sentence_forward import forward_sentence
from backstep.trace.event import ForwardEvent


def said(op: str, compute: Callable[[], object]) -> str:
    """The sentence about the last op of that name in a computation."""
    with backstep.record(max_elements=4096) as recording:
        compute()
    *_, event = [event for event in recording.trace.find(kind="forward") if event.op == op]
    assert isinstance(event, ForwardEvent)
    return forward_sentence(event)


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(3), requires_grad=True)


@pytest.mark.parametrize(
    ("shape", "dim", "words"),
    [
        ((5,), 0, "The numbers of x become "), ((4, 5), 1, "Each row of x becomes "),
        ((4, 5), -1, "Each row of x becomes "),
        ((4, 5), 0, "Each column of x becomes "), ((2, 3, 4), 1, "Along dimension 1 the numbers of x become "),
        ((2, 3, 4), -1, "Along dimension 2 the numbers of x become "),
    ],
)  # fmt: skip
def test_probabilities_add_up_to_one_along_the_dimension_that_is_named(
    shape: tuple[int, ...], dim: int, words: str
) -> None:
    x = draw(*shape)
    assert said("softmax", lambda: torch.softmax(x, dim)).startswith(words + "probabilities")
    assert said("log_softmax", lambda: F.log_softmax(x, dim=dim)).startswith(words + "logarithms of probabilities")
    along = {"The numbers": 0, "Each row": 1, "Each column": 0}.get(words.split(" of ")[0])
    along = int(words.split()[2]) if along is None else along
    assert torch.allclose(torch.softmax(x, dim).sum(along), torch.ones(()))


def test_products_say_how_many_they_add_up_and_what_comes_on_top() -> None:
    x, w, row, bias = draw(3, 7), draw(7, 2), draw(7), draw(2)
    assert said("matmul", lambda: x @ w) == (
        "Each number of x @ w adds up 7 products: a row of x times a column of w."
    )  # fmt: skip
    assert "7 products: row times a column of w" in said("matmul", lambda: row @ w)
    assert said("addmm", lambda: torch.addmm(bias, x, w)).startswith(
        "Each number of torch.addmm(bias, x, w) adds up 7 products: a row of x times a column of w, plus bias"
    )
    weight = draw(2, 7)
    assert said("linear", lambda: F.linear(x, weight, bias)).endswith(
        "7 products: a row of x times a row of weight, plus bias."
    )
    assert torch.allclose(F.linear(x, weight, bias)[1, 0], (x[1] * weight[0]).sum() + bias[0])


def test_reductions_count_what_goes_into_each_result() -> None:
    x = draw(3, 4)
    assert "adds up the 12 numbers of x" in said("sum", lambda: x.sum())
    assert said("mean", lambda: x.mean(1)).startswith("Each of the 3 results is the mean of 4 numbers of x")
    assert said("prod", lambda: x.prod(0)).startswith("Each of the 4 results multiplies 3 numbers of x")


def test_relu_and_dropout_count_what_they_take_away() -> None:
    x = draw(40)
    gone = int((x <= 0).sum())
    assert said("relu", lambda: F.relu(x)).startswith(f"{gone} of 40 numbers of x are not positive and become 0")
    kept: list[torch.Tensor] = []
    told = said("dropout", lambda: kept.append(F.dropout(x, 0.75)))
    assert told.startswith(f"{int((kept[0] == 0).sum())} of 40 numbers of x are dropped")
    assert "the others are multiplied by 4" in told


def test_the_larger_of_two_is_not_a_choice_within_one() -> None:
    x, y = draw(4), -draw(4)
    assert said("max", lambda: torch.max(x, y)).startswith("Each result is the larger of the numbers of x and y")
    assert said("min", lambda: torch.min(x, y)).startswith("Each result is the smaller of the numbers of x and y")
    assert said("max", lambda: x.max()).startswith("Each result is one of the numbers of x")


def test_who_is_used_more_than_once() -> None:
    x, b = draw(5, 3), draw(3)
    assert said("add", lambda: x + b).endswith("; b is used in each of the 5 rows.")
    assert "used in each" not in said("add", lambda: x + x.detach())


def test_views_copy_nothing_and_ops_in_place_leave_no_old_numbers() -> None:
    x = draw(4, 3).detach()
    assert "view(12) is a view of x: the same numbers" in said("view", lambda: x.view(12))
    before = x._version
    assert f"(version {before + 1})" in said("mul_", lambda: x.mul_(2))
    assert "; no graph is built, since grad mode is off." in said("exp", lambda: torch.no_grad()(draw(2).exp)())


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_squared_differences_are_reduced_as_they_say(reduction: str) -> None:
    x, y = draw(6), -draw(6).detach()
    told = said("mse_loss", lambda: F.mse_loss(x, y, reduction=reduction))
    assert told == {
        "mean": "The mean of the squared differences of x and y.",
        "sum": "The sum of the squared differences of x and y.",
        "none": "The squared differences of x and y.",
    }[reduction]  # fmt: skip


def test_layers_say_what_a_number_is_made_of() -> None:
    images, kernel, bias, table = draw(2, 3, 5, 5), draw(4, 3, 2, 2), draw(4), draw(6, 3)
    told = said("conv2d", lambda: F.conv2d(images, kernel, bias))
    assert told.endswith("adds up 12 products: kernel laid over a window of images, plus bias.")
    window = (images[1, :, 2:4, 3:5] * kernel[2]).sum() + bias[2]
    assert torch.allclose(F.conv2d(images, kernel, bias)[1, 2, 2, 3], window, atol=1e-5)
    index = torch.tensor([[0, 4], [4, 4]])
    assert said("embedding", lambda: F.embedding(index, table)).startswith("4 rows of table, 2 different")
    assert said("layer_norm", lambda: F.layer_norm(table, (3,))) == "Each row of table gets mean 0 and variance 1."
    assert torch.allclose(F.layer_norm(table, (3,)).var(1, correction=0), torch.ones(6), atol=1e-3)
    q = draw(1, 1, 4, 2)
    told = said("scaled_dot_product_attention", lambda: F.scaled_dot_product_attention(q, q, q, is_causal=True))
    assert "looks at the rows of q, none after its own place: the softmax of q @ qᵀ / √d mixes the rows of q" in told


def test_arithmetic_is_told_with_its_operands_in_order() -> None:
    x, y = draw(3), -draw(3)
    assert said("div", lambda: x / y) == "Each number of x over the one of y at its place."
    assert said("div", lambda: x / 4) == "Each number of x over 4."
    assert "x over 1" not in said("div", lambda: 1 / x)
    assert "minus" not in said("rsub", lambda: torch.rsub(x, 1))
    assert said("pow", lambda: x**3) == "Each number of x to the power of 3."
    assert "to the power" not in said("pow", lambda: 2**x)
    assert "plus" not in said("add", lambda: torch.add(x, y, alpha=2))
    assert said("norm", lambda: x.norm()).startswith("x.norm() is the root of the sum of the squares of 3 numbers of x")
    assert "root" not in said("norm", lambda: x.norm(p=1))


def test_what_takes_only_a_shape_computes_nothing() -> None:
    x = draw(4, 2)
    assert "makes torch.zeros_like(x): 8 numbers, as many as x has" in said("zeros_like", lambda: torch.zeros_like(x))
    assert "is a view of x: 4 of its 8 numbers" in said("getitem", lambda: x[:2])
    assert "the same 8 numbers, seen more than once" in said("expand", lambda: x[None].expand(3, 4, 2))
    assert "2 tensors" in said("aminmax", lambda: torch.aminmax(x))


def test_numbers_that_leave_torch() -> None:
    x = draw(1)
    assert said("item", lambda: x.item()) == "The numbers of x leave torch here: no gradient flows back through them."
