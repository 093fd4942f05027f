"""What is known of one update, and a rule that may have made it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from backstep.explain.figures import number
from backstep.trace.event import Array, UpdateEvent, Value

CLOSE = 2e-6
"""How far a rule may be from the recorded movement, as a share of it: single precision loses digits in a difference."""
UNSURE = 1.2
"""A setting is told only where so many times itself would give other numbers."""


@dataclass(frozen=True, slots=True)
class Rule:
    """`formula` in names; `numbers` the same in numbers, where everything is one number. `plain`: `w - lr · w.grad`."""

    formula: str
    numbers: str | None
    after: Array
    plain: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """An update in double precision: the parameter before and after, its gradient, the learning rate."""

    event: UpdateEvent
    before: Array
    after: Array
    grad: Array
    lr: float

    @property
    def name(self) -> str:
        return self.event.tensor

    @property
    def count(self) -> float | None:
        """How many steps the optimizer has made."""
        step = self.state("step")
        return None if step is None else float(step.reshape(-1)[0])

    def state(self, *names: str) -> Array | None:
        """The first of these that the optimizer keeps, after the update."""
        kept = (wide(self.event.state[name].after) for name in names if name in self.event.state)
        return next((array for array in kept if array is not None), None)

    def state_before(self, name: str, shape: tuple[int, ...]) -> Array:
        """The same before the update; zeros where there was nothing."""
        change = self.event.state.get(name)
        kept = None if change is None else wide(change.before)
        return np.zeros(shape) if kept is None else kept

    def rate(self, name: str, target: Array) -> float | None:
        """The decay rate of a running average that went this way towards its target."""
        after = self.state(name)
        if after is None or after.shape != target.shape:
            return None
        before = self.state_before(name, after.shape)
        found = fitted(after - target, before - target)
        return None if found is None or not 0 < found < 1 else round(found, 4)


def gives(rule: Rule, known: Known) -> bool:
    """Whether a rule moves every number as it was moved, to the rounding of its dtype."""
    before, after = known.before, known.after
    if rule.after.shape != after.shape or not np.isfinite(after).all() or not np.isfinite(rule.after).all():
        return False
    rounding = {"float64": 1e-14, "float32": 2.5e-7}.get(known.event.after.dtype, 1e-2)
    near = CLOSE * np.abs(after - before) + rounding * np.maximum(np.abs(before), np.abs(after))
    return bool((np.abs(rule.after - after) <= near).all())


def decays(known: Known, without: Array) -> Iterator[float]:
    """The weight decay that leads from what would be without it to what was recorded, if it can be told."""
    found = fitted(without - known.after, known.lr * known.before)
    decay = None if found is None else nice(found)
    if decay is None or decay <= 0:
        return
    told, more = (Rule("", None, without - known.lr * size * known.before) for size in (decay, UNSURE * decay))
    if gives(told, known) and not gives(more, known):
        yield decay


def fitted(left: Array, right: Array) -> float | None:
    """The factor by which `right` is nearest to `left`."""
    size = float((right * right).sum())
    return None if not size or not np.isfinite(size) else float((left * right).sum()) / size


def nice(x: float) -> float | None:
    """A setting as somebody would write it: two digits."""
    return None if not np.isfinite(x) or x == 0 else float(f"{x:.2g}")


def filled(pattern: str, *values: Array | float) -> str | None:
    """The numbers in their places; None where one of them is not a single number."""
    arrays = [np.asarray(value) for value in values]
    if any(array.size != 1 for array in arrays):
        return None
    told = [number(float(array.reshape(()))) for array in arrays]
    first, *rest = told
    return pattern.format(first, *(f"({text})" if text.startswith("-") and at < len(rest) - 1 else text
                                   for at, text in enumerate(rest)))  # fmt: skip


def wide(value: Value | None) -> Array | None:
    array = None if value is None else value.array
    return None if array is None or np.iscomplexobj(array) else array.astype(np.float64)
