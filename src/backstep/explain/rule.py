"""The rule of an update, found by trying: the optimizers' formulas with the recorded state, in double precision.

An optimizer's settings are not recorded, so a rule is said only where it gives, number by number, what the
parameter became.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from backstep.explain.figures import number
from backstep.trace.event import Array, UpdateEvent, Value

BETAS = ((0.9, 0.999), (0.9, 0.99), (0.5, 0.999), (0.9, 0.95), (0.8, 0.99))
"""The decay rates of Adam that are tried."""
EPSILONS = (1e-8, 1e-6)
CLOSE = 1e-5
"""How far a rule may be from the recorded movement, as a share of it: single precision loses digits in a difference."""


@dataclass(frozen=True, slots=True)
class Rule:
    """`formula` in names; `numbers` the same in numbers, where everything is one number."""

    formula: str
    numbers: str | None
    after: Array


def rule_of(event: UpdateEvent) -> Rule | None:
    """The rule that gives the recorded result, the plainest first; None where none of those known does."""
    before, after, grad = wide(event.before), wide(event.after), wide(event.grad)
    if before is None or after is None or grad is None or event.lr is None:
        return None
    for rule in rules(event, before, grad, event.lr):
        if gives(rule, before, after, event.after.dtype):
            return rule
    return None


def rules(event: UpdateEvent, w: Array, grad: Array, lr: float) -> Iterator[Rule]:
    name = event.tensor
    plain = w - lr * grad
    yield Rule(f"{name} ← {name} - lr · {name}.grad", filled("{} - {} × {} = {}", w, lr, grad, plain), plain)
    velocity = state(event, "momentum_buffer")
    if velocity is not None:
        after = w - lr * velocity
        told = filled("v = {}; {} - {} × {} = {}", velocity, w, lr, velocity, after)
        yield Rule(f"{name} ← {name} - lr · v, where v is the momentum buffer, this gradient in it", told, after)
    yield from adams(event, w, lr)


def adams(event: UpdateEvent, w: Array, lr: float) -> Iterator[Rule]:
    """Adam and AdamW, whose weight decay is a share of the parameter itself."""
    name, mean, square, step = event.tensor, state(event, "exp_avg"), state(event, "exp_avg_sq"), state(event, "step")
    if mean is None or square is None or step is None:
        return
    count = float(step.reshape(-1)[0])
    for beta1, beta2 in BETAS:
        m, v = mean / (1 - beta1**count), square / (1 - beta2**count)
        for epsilon in EPSILONS:
            for decay in (0.0, 0.01, 0.1, 0.001):
                after = w * (1 - lr * decay) - lr * m / (np.sqrt(v) + epsilon)
                shrunk = f"{name}" if not decay else f"(1 - lr · {decay:g}) · {name}"
                formula = f"{name} ← {shrunk} - lr · m̂ / (√v̂ + {epsilon:g})"
                betas = f"with m̂ = exp_avg / (1 - {beta1:g}^{count:g}), v̂ = exp_avg_sq / (1 - {beta2:g}^{count:g})"
                told = filled("m̂ = {}, v̂ = {}: {} → {}", m, v, w, after)
                yield Rule(f"{formula}, {betas}", told, after)


def filled(pattern: str, *values: Array | float) -> str | None:
    """The numbers in their places; None where one of them is not a single number."""
    arrays = [np.asarray(value) for value in values]
    if any(array.size != 1 for array in arrays):
        return None
    told = [number(float(array.reshape(()))) for array in arrays]
    first, *rest = told
    return pattern.format(first, *(f"({text})" if text.startswith("-") and at < len(rest) - 1 else text
                                   for at, text in enumerate(rest)))  # fmt: skip


def gives(rule: Rule, before: Array, after: Array, dtype: str) -> bool:
    """Whether a rule moves every number as it was moved, to the rounding of its dtype."""
    if rule.after.shape != after.shape or not np.isfinite(after).all() or not np.isfinite(rule.after).all():
        return False
    rounding = {"float64": 1e-14, "float32": 2.5e-7}.get(dtype, 1e-2) * np.maximum(np.abs(before), np.abs(after))
    moved = np.abs(after - before)
    return bool((np.abs(rule.after - after) <= CLOSE * moved + rounding).all())


def state(event: UpdateEvent, name: str) -> Array | None:
    change = event.state.get(name)
    return None if change is None else wide(change.after)


def wide(value: Value | None) -> Array | None:
    array = None if value is None else value.array
    return None if array is None or np.iscomplexobj(array) else array.astype(np.float64)
