"""The local derivative of a node in mathematical notation, with the user's names in it, or with the numbers.

Written by hand for the ops that people meet; for every other there is PyTorch's own (`explain.pytorch`). Nothing is
guessed: where an argument changes what an op does, and no formula says how, there is none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from backstep.explain.elementwise import ELEMENTWISE
from backstep.explain.names import factor
from backstep.explain.operands import OPERAND_NAMES, Operands, is_number
from backstep.explain.structure import AS_IT_IS, STRUCTURE
from backstep.trace.event import ForwardEvent, Value

FORMULAS = {**ELEMENTWISE, **STRUCTURE}
BRACKETED = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")


def base_name(node: str) -> str:
    """`MulBackward0` without what all nodes have."""
    return re.sub(r"Backward\d*(_copy)?$", "", node)


def local_formula(
    node: str, op: ForwardEvent, edge: int, *, schema: str = "", names: Sequence[str] | None = None,
    result: str | None = None,
) -> str | None:  # fmt: skip
    """The derivative of the op's result by the input of its `edge`, or None where none is known.

    `names` and `result` say what the inputs and the result are called, by default their names in the trace; `schema`
    is the op's, which tells its arguments apart.
    """
    formula = FORMULAS.get(base_name(node))
    if formula is None or any(value.dtype.startswith("complex") for value in op.inputs):
        return None
    return formula(Operands(op, names, result, schema), edge)


PAIR, AFTER_SUMMAND = {0: 1, 1: 0}, {1: 2, 2: 1}
OPERANDS = {"Mm": PAIR, "Bmm": PAIR, "Mv": PAIR, "Addmm": AFTER_SUMMAND, "Baddbmm": AFTER_SUMMAND}
"""Of a matrix product: by which input the gradient is multiplied on its way to another."""


def product_operand(node: str, op: ForwardEvent, edge: int) -> Value | None:
    """The matrix that a matrix product multiplies the gradient with on its way to an input."""
    place = OPERANDS.get(base_name(node), {}).get(edge)
    return op.inputs[place] if place is not None and place < len(op.inputs) else None


THE_GRADIENT = "the gradient"
"""How a formula speaks of what arrives."""


def equation(arrives: str, leaves: str, formula: str, elementwise: bool) -> str | None:
    """What leaves, in terms of what arrives: `dloss/dt = hᵀ @ dloss/dz`; None for a formula in other terms."""
    if formula.startswith("@"):
        return f"{leaves} = {arrives} {formula}"
    if formula.endswith("@"):
        return f"{leaves} = {formula} {arrives}"
    if THE_GRADIENT in formula:
        return f"{leaves} = {formula.replace(THE_GRADIENT, arrives)}"
    if formula.startswith(AS_IT_IS):
        return f"{leaves} = {arrives}, {formula.removeprefix('1, ')}"
    if not elementwise:
        return None
    last = formula.rpartition(" = ")[2]
    return f"{leaves} = {arrives}" + ("" if last == "1" else f" · {factor(last)}")


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
