"""The local derivative of a node in mathematical notation, with the user's names in it.

Written by hand for the ops that people meet. A node without a formula gets none: nothing is guessed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from backstep.trace.event import ForwardEvent, Value

SIMPLE = re.compile(r"[\w.]+(\[[^\[\]()]*\])*(\([^()]*\))?|\([^()]*\)")
"""A name, an item, a call, or what is in parentheses already."""
BRACKETED = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")


def factor(name: str) -> str:
    """A name as a factor of a product: in parentheses when it is an expression."""
    return name if SIMPLE.fullmatch(name) else f"({name})"


OPERAND_NAMES = (None, "other", "exponent")
"""What a number that stands beside a tensor is called among the arguments; `alpha` and `dim` are no operands."""


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def derivative(above: str, below: str) -> str:
    """`dloss/dw`; an expression stands in parentheses."""
    return f"d{whole(above)}/d{whole(below)}"


def whole(name: str) -> str:
    """A name after a `d`: a call stands in parentheses, too."""
    return name if SIMPLE.fullmatch(name) and ("(" not in name or name[0] == "(") else f"({name})"


class Operands:
    """The op as it was called: its inputs' names, numbers among the arguments, its result's name."""

    def __init__(self, op: ForwardEvent) -> None:
        self.op = op
        self.names = [value.name for value in op.inputs]
        self.numbers = [a["value"] for a in op.arguments if a["name"] in OPERAND_NAMES and is_number(a["value"])]
        self.unnamed = [a["value"] for a in op.arguments if a["name"] is None]
        self.named = {a["name"]: a["value"] for a in op.arguments}
        self.result = op.outputs[0].name if op.outputs else op.op

    def other(self, edge: int) -> str | None:
        """What stands beside input `edge` in a binary op: a tensor's name or a number."""
        if len(self.names) == 2 and edge < 2:
            return factor(self.names[1 - edge])
        return str(self.numbers[0]) if self.numbers else None

    def argument(self, name: str, place: int, default: object) -> object:
        """An argument by name, or by its place among those without one."""
        return self.named.get(name, self.unnamed[place] if place < len(self.unnamed) else default)

    def size(self, edge: int) -> int:
        """How many elements an input has."""
        return math.prod(self.op.inputs[edge].shape)

    def input(self, edge: int) -> str:
        return factor(self.names[edge]) if edge < len(self.names) else "x"


Formula = Callable[[Operands, int], str | None]


def _mul(o: Operands, edge: int) -> str | None:
    return o.other(edge)


def _div(o: Operands, edge: int) -> str | None:
    if o.named.get("rounding_mode") is not None or edge > 1:
        return None
    below = o.other(0) if edge == 0 else o.input(1)
    return None if below is None else f"1 / {below}" if edge == 0 else f"-{o.input(0)} / {below}²"


def _power(o: Operands, edge: int) -> str | None:
    """Of `x ** 2` and `x ** y`; in `2 ** x` the number is the base."""
    aten = o.op.aten or ""
    if "Tensor_Scalar" in aten and edge == 0 and o.numbers:
        return _power_of(o.input(0), o.numbers[0])
    if "Tensor_Tensor" in aten and len(o.names) == 2 and edge < 2:
        base, exponent = o.input(0), o.input(1)
        return f"{exponent}·{base}^({exponent} - 1)" if edge == 0 else f"{factor(o.result)}·ln({o.names[0]})"
    return None


def _power_of(x: str, exponent: float) -> str:
    if exponent in (1, 2):
        return "1" if exponent == 1 else f"2·{x}"
    lower = f"{exponent - 1:g}"
    return f"{exponent:g}·{x}^{lower if exponent > 1 else f'({lower})'}"


def _add(o: Operands, edge: int) -> str | None:
    return "1" if edge == 0 else str(o.named.get("alpha", 1)) if edge == 1 else None


def _sub(o: Operands, edge: int) -> str | None:
    alpha = o.named.get("alpha", 1)
    return "1" if edge == 0 else None if edge > 1 else "-1" if alpha == 1 else f"-({alpha})"


def _rsub(o: Operands, edge: int) -> str | None:
    return None if o.named.get("alpha", 1) != 1 or edge > 1 else "-1" if edge == 0 else "1"


