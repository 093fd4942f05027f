"""An op as it was called, as the formulas ask for it: names of inputs, numbers among the arguments, sizes."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence

from backstep.explain.figures import number
from backstep.explain.names import factor, short
from backstep.trace.event import ForwardEvent, Value
from backstep.trace.signature import bind

OPERAND_NAMES = (None, "other", "exponent")
"""What a number that stands beside a tensor is called among the arguments; `alpha` and `dim` are no operands."""


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_call_of(op: ForwardEvent, schema: str) -> bool:
    """Whether the arguments are those of the schema: `F.conv2d` has others than the `convolution` that it runs."""
    return bool(schema) and (op.parent is not None or op.op.strip("_") == re.split(r"[.(]", schema)[0].strip("_"))


class Operands:
    """The op as it was called. `names` are what its inputs are called: names, or the numbers that they hold."""

    def __init__(
        self, op: ForwardEvent, names: Sequence[str] | None = None, result: str | None = None, schema: str = ""
    ) -> None:
        self.op = op
        self.names = [short(value.name) for value in op.inputs] if names is None else list(names)
        self.numbers = [a["value"] for a in op.arguments if a["name"] in OPERAND_NAMES and is_number(a["value"])]
        self.unnamed = [a["value"] for a in op.arguments if a["name"] is None]
        self.named = {a["name"]: a["value"] for a in op.arguments}
        self.result = result or (short(op.outputs[0].name) if op.outputs else op.op)
        given = [(a["name"], a["value"]) for a in op.arguments]
        self.bound = (bind(schema, range(len(op.inputs)), given) if is_call_of(op, schema) else None) or {}
        """The arguments by the names that the op has for them; a tensor by its place among the inputs."""

    def input(self, edge: int) -> str:
        return factor(self.names[edge]) if edge < len(self.names) else "x"

    def other(self, edge: int) -> str | None:
        """What stands beside input `edge` in a binary op: a tensor's name or a number."""
        if len(self.names) == 2 and edge < 2:
            return factor(self.names[1 - edge])
        return number(self.numbers[0]) if self.numbers else None

    def argument(self, name: str, place: int, default: object) -> object:
        """An argument by name, or by its place among those without one."""
        return self.named.get(name, self.unnamed[place] if place < len(self.unnamed) else default)

    def number(self, name: str, default: float | None = None) -> float | None:
        """An argument that is a number, by the op's own name for it."""
        value = self.bound.get(name, self.named.get(name, default))
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else default

    def value(self, edge: int) -> Value | None:
        return self.op.inputs[edge] if edge < len(self.op.inputs) else None

    def size(self, edge: int) -> int:
        """How many elements an input has."""
        return math.prod(self.op.inputs[edge].shape)

    @property
    def made(self) -> int:
        """How many elements the result has."""
        return math.prod(self.op.outputs[0].shape) if self.op.outputs else 0


Formula = Callable[[Operands, int], str | None]


def constant(text: str) -> Formula:
    """The same for whatever was given, by the first input."""
    return lambda o, edge: text if edge == 0 else None


def of(pattern: str) -> Formula:
    """A derivative in terms of the input `{x}` and the result `{y}`."""
    told = pattern.replace("({x})", "({bare})")

    def formula(o: Operands, edge: int) -> str | None:
        if edge:
            return None
        return told.format(x=o.input(0), y=factor(o.result), bare=o.names[0] if o.names else "x")

    return formula


def with_number(pattern: str, name: str, default: float) -> Formula:
    """The same with one of the op's numbers, `{a}`, which is `default` where it was not given."""

    def formula(o: Operands, edge: int) -> str | None:
        a = o.number(name, default)
        return pattern.format(x=o.input(0), y=factor(o.result), a=f"{a:g}") if edge == 0 and a is not None else None

    return formula
