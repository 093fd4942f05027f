"""The rules of torch's optimizers, in the terms of their recorded state."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from backstep.explain.sgd import sgd
from backstep.explain.update import Known, Rule, decays, filled
from backstep.trace.event import Array

BETAS = ((0.9, 0.999), (0.9, 0.99), (0.5, 0.999), (0.9, 0.95), (0.8, 0.99))
"""The decay rates of Adam that are tried where they cannot be told from the state."""
EPSILONS = (1e-8, 1e-6, 1e-7, 1e-5, 1e-4, 1e-3, 1e-10, 1e-12)


def adam(known: Known) -> Iterator[Rule]:
    """Adam and AdamW, whose weight decay is a share of the parameter itself."""
    name, mean, square = known.name, known.state("exp_avg"), known.state("max_exp_avg_sq", "exp_avg_sq")
    count = known.count
    if mean is None or square is None or count is None:
        return
    of = "max_exp_avg_sq" if known.state("max_exp_avg_sq") is not None else "exp_avg_sq"
    for beta1, beta2 in dict.fromkeys((*betas(known), *BETAS)):
        m, v = mean / (1 - beta1**count), square / (1 - beta2**count)
        where = f"with m̂ = exp_avg / (1 - {beta1:g}^{count:g}), v̂ = {of} / (1 - {beta2:g}^{count:g})"
        for epsilon in EPSILONS:
            moved = known.lr * m / (np.sqrt(v) + epsilon)
            for decay in (0.0, *decays(known, known.before - moved)):
                after = known.before * (1 - known.lr * decay) - moved
                kept = name if not decay else f"(1 - lr · {decay:g}) · {name}"
                told = filled("m̂ = {}, v̂ = {}: {} → {}", m, v, known.before, after)
                yield Rule(f"{name} ← {kept} - lr · m̂ / (√v̂ + {epsilon:g}), {where}", told, after)


def betas(known: Known) -> Iterator[tuple[float, float]]:
    """The decay rates by how far the averages moved towards the gradient and its square."""
    first, second = known.rate("exp_avg", known.grad), known.rate("exp_avg_sq", known.grad**2)
    if first is not None and second is not None:
        yield first, second


def rmsprop(known: Known) -> Iterator[Rule]:
    name, square, mean = known.name, known.state("square_avg"), known.state("grad_avg")
    velocity = known.state("momentum_buffer")
    if square is None:
        return
    if velocity is not None:
        formula = f"{name} ← {name} - lr · v, where v is the momentum buffer, this gradient over √square_avg in it"
        yield Rule(formula, None, known.before - known.lr * velocity)
        return
    under = square if mean is None else square - mean**2
    root = "√square_avg" if mean is None else "√(square_avg - grad_avg²)"
    yield from scaled(known, np.sqrt(np.maximum(under, 0)), root, EPSILONS)


def adagrad(known: Known) -> Iterator[Rule]:
    total = known.state("sum")
    if total is not None:
        yield from scaled(known, np.sqrt(total), "√sum", (1e-10, *EPSILONS))


def scaled(known: Known, root: Array, told: str, epsilons: tuple[float, ...]) -> Iterator[Rule]:
    """The gradient over the root of what was collected of its squares."""
    name = known.name
    for epsilon in epsilons:
        after = known.before - known.lr * known.grad / (root + epsilon)
        numbers = filled("{} - {} × {} / {} = {}", known.before, known.lr, known.grad, root + epsilon, after)
        yield Rule(f"{name} ← {name} - lr · {name}.grad / ({told} + {epsilon:g})", numbers, after)


def adadelta(known: Known) -> Iterator[Rule]:
    name, square, change = known.name, known.state("square_avg"), known.event.state.get("acc_delta")
    if square is None or change is None:
        return
    before = known.state_before("acc_delta", square.shape)
    for epsilon in (1e-6, *EPSILONS):
        ratio = np.sqrt(before + epsilon) / np.sqrt(square + epsilon)
        told = f"√(acc_delta before + {epsilon:g}) / √(square_avg + {epsilon:g})"
        yield Rule(f"{name} ← {name} - lr · {name}.grad · {told}", None, known.before - known.lr * known.grad * ratio)


def adamax(known: Known) -> Iterator[Rule]:
    name, mean, largest, count = known.name, known.state("exp_avg"), known.state("exp_inf"), known.count
    if mean is None or largest is None or count is None:
        return
    found = known.rate("exp_avg", known.grad)
    for beta in dict.fromkeys([0.9 if found is None else found, 0.9]):
        after = known.before - known.lr / (1 - beta**count) * mean / largest
        formula = f"{name} ← {name} - lr · m̂ / exp_inf, with m̂ = exp_avg / (1 - {beta:g}^{count:g})"
        yield Rule(formula, filled("{} → {}", known.before, after), after)


RULES: dict[str, Callable[[Known], Iterator[Rule]]] = {
    "SGD": sgd, "Adam": adam, "AdamW": adam, "RMSprop": rmsprop, "Adagrad": adagrad, "Adadelta": adadelta,
    "Adamax": adamax,
}  # fmt: skip
UNLIKE = frozenset({"ASGD", "LBFGS", "Muon", "NAdam", "RAdam", "Rprop", "SparseAdam", "Adafactor"})
"""Optimizers of torch's with rules of their own, which are not told."""
BY_STATE = {
    frozenset(): "SGD",
    frozenset({"momentum_buffer"}): "SGD",
    frozenset({"step", "exp_avg", "exp_avg_sq"}): "Adam",
    frozenset({"step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"}): "Adam",
}
"""Whose rules are tried for an optimizer that is not torch's, by the state that it keeps."""
