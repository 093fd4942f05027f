"""Conditions on the values that an event makes: `loss < 0.1`, `|w.grad| > 10`, `nan not in mask`.

A condition is looked at where a value comes into being or changes, so it holds at an event, not between two. Of a
tensor with many numbers a comparison holds if it does for any of them; `|x|` is the norm.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from backstep.trace.event import (
    AccumulateEvent,
    BackwardEvent,
    BackwardStartEvent,
    Event,
    ForwardEvent,
    GradWriteEvent,
    UpdateEvent,
    Value,
    ZeroGradEvent,
)

VALUE, GRAD = "value", "grad"
ANY = frozenset({VALUE, GRAD})
"""Words that stand for the values, or the gradients, of every tensor."""
LOSS = "loss"
COMPARISONS: dict[str, Callable[[Any, float], Any]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
COMPARISON = re.compile(r"^(?P<left>.+?)\s*(?P<sign><=|>=|==|!=|<|>|=)\s*(?P<right>.+)$")
CONTAINS = re.compile(r"^(?P<what>nan|inf)(?:\s+(?P<negated>not\s+)?in\s+(?P<left>.+))?$")
EXAMPLES = "loss < 0.1, |w.grad| > 10, nan, nan not in mask"


class ConditionError(ValueError):
    """What is wrong with a text, and what would be right; one line."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """What is looked at: a tensor's value or its gradient, or that of any tensor; its norm, or each of its numbers."""

    name: str
    field: str = VALUE
    norm: bool = False

    def values(self, event: Event) -> Iterator[Value]:
        """What this event makes of it."""
        for name, field, value in made(event):
            if field == self.field and (name == self.name or self.name in ANY):
                yield value
        if self.name == LOSS and isinstance(event, BackwardStartEvent):
            # One that is called so has been told where it was computed.
            yield from (root for root in event.roots if root.shape == () and root.name != LOSS)

    def __str__(self) -> str:
        written = self.name if self.name in ANY or self.field == VALUE else f"{self.name}.grad"
        return f"|{written}|" if self.norm else written


@dataclass(frozen=True, slots=True)
class Comparison:
    """`left sign right`."""

    left: Quantity
    sign: str
    right: float

    @property
    def quantity(self) -> Quantity | None:
        return self.left

    def holds(self, event: Event) -> bool:
        return any(self._of(value) for value in self.left.values(event))

    def _of(self, value: Value) -> bool:
        summary = value.summary
        if summary is None:
            return False
        compare = COMPARISONS[self.sign]
        if self.left.norm:
            return summary.norm is not None and compare(summary.norm, self.right)
        array = value.array
        if array is not None:
            return not np.iscomplexobj(array) and bool(np.any(compare(array, self.right)))
        # Of the numbers that were not kept, the least and the greatest are known.
        return any(end is not None and compare(end, self.right) for end in (summary.min, summary.max))

    def __str__(self) -> str:
        return f"{self.left} {self.sign} {self.right:g}"


@dataclass(frozen=True, slots=True)
class Contains:
    """`nan`, `nan in left`, `nan not in left`; the same for `inf`."""

    what: str
    left: Quantity | None = None
    negated: bool = False

    @property
    def quantity(self) -> Quantity | None:
        return self.left

    def holds(self, event: Event) -> bool:
        values = (value for _, _, value in made(event)) if self.left is None else self.left.values(event)
        counts = [getattr(value.summary, self.what) for value in values if value.summary is not None]
        return bool(counts) and not any(counts) if self.negated else any(counts)

    def __str__(self) -> str:
        return self.what if self.left is None else f"{self.what} {'not ' if self.negated else ''}in {self.left}"


Condition = Comparison | Contains


def parse_condition(text: str) -> Condition:
    """The condition; `ConditionError` says what is wrong with it."""
    text = text.strip()
    if not text:
        raise ConditionError(f"a condition is needed, such as {EXAMPLES}")
    contains = CONTAINS.match(text)
    if contains is not None:
        left = contains["left"]
        return Contains(contains["what"], None if left is None else parse_quantity(left), bool(contains["negated"]))
    found = COMPARISON.match(text)
    if found is None:
        raise ConditionError(f"{text!r} is no condition; these are: {EXAMPLES}")
    if found["sign"] == "=":
        raise ConditionError(f"a single = compares nothing: write {found['left']} == {found['right']}")
    return Comparison(parse_quantity(found["left"]), found["sign"], parse_number(found["right"]))


def parse_quantity(text: str) -> Quantity:
    """`w`, `w.grad`, `|w.grad|`, `value`, `|grad|`."""
    text = text.strip()
    norm = text.startswith("|")
    if norm:
        if len(text) < 3 or not text.endswith("|"):
            raise ConditionError(f"{text!r} has one bar: a norm is written |w.grad|")
        text = text[1:-1].strip()
    if not text or re.search(r"[<>=|]", text):
        raise ConditionError(f"{text!r} is no tensor; these are: w, w.grad, |w.grad|, value, grad, loss")
    if text == GRAD:
        return Quantity(GRAD, GRAD, norm)
    if text.endswith(".grad") and len(text) > len(".grad"):
        return Quantity(text.removesuffix(".grad"), GRAD, norm)
    return Quantity(text, VALUE, norm)


def parse_number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConditionError(f"{text.strip()!r} is no number: a tensor is compared with one, such as 0.1") from None


def made(event: Event) -> Iterator[tuple[str, str, Value]]:
    """The values that come into being or change at an event: `(name, "value" or "grad", VALUE)`.

    A gradient on its way to a leaf is not its `.grad` yet: that is told where it is accumulated.
    """
    match event:
        case ForwardEvent():
            yield from ((value.name, VALUE, value) for value in event.outputs)
        case BackwardEvent():
            for edge in event.edges:
                if edge.downstream is not None:
                    into_leaf = edge.to is not None and "leaf" in edge.to
                    yield ("" if into_leaf else edge.input or ""), GRAD, edge.downstream
        case AccumulateEvent() | GradWriteEvent() | ZeroGradEvent():
            if event.after is not None:
                yield event.tensor, GRAD, event.after
        case UpdateEvent():
            yield event.tensor, VALUE, event.after
