"""The local derivative of a node in mathematical notation, with the user's names in it.

Written by hand for the ops that people meet. A node without a formula gets none: nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from backstep.trace.event import ForwardEvent

SIMPLE = re.compile(r"[\w.\[\]]+(\(\))?|\([^()]*\)")


def factor(name: str) -> str:
    """A name as a factor of a product: in parentheses when it is an expression."""
    return name if SIMPLE.fullmatch(name) else f"({name})"


class Operands:
    """The op as it was called: its inputs' names, numbers among the arguments, its result's name."""

    def __init__(self, op: ForwardEvent) -> None:
        self.op = op
        self.names = [value.name for value in op.inputs]
        self.numbers = [
            a["value"] for a in op.arguments if isinstance(a["value"], int | float) and not isinstance(a["value"], bool)
        ]
        self.result = op.outputs[0].name if op.outputs else op.op

    def other(self, edge: int) -> str | None:
        """What stands beside input `edge` in a binary op: a tensor's name or a number."""
        if len(self.names) == 2:
            return factor(self.names[1 - edge])
        return str(self.numbers[0]) if self.numbers else None

    def input(self, edge: int) -> str:
        return factor(self.names[edge]) if edge < len(self.names) else "x"


Formula = Callable[[Operands, int], str | None]


def _mul(o: Operands, edge: int) -> str | None:
    return o.other(edge)


def _div(o: Operands, edge: int) -> str | None:
    below = o.other(0) if edge == 0 else o.input(1)
    return None if below is None else f"1 / {below}" if edge == 0 else f"-{o.input(0)} / {below}²"


def _power(o: Operands, edge: int) -> str | None:
    if edge or not o.numbers:
        return None
    exponent = o.numbers[0]
    if exponent == 2:
        return f"2·{o.input(0)}"
    return f"{exponent}·{o.input(0)}^{exponent - 1}"


def _sub(o: Operands, edge: int) -> str | None:
    return "1" if edge == 0 else "-1"


def _mean(o: Operands, edge: int) -> str | None:
    count = 1
    for size in o.op.inputs[0].shape if o.op.inputs else ():
        count *= size
    return f"1 / {count}" if o.op.outputs and o.op.outputs[0].shape == () else None


def _mm(o: Operands, edge: int) -> str | None:
    if len(o.names) < 2:
        return None
    return f"@ {o.input(1)}ᵀ" if edge == 0 else f"{o.input(0)}ᵀ @"


def _addmm(o: Operands, edge: int) -> str | None:
    if len(o.names) < 3:
        return None
    return ("1, summed over the rows", f"@ {o.input(2)}ᵀ", f"{o.input(1)}ᵀ @")[edge] if edge < 3 else None


def _constant(text: str) -> Formula:
    return lambda o, edge: text if edge == 0 else None


def _of(pattern: str) -> Formula:
    """A derivative in terms of the input `{x}` and the result `{y}`."""
    return lambda o, edge: pattern.format(x=o.input(0), y=factor(o.result)) if edge == 0 else None


FORMULAS: dict[str, Formula] = {
    "Add": lambda o, edge: "1",
    "Sub": _sub,
    "Rsub": _constant("-1"),
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
    "NllLoss": _of("-1/n at each target class, 0 elsewhere"),
    "MseLoss": lambda o, edge: _mse(o, edge),
    "Where": lambda o, edge: "1 where it was taken, else 0",
}


def _mse(o: Operands, edge: int) -> str | None:
    if len(o.names) < 2:
        return None
    return f"{'2' if edge == 0 else '-2'}·({o.names[0]} - {o.names[1]}) / n"


def local_formula(node: str, op: ForwardEvent, edge: int) -> str | None:
    """The derivative of the op's result by the input of its `edge`, or None where none is known."""
    base = re.sub(r"Backward\d*$", "", node)
    formula = FORMULAS.get(base)
    return None if formula is None else formula(Operands(op), edge)


def symbol(operator: str, names: list[str], numbers: list[float]) -> str | None:
    """A call in infix notation: `w * x`; None for what is not written so."""
    sign = {"mul": "*", "add": "+", "sub": "-", "div": "/", "pow": "**", "matmul": "@"}.get(operator.rstrip("_"))
    parts = [*names, *map(str, numbers)]
    return f"{parts[0]} {sign} {parts[1]}" if sign and len(parts) == 2 else None
