"""Local derivatives by node name, written by hand, in the names of the user's program. Nothing is guessed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from backstep.trace.event import ForwardEvent

ATOM = re.compile(r"[A-Za-z_][\w.]*(\[[^\[\]]*\])*|\d+(\.\d*)?(e-?\d+)?|\([^()]*\)")


@dataclass(frozen=True, slots=True)
class Formula:
    """`local`: the derivative of one element by its input; `leaves`: what leaves, in terms of what arrives.

    `operand` is the input that a matrix product multiplies with, by its place among the node's inputs.
    """

    local: str | None = None
    leaves: str | None = None
    operand: int | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """A node with the names around it: its inputs, its output, what arrives, and its op's other arguments."""

    inputs: Sequence[str]
    index: int
    output: str
    arrives: str
    aten: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    numbers: tuple[Any, ...] = ()
    elements: int | None = None
    shape: tuple[int, ...] | None = None

    @property
    def x(self) -> str:
        """The input that the derivative is taken by."""
        return atom(self.inputs[self.index])

    @property
    def y(self) -> str:
        return atom(self.output)

    def other(self) -> str | None:
        """The other one of two inputs."""
        return atom(self.inputs[1 - self.index]) if len(self.inputs) == 2 else None

    def argument(self, name: str, place: int, default: Any = None) -> Any:
        """An argument that is not a tensor, by name or by its place among those without one."""
        if name in self.arguments:
            return self.arguments[name]
        return self.numbers[place] if place < len(self.numbers) else default


def call_of(forward: ForwardEvent | None, inputs: Sequence[str], index: int, output: str, arrives: str) -> Call:
    """The call that made a node, as far as it was recorded."""
    if forward is None:
        return Call(inputs, index, output, arrives)
    named = {a["name"]: a["value"] for a in forward.arguments if a["name"] is not None}
    unnamed = tuple(a["value"] for a in forward.arguments if a["name"] is None)
    shapes = {value.name: value.shape for value in forward.inputs}
    shape = shapes.get(inputs[index])
    elements = None if shape is None else product(shape)
    return Call(inputs, index, output, arrives, forward.aten or "", named, unnamed, elements, shape)


def product(shape: Sequence[int]) -> int:
    total = 1
    for size in shape:
        total *= size
    return total


def atom(name: str) -> str:
    """The name, in parentheses when it is an expression."""
    return name if ATOM.fullmatch(name) else f"({name})"


def d(above: str, below: str) -> str:
    """`dloss/dw`."""
    return f"d{atom(above)}/d{atom(below)}"


def family(op: str) -> str:
    """`MulBackward0`, `mul`, `mul_` and `__rmul__` are one family."""
    name = re.sub(r"Backward\d*$|Backward$", "", op)
    name = re.sub(r"(_forward|_backward)$", "", name).replace("_", "").lower()
    return ALIASES.get(name, name)


def formula(op: str, call: Call) -> Formula | None:
    """How the gradient goes through a node to one of its inputs; None where no formula is written down."""
    rule = RULES.get(family(op))
    if rule is None or not 0 <= call.index < len(call.inputs):
        return None
    return rule(call)


def local(text: str | None) -> Formula | None:
    return None if text is None else Formula(local=text)


def leaves(text: str, operand: int | None = None) -> Formula:
    return Formula(leaves=text, operand=operand)


# arithmetic


def add(call: Call) -> Formula | None:
    alpha = call.arguments.get("alpha", 1)
    return local("1" if call.index == 0 or alpha == 1 else str(alpha))


def sub(call: Call) -> Formula | None:
    alpha = call.arguments.get("alpha", 1)
    return local("1" if call.index == 0 else "-1" if alpha == 1 else f"-{alpha}")


def rsub(call: Call) -> Formula | None:
    if call.arguments.get("alpha", 1) != 1:
        return None
    return local("-1" if call.index == 0 else "1")


def mul(call: Call) -> Formula | None:
    other = call.other()
    if other is None and len(call.inputs) == 1 and call.numbers:
        other = str(call.numbers[0])
    return local(other)