def _mean(o: Operands, edge: int) -> str | None:
    """One over how many elements went into each mean."""
    made = math.prod(o.op.outputs[0].shape) if o.op.outputs else 0
    return f"1 / {o.size(0) // made}" if edge == 0 and o.op.inputs and made else None


def _mm(o: Operands, edge: int) -> str | None:
    if len(o.names) < 2 or edge > 1:
        return None
    return f"@ {o.input(1)}ᵀ" if edge == 0 else f"{o.input(0)}ᵀ @"


def _addmm(o: Operands, edge: int) -> str | None:
    if len(o.names) < 3 or o.named.get("alpha", 1) != 1 or o.named.get("beta", 1) != 1:
        return None
    return ("1, summed over the rows", f"@ {o.input(2)}ᵀ", f"{o.input(1)}ᵀ @")[edge] if edge < 3 else None


def _constant(text: str) -> Formula:
    return lambda o, edge: text if edge == 0 else None


def _of(pattern: str) -> Formula:
    """A derivative in terms of the input `{x}` and the result `{y}`."""
    return lambda o, edge: pattern.format(x=o.input(0), y=factor(o.result)) if edge == 0 else None


FORMULAS: dict[str, Formula] = {
    "Add": _add,
    "Sub": _sub,
    "Rsub": _rsub,
    "Mul": _mul,
    "Div": _div,
    "Neg": _constant("-1"),
    "Pow": _power,
    "Exp": _of("exp({x}) = {y}"),
    "Log": _of("1 / {x}"),
    "Sqrt": _of("1 / (2·{y})"),
    "Rsqrt": _of("-½·{y}³"),
    "Reciprocal": _of("-{y}²"),
    "Sin": _of("cos({x})"),
    "Cos": _of("-sin({x})"),
    "Log1P": _of("1 / (1 + {x})"),
    "Tanh": _of("1 - {y}²"),
    "Sigmoid": _of("{y}·(1 - {y})"),
    "Relu": _of("1 where {x} > 0, else 0"),
    "LeakyRelu": _of("1 where {x} > 0, else the slope"),
    "Abs": _of("sign({x})"),
    "Clamp": _of("1 where {x} was not clamped, else 0"),
    "ClampMin": _of("1 where {x} was not clamped, else 0"),
    "ClampMax": _of("1 where {x} was not clamped, else 0"),
    "Sum": _of("1 for each element of {x}"),
    "Mean": _mean,
    "Mm": _mm,
    "Bmm": _mm,
    "Dot": lambda o, edge: o.other(edge),
    "Mv": lambda o, edge: f"outer(·, {o.input(1)})" if edge == 0 else f"{o.input(0)}ᵀ @",
    "Addmm": _addmm,
    "T": _of("transposed back"),
    "Transpose": _of("transposed back"),
    "Permute": _of("permuted back"),
    "View": _of("reshaped back to {x}"),
    "UnsafeView": _of("reshaped back to {x}"),
    "ReshapeAlias": _of("reshaped back to {x}"),
    "Unsqueeze": _of("squeezed back"),
    "Squeeze": _of("unsqueezed back"),
    "Cat": lambda o, edge: f"1 in the part that came from {o.input(edge)}",
    "Stack": lambda o, edge: f"1 in the part that came from {o.input(edge)}",
    "Expand": _of("summed over what {x} was expanded to"),
    "Clone": _of("1"),
    "Alias": _of("1"),
    "ToCopy": _of("1, in the dtype of {x}"),
    "Select": _of("1 at the selected place, 0 elsewhere"),
    "Slice": _of("1 inside the slice, 0 elsewhere"),
    "Index": _of("1 at each index taken, 0 elsewhere"),
    "Embedding": _of("1 at each row looked up, 0 elsewhere"),
    "Softmax": _of("diag({y}) - {y}·{y}ᵀ in each row"),
    "LogSoftmax": _of("I - 1·softmax({x})ᵀ in each row"),
    "NllLoss": lambda o, edge: _nll(o, edge),
    "MseLoss": lambda o, edge: _mse(o, edge),
    "Where": lambda o, edge: "1 where it was taken, else 0",
}


