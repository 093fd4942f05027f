"""The derivatives of ops that work number by number, and of those that take two numbers."""

from __future__ import annotations

from backstep.explain.names import factor
from backstep.explain.operands import Formula, Operands, constant, of, with_number


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
    if ".Scalar" in aten and edge == 0 and o.numbers and o.numbers[0] > 0:
        return f"{factor(o.result)}·ln({o.numbers[0]:g})"
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


def _greater(sign: str) -> Formula:
    def formula(o: Operands, edge: int) -> str | None:
        if len(o.names) != 2 or edge > 1:
            return None
        one, other = o.input(edge), o.input(1 - edge)
        return f"1 where {one} {sign} {other}, ½ where they are equal, else 0"

    return formula


def _atan2(o: Operands, edge: int) -> str | None:
    if len(o.names) != 2 or edge > 1:
        return None
    above, below = o.input(0), o.input(1)
    return f"{below if edge == 0 else f'-{above}'} / ({above}² + {below}²)"


def _lerp(o: Operands, edge: int) -> str | None:
    if len(o.names) == 3:
        return (f"1 - {o.input(2)}", o.names[2], f"{o.input(1)} - {o.input(0)}")[edge] if edge < 3 else None
    weight = o.number("weight")
    return None if weight is None or edge > 1 else (f"1 - {weight:g}", f"{weight:g}")[edge]


def _addcmul(o: Operands, edge: int) -> str | None:
    times = _times(o)
    if len(o.names) != 3 or edge > 2:
        return None
    return ("1", f"{times}{o.input(2)}", f"{times}{o.input(1)}")[edge]


def _addcdiv(o: Operands, edge: int) -> str | None:
    if len(o.names) != 3 or edge > 2:
        return None
    times, value = _times(o), o.number("value", 1)
    return ("1", f"{value:g} / {o.input(2)}", f"-{times}{o.input(1)} / {o.input(2)}²")[edge]


def _times(o: Operands) -> str:
    value = o.number("value", 1)
    return "" if value == 1 else f"{value:g}·"


def _where(o: Operands, edge: int) -> str | None:
    if not o.names or edge > 1:
        return None
    return f"1 where {o.input(0)}, else 0" if edge == 0 else f"0 where {o.input(0)}, else 1"


def _masked_fill(o: Operands, edge: int) -> str | None:
    if len(o.names) < 2 or edge > 1:
        return None
    return f"0 where {o.input(1)}, else 1" if edge == 0 else f"1 where {o.input(1)}, else 0, summed"


def _clamp(o: Operands, edge: int) -> str | None:
    if len(o.names) > 1:
        return _clamp_by_tensors(o, edge)
    low, high = o.number("min"), o.number("max")
    if edge or (low is None and high is None):
        return None
    x = o.input(0)
    lower = "" if low is None else f"{low:g} ≤ "
    return f"1 where {lower}{x}{'' if high is None else f' ≤ {high:g}'}, else 0"


def _clamp_by_tensors(o: Operands, edge: int) -> str | None:
    """Between the numbers of other tensors; the edges are the input's, the lower and the upper bounds'."""
    x, bound = o.input(0), o.input(1)
    if len(o.names) == 3:
        return f"1 where {bound} ≤ {x} ≤ {o.input(2)}, else 0" if edge == 0 else None
    within = {"clamp_min": "≥", "clamp_max": "≤"}.get(o.op.op.strip("_"))  # else whether it is the lower is not told
    if edge == 0:
        return f"1 where {x} {within} {bound}, else 0" if within else f"1 where {x} keeps within {bound}, else 0"
    return f"1 where {bound} took the place of {x}, else 0"


def _bound(sign: str, name: str) -> Formula:
    def formula(o: Operands, edge: int) -> str | None:
        bound = o.number(name)
        if len(o.names) == 2 and edge < 2:
            return f"1 where {o.input(0)} {sign} {o.input(1)}, else 0" if edge == 0 else None
        return None if bound is None or edge else f"1 where {o.input(0)} {sign} {bound:g}, else 0"

    return formula


def _hardtanh(o: Operands, edge: int) -> str | None:
    low, high = (0, 6) if o.op.op.startswith("relu6") else (o.number("min_val", -1), o.number("max_val", 1))
    return f"1 where {low:g} < {o.input(0)} < {high:g}, else 0" if edge == 0 else None


SELU = (1.6732632423543772, 1.0507009873554805)
"""Its alpha and its scale, which are no arguments of it."""
SOFTPLUS = 20
"""From here on softplus is a straight line; its slope differs from that by less than rounding."""


def _elu(o: Operands, edge: int) -> str | None:
    alpha, scale = o.number("alpha", 1) or 0.0, o.number("scale", 1) or 0.0
    if o.op.op.startswith("selu"):
        alpha, scale = SELU
    if edge or o.number("input_scale", 1) != 1:
        return None
    bend = alpha * scale
    return f"{scale:.4g} where {o.input(0)} > 0, else {'' if bend == 1 else f'{bend:.4g}·'}exp({o.names[0]})"