def div(call: Call) -> Formula | None:
    if call.arguments.get("rounding_mode"):
        return None
    other = call.other()
    if other is None and len(call.inputs) == 1 and call.numbers:
        other = atom(str(call.numbers[0]))
    if other is None:
        return None
    return local(f"1 / {other}" if call.index == 0 else f"-{other} / {call.x}**2")


def power(call: Call) -> Formula | None:
    if "Tensor_Scalar" in call.aten:
        exponent = call.argument("exponent", 0)
        return local(power_of_number(call.x, exponent))
    if "Tensor_Tensor" in call.aten and len(call.inputs) == 2:
        base, exponent = atom(call.inputs[0]), atom(call.inputs[1])
        return local(f"{exponent} · {base}**({exponent} - 1)" if call.index == 0 else f"{call.y} · ln({base})")
    return None


def power_of_number(x: str, exponent: Any) -> str | None:
    """`2 · l`, `3 · l**2`."""
    if not isinstance(exponent, int | float) or isinstance(exponent, bool):
        return None
    if exponent == 2:
        return f"2 · {x}"
    if exponent == 1:
        return "1"
    lower = exponent - 1
    return f"{exponent:g} · {x}**{lower:g}" if lower >= 0 else f"{exponent:g} · {x}**({lower:g})"


def constant(text: str) -> Callable[[Call], Formula | None]:
    """A rule that needs only the names: `{x}` and `{y}`."""
    return lambda call: local(text.format(x=call.x, y=call.y, bare=call.inputs[call.index]))


def clamp(call: Call) -> Formula | None:
    low, high = call.argument("min", 0), call.argument("max", 1)
    if low is None and high is None:
        return None
    below = "" if low is None else f"{low} <= "
    above = "" if high is None else f" <= {high}"
    return local(f"1 where {below}{call.x}{above}, else 0")


def leaky_relu(call: Call) -> Formula | None:
    return local(f"1 where {call.x} > 0, else {call.argument('negative_slope', 0, 0.01)}")


# sums and shapes


def total(call: Call) -> Formula | None:
    return leaves(f"{call.arrives} for every element that was summed")


def mean(call: Call) -> Formula | None:
    over_all = call.elements is not None and not any(name in call.arguments for name in ("dim", "axis"))
    if over_all and not call.numbers:
        return leaves(f"{call.arrives} / {call.elements} for every element")
    return leaves(f"{call.arrives} / (elements in each mean)")


def transposed(call: Call) -> Formula | None:
    return leaves(f"({call.arrives})ᵀ")


def reshaped(call: Call) -> Formula | None:
    return leaves(f"{call.arrives} reshaped" + ("" if call.shape is None else f" to {list(call.shape)}"))


def expanded(call: Call) -> Formula | None:
    return leaves(f"{call.arrives} summed" + ("" if call.shape is None else f" to {list(call.shape)}"))


def permuted(call: Call) -> Formula | None:
    return leaves(f"{call.arrives} with its dims put back in order")


def taken(call: Call) -> Formula | None:
    return leaves(f"{call.arrives} where {call.x} was read, 0 elsewhere")


def joined(call: Call) -> Formula | None:
    return leaves(f"the part of {call.arrives} that came from {call.x}")


# matrix products


def mm(call: Call) -> Formula | None:
    if len(call.inputs) != 2:
        return None
    return product_rule(call, 0, call.index)


def addmm(call: Call) -> Formula | None:
    if len(call.inputs) != 3 or call.arguments.get("alpha", 1) != 1 or call.arguments.get("beta", 1) != 1:
        return None
    if call.index == 0:
        return leaves(f"{call.arrives} summed to the shape of {call.x}")
    return product_rule(call, 1, call.index - 1)


def product_rule(call: Call, first: int, side: int) -> Formula:
    """`c = a @ b`: `g @ bᵀ` goes to `a`, `aᵀ @ g` to `b`."""
    if side == 0:
        return leaves(f"{call.arrives} @ {atom(call.inputs[first + 1])}ᵀ", first + 1)
    return leaves(f"{atom(call.inputs[first])}ᵀ @ {call.arrives}", first)


