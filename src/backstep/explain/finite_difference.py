"""Check it yourself: what is asked of whoever runs an op again, a little to each side, and how the answer is read.

Nothing here computes an op: the request is plain JSON, and a process of its own, which has torch, answers it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from backstep.explain.chain_rule import schema_of
from backstep.explain.element import NoElement
from backstep.explain.labels import input_places
from backstep.explain.operands import is_call_of
from backstep.explain.step import Step
from backstep.trace.event import Array, ForwardEvent, Value

MOST = 32
"""Elements that are estimated: the greatest of what leaves."""
CLOSE, HALF, ROUNDING = 1e-3, 3e-2, 1e-5
"""How far an estimate may be from what was recorded, as a share of the greatest of either (in half precision further),
and of what was added up: numbers that cancel leave what their rounding leaves."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """The slope at one number, from both sides and from each alone; `size`: what was added up, by magnitude."""

    both: float
    below: float
    above: float
    size: float


@dataclass(frozen=True, slots=True)
class Check:
    """The estimates beside what was recorded, each at its place in what leaves."""

    places: tuple[tuple[int, ...], ...]
    recorded: tuple[float, ...]
    estimated: tuple[Estimate, ...]
    close: float = CLOSE

    @property
    def scale(self) -> float:
        return max(map(abs, (*self.recorded, *(one.both for one in self.estimated))), default=0.0)

    def agrees_at(self, index: int) -> bool:
        return abs(self.estimated[index].both - self.recorded[index]) <= self.near(index)

    def near(self, index: int) -> float:
        """How far apart the two may be there."""
        return self.close * (self.scale + ROUNDING / CLOSE * self.estimated[index].size)

    def bends_at(self, index: int) -> bool:
        """Whether there is a kink, a slope on each side, and autograd's is one of these or lies between."""
        estimate = self.estimated[index]
        near = self.near(index)
        low, high = sorted((estimate.below, estimate.above))
        return high - low > near and low - near <= self.recorded[index] <= high + near

    @property
    def bends(self) -> bool:
        """Whether there is a kink where the two differ."""
        return any(self.bends_at(index) and not self.agrees_at(index) for index in range(len(self.places)))

    @property
    def agrees(self) -> bool:
        return all(self.agrees_at(index) or self.bends_at(index) for index in range(len(self.places)))


def request(step: Step, at: tuple[int, ...] | None = None) -> dict[str, Any]:
    """What to run and where to nudge; `at` one element, else the greatest. Raises `NoElement` where it cannot be."""
    op, left = called(step), None if step.left is None else step.left.array
    if op is None:
        raise NoElement(step.event.why or "the op that made this node is not known")
    if left is None or np.iscomplexobj(left) or not left.size:
        raise NoElement("the numbers that leave were not kept, or are complex")
    if step.story.edge.hooked:
        raise NoElement("a hook of the script's own replaced what leaves")
    schema = schema_of(step.trace, step.event)
    result = None if op.outputs[0].array is None or op.inplace else numbers(op.outputs[0])
    return {
        "op": op.op,
        "aten": op.aten if result is not None or is_call_of(op, schema) else None,
        "inputs": [numbers(value) for value in op.inputs],
        "arguments": [[argument["name"], argument["value"]] for argument in op.arguments],
        "upstream": [None if value is None else numbers(value) for value in step.event.upstream],
        "result": result,
        "input": place_of_input(step, op),
        "elements": [int(np.ravel_multi_index(at, left.shape)) if at else 0] if at is not None else greatest(left),
    }


def greatest(left: Array) -> list[int]:
    """The places of the greatest numbers, in order."""
    return sorted(np.argsort(-np.abs(left.ravel()), kind="stable")[:MOST].tolist())


def numbers(value: Value) -> dict[str, Any]:
    """A tensor as JSON has it; `NoElement` where its numbers were not kept."""
    array = value.array
    if array is None or np.iscomplexobj(array):
        raise NoElement(f"{value.name or 'an input'} was not kept: {value.omitted or 'it is complex'}")
    return {"shape": list(value.shape), "dtype": value.dtype, "values": array.ravel().tolist()}


def called(step: Step) -> ForwardEvent | None:
    """The op to run: of an index among slices, which is told to no part of it, what the user wrote."""
    op = step.op
    if op is None or op.parent is None or op.op != "index":
        return op
    whole = step.trace.event(op.parent)
    return whole if isinstance(whole, ForwardEvent) and whole.op == "getitem" else op


def place_of_input(step: Step, op: ForwardEvent) -> int:
    """Which of the op's inputs the gradient that leaves is of."""
    place = input_places(step.trace, step.event, op).get(step.story.index)
    if place is None or step.left is None or op.inputs[place].shape != step.left.shape:
        raise NoElement(f"which input of {op.op} this is cannot be told")
    return place


def read(step: Step, asked: dict[str, Any], answer: dict[str, Any]) -> Check:
    """The answer beside what was recorded; raises `NoElement` with the reason where there is none."""
    if "why" in answer:
        raise NoElement(str(answer["why"]))
    assert step.left is not None and step.left.array is not None
    shape, flat = step.left.shape, step.left.array.ravel()
    places = tuple(tuple(int(i) for i in np.unravel_index(e, shape)) if shape else () for e in asked["elements"])
    estimated = tuple(Estimate(**slope) for slope in answer["estimates"])
    if len(estimated) != len(places) or not all(math.isfinite(one.both) for one in estimated):
        raise NoElement("the estimates are not finite: the op has no slope there")
    recorded = tuple(float(flat[e]) for e in asked["elements"])
    return Check(places, recorded, estimated, HALF if step.in_half else CLOSE)