MEAN = 1
"""How a loss was reduced, as ATen writes it: 0 not at all, 1 to the mean, 2 to the sum."""


def _mse(o: Operands, edge: int) -> str | None:
    if len(o.names) < 2 or edge > 1:
        return None
    slope = f"2·({factor(o.names[edge])} - {factor(o.names[1 - edge])})"
    mean = o.argument("reduction", 0, MEAN) in (MEAN, "mean")
    return f"{slope} / {max(o.size(0), o.size(1))}" if mean else slope


def _nll(o: Operands, edge: int) -> str | None:
    """Without weights for the classes, which would be a third input."""
    if edge or len(o.names) > 2:
        return None
    mean = o.argument("reduction", 1, MEAN) in (MEAN, "mean")
    return f"{'-1/n' if mean else '-1'} at each target class, 0 elsewhere"


def product_operand(node: str, op: ForwardEvent, edge: int) -> Value | None:
    """The matrix that a matrix product multiplies the gradient with on its way to an input."""
    base = re.sub(r"Backward\d*$", "", node)
    places = {"Mm": {0: 1, 1: 0}, "Bmm": {0: 1, 1: 0}, "Addmm": {1: 2, 2: 1}, "Mv": {0: 1, 1: 0}}.get(base, {})
    place = places.get(edge)
    return op.inputs[place] if place is not None and place < len(op.inputs) else None


AS_IT_IS = ("1, ", "transposed", "permuted", "reshaped", "squeezed", "unsqueezed", "summed")
"""How a formula begins that only moves or sums what arrives."""


def equation(arrives: str, leaves: str, formula: str, elementwise: bool) -> str | None:
    """What leaves, in terms of what arrives: `dloss/dt = hᵀ @ dloss/dz`; None for a formula in other terms."""
    if formula.startswith("@"):
        return f"{leaves} = {arrives} {formula}"
    if formula.endswith("@"):
        return f"{leaves} = {formula} {arrives}"
    if formula.startswith(AS_IT_IS):
        return f"{leaves} = {arrives}, {formula.removeprefix('1, ')}"
    if not elementwise:
        return None
    return f"{leaves} = {arrives}" + ("" if formula == "1" else f" · {factor(formula)}")


def local_formula(node: str, op: ForwardEvent, edge: int) -> str | None:
    """The derivative of the op's result by the input of its `edge`, or None where none is known."""
    base = re.sub(r"Backward\d*$", "", node)
    formula = FORMULAS.get(base)
    return None if formula is None else formula(Operands(op), edge)


SIGNS = {"mul": "*", "add": "+", "sub": "-", "div": "/", "pow": "**", "matmul": "@", "rsub": "-"}
COMMUTES = ("mul", "add")


def symbol(op: ForwardEvent, texts: list[str]) -> str | None:
    """A call in infix notation, its inputs told as `texts`: `w * x`; None for what is not written so."""
    name = op.op.strip("_")
    numbers = [str(a["value"]) for a in op.arguments if a["name"] in OPERAND_NAMES and is_number(a["value"])]
    others = [a for a in op.arguments if a["name"] not in OPERAND_NAMES and a["value"] is not None]
    parts = [operand(part) for part in (*texts, *numbers)]
    if name not in SIGNS or len(parts) != 2 or others:
        return None
    if turned(op, name, numbers):
        parts.reverse()
    return f"{parts[0]} {SIGNS[name]} {parts[1]}"


def turned(op: ForwardEvent, name: str, numbers: list[str]) -> bool:
    """Whether the second operand of the call is written first: `3 * x`, `1 - x`, `2 ** x`."""
    if name == "rsub" or "pow.Scalar" in (op.aten or ""):
        return True
    written = op.source.code if op.source is not None else ""
    return name in COMMUTES and bool(numbers) and written.startswith(f"{numbers[0]} ")


def operand(text: str) -> str:
    """An operand of an infix operator: an expression and a negative number stand in parentheses."""
    if re.fullmatch(r"[\d.]+(e-?\d+)?|nan|inf", text):
        return text
    bare = text
    while BRACKETED.search(bare):
        bare = BRACKETED.sub("", bare)
    return f"({text})" if any(sign in bare for sign in "+-*/@<>=&|^% ") else text
