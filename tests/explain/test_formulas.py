"""Formulas: each is worked out with numbers and compared with a difference quotient; none is said where it is wrong."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backstep.explain.formulas import equation, local_formula, product_operand, symbol
from backstep.explain.names import derivative
from backstep.trace.event import ForwardEvent
from backstep.trace.trace import Trace
from tests.handmade import HandmadeTrace

X, Y = 1.7, 0.6
FUNCTIONS: dict[str, Any] = {"exp": math.exp, "cos": math.cos, "sin": math.sin, "ln": math.log}
FUNCTIONS["sign"] = lambda x: math.copysign(1, x)


def call(
    tmp_path: Path, op: str, *names: str, aten: str = "", arguments: tuple[tuple[str, Any], ...] = (),
    shapes: tuple[tuple[int, ...], ...] = (), result: tuple[int, ...] = (), code: str | None = None,
) -> ForwardEvent:  # fmt: skip
    """A call as the trace gives it back; an argument without a name has the name ''."""
    source = f"{code or op}\n"
    path = tmp_path / f"{len(list(tmp_path.iterdir()))}.backstep"
    t = HandmadeTrace(path, source=source)
    shapes = shapes or ((),) * len(names)
    inputs = tuple(t.value(t.tensor(), None, n, shape=s, omitted="too big") for n, s in zip(names, shapes, strict=True))
    given = tuple((t.batch.strings.number(name) if name else 0, value) for name, value in arguments)
    out = t.value(t.tensor(), None, "z", shape=result, omitted="too big")
    t.forward(op, inputs, (out,), 1, aten=aten, arguments=given)
    t.close()
    event = Trace(path).event(0)
    assert isinstance(event, ForwardEvent)
    return event


def worked_out(formula: str, **names: float) -> float:
    text = formula.replace("·", "*").replace("^", "**").replace("²", "**2").replace("³", "**3").replace("½", "0.5")
    text = re.sub(r"^1 where (.*), else 0$", r"float(\1)", text.split(" = ")[0])
    return float(eval(text, {"__builtins__": {}, "float": float}, {**FUNCTIONS, **names}))


UNARY: dict[str, Callable[[float], float]] = {
    "Neg": lambda x: -x, "Exp": math.exp, "Log": math.log, "Sqrt": math.sqrt, "Rsqrt": lambda x: x**-0.5,
    "Reciprocal": lambda x: 1 / x, "Sin": math.sin, "Cos": math.cos, "Tanh": math.tanh, "Log1P": math.log1p,
    "Sigmoid": lambda x: 1 / (1 + math.exp(-x)), "Relu": lambda x: max(x, 0.0), "Abs": abs, "Clone": lambda x: x,
}  # fmt: skip


@pytest.mark.parametrize("node", UNARY)
def test_the_derivative_of_one_input_is_the_slope(node: str, tmp_path: Path) -> None:
    function = UNARY[node]
    formula = local_formula(f"{node}Backward0", call(tmp_path, node.lower(), "x"), 0)
    assert formula is not None
    slope = (function(X + 1e-6) - function(X - 1e-6)) / 2e-6
    assert worked_out(formula, x=X, z=function(X)) == pytest.approx(slope, rel=1e-6)


BINARY: dict[str, tuple[str, Callable[[float, float], float]]] = {
    "Add": ("aten.add.Tensor", lambda x, y: x + y), "Sub": ("aten.sub.Tensor", lambda x, y: x - y),
    "Mul": ("aten.mul.Tensor", lambda x, y: x * y), "Div": ("aten.div.Tensor", lambda x, y: x / y),
    "Pow": ("aten.pow.Tensor_Tensor", lambda x, y: x**y), "Rsub": ("aten.rsub.Tensor", lambda x, y: y - x),
}  # fmt: skip


@pytest.mark.parametrize("edge", [0, 1])
@pytest.mark.parametrize("node", BINARY)
def test_the_derivative_by_either_input_is_the_slope(node: str, edge: int, tmp_path: Path) -> None:
    aten, function = BINARY[node]
    formula = local_formula(f"{node}Backward0", call(tmp_path, node.lower(), "x", "y", aten=aten), edge)
    assert formula is not None
    dx, dy = (1e-6, 0.0) if edge == 0 else (0.0, 1e-6)
    slope = (function(X + dx, Y + dy) - function(X - dx, Y - dy)) / 2e-6
    assert worked_out(formula, x=X, y=Y, z=function(X, Y)) == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize("exponent", [1, 2, 3, 0.5, -1, 2.5])
def test_a_power_of_a_number(exponent: float, tmp_path: Path) -> None:
    op = call(tmp_path, "pow", "x", aten="aten.pow.Tensor_Scalar", arguments=(("", exponent),))
    formula = local_formula("PowBackward0", op, 0)
    assert formula is not None
    assert worked_out(formula, x=X) == pytest.approx(exponent * X ** (exponent - 1))


def test_a_number_to_a_power_is_not_taken_for_a_power_of_a_number(tmp_path: Path) -> None:
    op = call(tmp_path, "pow", "x", aten="aten.pow.Scalar", arguments=(("", 2),))
    formula = local_formula("PowBackward1", op, 0)
    assert formula is not None and worked_out(formula, z=2**X) == pytest.approx(2**X * math.log(2))
    assert symbol(op, ["x"]) == "2 ** x"


def test_alpha_is_a_factor_of_the_second_input(tmp_path: Path) -> None:
    op = call(tmp_path, "add", "x", "y", aten="aten.add.Tensor", arguments=(("alpha", 3),))
    assert [local_formula("AddBackward0", op, edge) for edge in (0, 1)] == ["1", "3"]
    assert symbol(op, ["x", "y"]) is None


@pytest.mark.parametrize(
    ("op", "node", "arguments"),
    [("div", "DivBackward1", (("rounding_mode", "floor"),)), ("addmm", "AddmmBackward0", (("beta", 2),))],
)
def test_nothing_is_said_where_an_argument_changes_the_op(
    op: str, node: str, arguments: tuple[tuple[str, Any], ...], tmp_path: Path
) -> None:
    names = ("b", "x", "w") if op == "addmm" else ("x", "y")
    event = call(tmp_path, op, *names, arguments=arguments)
    assert local_formula(node, event, 0) is None
    assert symbol(event, list(names)) is None


def test_nothing_is_said_about_an_op_that_is_not_known(tmp_path: Path) -> None:
    assert local_formula("FancyBackward0", call(tmp_path, "fancy", "x"), 0) is None


def test_losses_say_how_they_were_reduced(tmp_path: Path) -> None:
    shapes = ((8, 2), (8, 2))
    mean = call(tmp_path, "mse_loss", "p", "y", shapes=shapes)
    assert local_formula("MseLossBackward0", mean, 0) == "2·(p - y) / 16"
    assert local_formula("MseLossBackward0", mean, 1) == "2·(y - p) / 16"
    total = call(tmp_path, "mse_loss", "p", "y", shapes=shapes, arguments=(("", 2),))
    assert local_formula("MseLossBackward0", total, 0) == "2·(p - y)"
    weighted = call(tmp_path, "nll_loss_forward", "p", "y", "w", arguments=(("", 1),))
    assert local_formula("NllLossBackward0", weighted, 0) is None


def test_a_mean_over_a_dim_divides_by_what_went_into_each(tmp_path: Path) -> None:
    op = call(tmp_path, "mean", "x", shapes=((4, 6),), result=(4,), arguments=(("", 1),))
    assert local_formula("MeanBackward1", op, 0) == "1 / 6"


def test_matrix_products_become_equations(tmp_path: Path) -> None:
    op = call(tmp_path, "addmm", "b", "x", "w", shapes=((3,), (8, 2), (2, 3)))
    formulas = [local_formula("AddmmBackward0", op, edge) or "" for edge in range(3)]
    assert equation("dL/dz", "dL/dx", formulas[1], False) == "dL/dx = dL/dz @ wᵀ"
    assert equation("dL/dz", "dL/dw", formulas[2], False) == "dL/dw = xᵀ @ dL/dz"
    assert equation("dL/dz", "dL/db", formulas[0], False) == "dL/db = dL/dz, summed over the rows"
    operands = [product_operand("AddmmBackward0", op, edge) for edge in range(3)]
    assert [None if value is None else value.name for value in operands] == [None, "w", "x"]


def test_an_expression_stands_in_parentheses() -> None:
    assert derivative("loss", "fc1.weight") == "dloss/dfc1.weight"
    assert derivative("loss", "a + b") == "dloss/d(a + b)"


@pytest.mark.parametrize(
    ("op", "aten", "code", "written"),
    [
        ("mul", "aten.mul.Tensor", "3 * x", "3 * x"),
        ("mul", "aten.mul.Tensor", "x * 3", "x * 3"),
        ("rsub", "aten.rsub.Scalar", "3 - x", "3 - x"),
        ("sub", "aten.sub.Tensor", "x - 3", "x - 3"),
    ],
)
def test_a_call_is_written_as_the_user_did(op: str, aten: str, code: str, written: str, tmp_path: Path) -> None:
    assert symbol(call(tmp_path, op, "x", aten=aten, arguments=(("", 3),), code=code), ["x"]) == written


def test_negative_numbers_stand_in_parentheses(tmp_path: Path) -> None:
    op = call(tmp_path, "mul", "x", "y", aten="aten.mul.Tensor")
    assert symbol(op, ["-2", "3"]) == "(-2) * 3"