def _softplus(o: Operands, edge: int) -> str | None:
    beta = o.number("beta", 1)
    far = o.number("threshold", SOFTPLUS)
    slope = f"sigmoid({'' if beta == 1 else f'{beta:g}·'}{o.input(0)})"
    if edge or far is None or not beta:
        return None
    return slope if far >= SOFTPLUS else f"{slope} where {o.input(0)} ≤ {far / beta:g}, else 1"


def _gelu(o: Operands, edge: int) -> str | None:
    """With the normal distribution's Φ and φ; the approximation by tanh has PyTorch's own formula."""
    x = o.input(0)
    return f"Φ({x}) + {x}·φ({x})" if edge == 0 and o.named.get("approximate", "none") == "none" else None


def _dropout(o: Operands, edge: int) -> str | None:
    share = o.number("p")
    if edge or share is None or not 0 <= share < 1:
        return None
    return f"{1 / (1 - share):.4g} where {o.input(0)} was kept, else 0"


def _xlogy(o: Operands, edge: int) -> str | None:
    return (f"ln({o.names[1]})", f"{o.input(0)} / {o.input(1)}")[edge] if len(o.names) == 2 and edge < 2 else None


def _hypot(o: Operands, edge: int) -> str | None:
    return f"{o.input(edge)} / {factor(o.result)}" if edge < 2 else None


def _prelu(o: Operands, edge: int) -> str | None:
    if len(o.names) != 2 or edge > 1:
        return None
    x = o.input(0)
    return f"1 where {x} > 0, else {o.input(1)}" if edge == 0 else f"0 where {x} > 0, else {x}"


STEP = constant("0")
"""Constant between its jumps."""

ELEMENTWISE: dict[str, Formula] = {
    "Add": _add,
    "Sub": _sub,
    "Rsub": _rsub,
    "Mul": lambda o, edge: o.other(edge),
    "Div": _div,
    "Neg": constant("-1"),
    "Pow": _power,
    "Exp": of("exp({x}) = {y}"),
    "Exp2": of("{y}·ln(2)"),
    "Expm1": of("{y} + 1"),
    "Log": of("1 / {x}"),
    "Log2": of("1 / ({x}·ln(2))"),
    "Log10": of("1 / ({x}·ln(10))"),
    "Log1P": of("1 / (1 + {x})"),
    "Sqrt": of("1 / (2·{y})"),
    "Rsqrt": of("-½·{y}³"),
    "Reciprocal": of("-{y}²"),
    "Sin": of("cos({x})"),
    "Cos": of("-sin({x})"),
    "Tan": of("1 + {y}²"),
    "Asin": of("1 / sqrt(1 - {x}²)"),
    "Acos": of("-1 / sqrt(1 - {x}²)"),
    "Atan": of("1 / (1 + {x}²)"),
    "Atan2": _atan2,
    "Sinh": of("cosh({x})"),
    "Cosh": of("sinh({x})"),
    "Asinh": of("1 / sqrt({x}² + 1)"),
    "Acosh": of("1 / sqrt({x}² - 1)"),
    "Atanh": of("1 / (1 - {x}²)"),
    "Erf": of("2 / sqrt(π)·exp(-{x}²)"),
    "Erfc": of("-2 / sqrt(π)·exp(-{x}²)"),
    "Tanh": of("1 - {y}²"),
    "Sigmoid": of("{y}·(1 - {y})"),
    "LogSigmoid": of("1 - sigmoid({x})"),
    "Logit": lambda o, edge: f"1 / ({o.input(0)}·(1 - {o.input(0)}))" if o.number("eps") is None else None,
    "Relu": of("1 where {x} > 0, else 0"),
    "LeakyRelu": with_number("1 where {x} > 0, else {a}", "negative_slope", 0.01),
    "PreluKernel": _prelu,
    "Elu": _elu,
    "Gelu": _gelu,
    "Silu": of("sigmoid({x})·(1 + {x}·(1 - sigmoid({x})))"),
    "Softplus": _softplus,
    "Hardtanh": _hardtanh,
    "Hardsigmoid": of("1 / 6 where -3 < {x} < 3, else 0"),
    "Threshold": lambda o, edge: _above(o) if edge == 0 else None,
    "Abs": of("sign({x})"),
    "Sgn": STEP,
    "Sign": STEP,
    "Floor": STEP,
    "Ceil": STEP,
    "Round": STEP,
    "Trunc": STEP,
    "Frac": constant("1"),
    "Clamp": _clamp,
    "ClampMin": _bound("≥", "min"),
    "ClampMax": _bound("≤", "max"),
    "Maximum": _greater(">"),
    "Minimum": _greater("<"),
    "Hypot": _hypot,
    "Xlogy": _xlogy,
    "Lerp": _lerp,
    "Addcmul": _addcmul,
    "Addcdiv": _addcdiv,
    "Where": _where,
    "MaskedFill": _masked_fill,
    "NativeDropout": _dropout,
    "Clone": constant("1"),
    "Alias": constant("1"),
}


def _above(o: Operands) -> str | None:
    bound = o.number("threshold")
    return None if bound is None else f"1 where {o.input(0)} > {bound:g}, else 0"
