"""The rules of gradient descent: plain, with momentum, Nesterov's, with weight decay, uphill."""

from __future__ import annotations

from collections.abc import Iterator

from backstep.explain.update import Known, Rule, decays, filled, fitted, gives

MOMENTA = (0.9, 0.95, 0.99, 0.8, 0.5)
"""The momenta that are tried together with a weight decay."""


def sgd(known: Known) -> Iterator[Rule]:
    velocity, name, lr = known.state("momentum_buffer"), known.name, known.lr
    yield from plain(known)
    if velocity is not None:
        after = known.before - lr * velocity
        told = filled("v = {}; {} - {} × {} = {}", velocity, known.before, lr, velocity, after)
        yield Rule(f"{name} ← {name} - lr · v, where v is the momentum buffer, this gradient in it", told, after)
        yield from nesterov(known)
    after = known.before + lr * known.grad
    told = filled("{} + {} × {} = {}", known.before, lr, known.grad, after)
    yield Rule(f"{name} ← {name} + lr · {name}.grad, uphill", told, after)
    without = known.before - lr * known.grad
    for decay in decays(known, without):
        after = without - lr * decay * known.before
        told = filled("{} - {} × ({} + {} × {}) = {}", known.before, lr, known.grad, decay, known.before, after)
        yield Rule(f"{name} ← {name} - lr · ({name}.grad + {decay:g} · {name}), with weight decay", told, after)


def plain(known: Known) -> Iterator[Rule]:
    """Gradient descent as the lecture has it."""
    name, after = known.name, known.before - known.lr * known.grad
    told = filled("{} - {} × {} = {}", known.before, known.lr, known.grad, after)
    yield Rule(f"{name} ← {name} - lr · {name}.grad", told, after, plain=True)


def nesterov(known: Known) -> Iterator[Rule]:
    """The gradient and one more step of the momentum; with weight decay, too."""
    velocity, name = known.state("momentum_buffer"), known.name
    if velocity is None:
        return
    where = "where v is the momentum buffer, this gradient in it"
    momentum = fitted(known.before - known.after - known.lr * known.grad, known.lr * velocity)
    if momentum is not None and 0 < round(momentum, 3) < 1:
        factor = round(momentum, 3)
        after = known.before - known.lr * (known.grad + factor * velocity)
        more = Rule("", None, known.before - known.lr * (known.grad + factor * 1.05 * velocity))
        if not gives(more, known):
            yield Rule(f"{name} ← {name} - lr · ({name}.grad + {factor:g} · v), {where}", None, after)
    for factor in MOMENTA:
        without = known.before - known.lr * (known.grad + factor * velocity)
        for decay in decays(known, without):
            formula = f"{name} ← {name} - lr · ({name}.grad + {decay:g} · {name} + {factor:g} · v), {where}"
            yield Rule(formula, None, without - known.lr * decay * known.before)
