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
from backstep.explain.operands import is_call_of
from backstep.explain.step import Step
from backstep.trace.event import Array, Value

MOST = 32
"""Elements that are estimated: the greatest of what leaves."""
CLOSE = 1e-3
"""How far an estimate may be from what was recorded, as a share of the greatest of either."""


@dataclass(frozen=True, slots=True)
class Check:
    """The estimates beside what was recorded, each at its place in what leaves."""

    places: tuple[tuple[int, ...], ...]
    recorded: tuple[float, ...]
    estimated: tuple[float, ...]

    @property
    def agrees(self) -> bool:
        scale = max(map(abs, (*self.recorded, *self.estimated)), default=0.0)
        return all(abs(a - b) <= CLOSE * scale for a, b in zip(self.recorded, self.estimated, strict=True))


def request(step: Step, at: tuple[int, ...] | None = None) -> dict[str, Any]:
    """What to run and where to nudge; `at` one element, else the greatest. Raises `NoElement` where it cannot be."""
    op, left = step.op, None if step.left is None else step.left.array
    if op is None:
        raise NoElement(step.event.why or "the op that made this node is not known")
    if left is None or np.iscomplexobj(left) or not left.size:
        raise NoElement("the numbers that leave were not kept, or are complex")
    if step.story.edge.hooked:
        raise NoElement("a hook of the script's own replaced what leaves")
    schema = schema_of(step.trace, step.event)
    result = None if step.result is None or op.inplace else numbers(op.outputs[0])
    return {
        "op": op.op,
        "aten": op.aten if result is not None or is_call_of(op, schema) else None,
        "inputs": [numbers(value) for value in op.inputs],
        "arguments": [[argument["name"], argument["value"]] for argument in op.arguments],
        "upstream": [None if value is None else numbers(value) for value in step.event.upstream],
        "result": result,
        "input": place_of_input(step),
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


def place_of_input(step: Step) -> int:
    """Which of the op's inputs the gradient that leaves is of: edges have the names of inputs."""
    assert step.op is not None
    name = step.story.edge.input
    places = [place for place, value in enumerate(step.op.inputs) if value.name == name]
    before = sum(edge.input == name for edge in step.event.edges[: step.story.index])
    if before >= len(places) or step.left is None or step.op.inputs[places[before]].shape != step.left.shape:
        raise NoElement(f"which input of {step.op.op} this is cannot be told")
    return places[before]


def read(step: Step, asked: dict[str, Any], answer: dict[str, Any]) -> Check:
    """The answer beside what was recorded; raises `NoElement` with the reason where there is none."""
    if "why" in answer:
        raise NoElement(str(answer["why"]))
    assert step.left is not None and step.left.array is not None
    shape, flat = step.left.shape, step.left.array.ravel()
    places = tuple(tuple(int(i) for i in np.unravel_index(e, shape)) if shape else () for e in asked["elements"])
    estimated = tuple(float(number) for number in answer["estimates"])
    if len(estimated) != len(places) or not all(map(math.isfinite, estimated)):
        raise NoElement("the estimates are not finite: the op has no slope there")
    return Check(places, tuple(float(flat[e]) for e in asked["elements"]), estimated)