def dot(call: Call) -> Formula | None:
    other = call.other()
    return None if other is None else leaves(f"{call.arrives} · {other}", 1 - call.index)


def mv(call: Call) -> Formula | None:
    if len(call.inputs) != 2:
        return None
    matrix, vector = map(atom, call.inputs)
    if call.index == 0:
        return leaves(f"outer({call.arrives}, {vector})", 1)
    return leaves(f"{matrix}ᵀ @ {call.arrives}", 0)


# softmax and losses


def softmax(call: Call) -> Formula | None:
    return leaves(f"{call.y} · ({call.arrives} - Σ {call.arrives} · {call.y})")


def log_softmax(call: Call) -> Formula | None:
    return leaves(f"{call.arrives} - softmax({call.inputs[call.index]}) · Σ {call.arrives}")


def reduction(call: Call, place: int) -> str | None:
    """The word for how a loss was reduced."""
    word = call.argument("reduction", place, 1)
    return {0: "none", 1: "mean", 2: "sum", "none": "none", "mean": "mean", "sum": "sum"}.get(word)


def mse_loss(call: Call) -> Formula | None:
    other = call.other()
    how = reduction(call, 0)
    if other is None or how is None:
        return None
    inner = f"2 · ({call.x} - {other})"
    if how == "none":
        return local(inner)
    if how == "sum":
        return leaves(f"{call.arrives} · {inner}")
    return None if call.elements is None else leaves(f"{call.arrives} · {inner} / {call.elements}")


def nll_loss(call: Call) -> Formula | None:
    how = reduction(call, 1)
    if call.index != 0 or call.argument("weight", 0) is not None or how not in ("mean", "sum") or call.shape is None:
        return None
    if how == "sum":
        return leaves(f"-{call.arrives} at each row's target, 0 elsewhere")
    rows = call.shape[0] if len(call.shape) > 1 else 1
    return leaves(f"-{call.arrives} / {rows} at each row's target, 0 elsewhere (rows that are not ignored)")


ALIASES = {
    "radd": "add", "iadd": "add", "isub": "sub", "rmul": "mul", "imul": "mul", "truediv": "div", "divide": "div",
    "multiply": "mul", "subtract": "sub", "negative": "neg", "absolute": "abs", "clip": "clamp",
    "safesoftmax": "softmax", "unsafeview": "view", "reshape": "view", "reshapealias": "view", "flatten": "view",
    "slice": "select", "getitem": "select", "index": "select", "gather": "select",
    "narrow": "select", "indexselect": "select", "embedding": "select", "concat": "cat",
}  # fmt: skip

RULES: dict[str, Callable[[Call], Formula | None]] = {
    "add": add, "sub": sub, "rsub": rsub, "mul": mul, "div": div, "pow": power, "clamp": clamp,
    "neg": constant("-1"), "exp": constant("{y}"), "log": constant("1 / {x}"), "sqrt": constant("1 / (2 · {y})"),
    "rsqrt": constant("-{y}**3 / 2"), "reciprocal": constant("-{y}**2"), "sin": constant("cos({bare})"),
    "cos": constant("-sin({bare})"), "abs": constant("sign({bare})"), "log1p": constant("1 / (1 + {x})"),
    "sigmoid": constant("{y} · (1 - {y})"), "tanh": constant("1 - {y}**2"), "clone": constant("1"),
    "relu": constant("1 where {x} > 0, else 0"), "leakyrelu": leaky_relu,
    "sum": total, "mean": mean, "t": transposed, "transpose": permuted, "permute": permuted, "view": reshaped,
    "squeeze": reshaped, "unsqueeze": reshaped, "expand": expanded, "select": taken, "cat": joined, "stack": joined,
    "mm": mm, "bmm": mm, "addmm": addmm, "dot": dot, "mv": mv,
    "softmax": softmax, "logsoftmax": log_softmax, "mseloss": mse_loss, "nllloss": nll_loss,
}  # fmt: skip
