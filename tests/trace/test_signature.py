"""The tensors and numbers of a call find the names that the op has for them."""

from __future__ import annotations

from typing import Any

import pytest

from backstep.trace.signature import bind, parameters

CONVOLUTION = (
    "aten::convolution(Tensor input, Tensor weight, Tensor? bias, SymInt[] stride, SymInt[] padding, "
    "SymInt[] dilation, bool transposed, SymInt[] output_padding, SymInt groups) -> Tensor"
)
ADD = "add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor"
CAT = "cat(Tensor[] tensors, int dim=0) -> Tensor"
LAYER_NORM = "native_layer_norm(Tensor input, SymInt[] shape, Tensor? weight, Tensor? bias, float eps) -> Tensor"
INDEX_PUT = "index_put_(Tensor(a!) self, Tensor?[] indices, Tensor values, bool accumulate=False) -> Tensor(a!)"


def test_the_arguments_of_a_schema() -> None:
    told = parameters(ADD)
    assert [(p.type, p.name, p.default, p.keyword) for p in told] == [
        ("Tensor", "self", None, False), ("Tensor", "other", None, False), ("Scalar", "alpha", "1", True),
    ]  # fmt: skip
    assert [p.is_list for p in parameters(CAT)] == [True, False]
    assert [p.name for p in parameters("f(int[2] size, Tensor? w=[0, 1], *, int a) -> ()")] == ["size", "w", "a"]
    assert parameters("no schema at all") == ()
    assert parameters("rand() -> Tensor") == ()


@pytest.mark.parametrize(
    ("schema", "tensors", "arguments", "bound"),
    [
        (ADD, "ab", [("alpha", 2)], {"self": "a", "other": "b", "alpha": 2}),
        (CAT, "abc", [(None, 1)], {"tensors": ["a", "b", "c"], "dim": 1}),
        (LAYER_NORM, "xw", [(None, [3]), (None, None), (None, 1e-5)],
         {"input": "x", "shape": [3], "weight": None, "bias": "w", "eps": 1e-5}),
        (LAYER_NORM, "xwb", [(None, [3]), (None, 1e-5)],
         {"input": "x", "shape": [3], "weight": "w", "bias": "b", "eps": 1e-5}),
        (INDEX_PUT, "xijv", [], {"self": "x", "indices": ["i", "j"], "values": "v"}),
    ],
)  # fmt: skip
def test_a_call_is_bound(
    schema: str, tensors: str, arguments: list[tuple[str | None, Any]], bound: dict[str, Any]
) -> None:
    assert bind(schema, list(tensors), arguments) == bound


def test_none_among_the_numbers_is_the_tensor_that_was_left_out() -> None:
    numbers = [None, [1], [0], [1], False, [0], 1]
    bound = bind(CONVOLUTION, ["x", "w"], [(None, value) for value in numbers])
    assert bound is not None and bound["bias"] is None and bound["groups"] == 1 and bound["weight"] == "w"


@pytest.mark.parametrize(("tensors", "arguments"), [("a", []), ("abc", []), ("ab", [(None, 3), (None, 4)])])
def test_what_does_not_fit_is_not_forced(tensors: str, arguments: list[tuple[str | None, Any]]) -> None:
    assert bind(ADD, list(tensors), arguments) is None
