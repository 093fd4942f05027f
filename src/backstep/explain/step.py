"""One backward step by one edge, as the sentences ask for it: names, shapes, and the numbers where they were kept."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from backstep.explain.chain_rule import EdgeStory, broadcast, schema_of, story, twin
from backstep.explain.formulas import base_name
from backstep.explain.operands import Operands
from backstep.trace.event import Array, BackwardEvent, ForwardEvent, Value
from backstep.trace.trace import Trace


@dataclass(frozen=True)
class Step:
    """What runs, and the edge that is looked at."""

    trace: Trace
    event: BackwardEvent
    story: EdgeStory

    @cached_property
    def kind(self) -> str:
        """`Mul`."""
        return base_name(self.event.op)

    @cached_property
    def op(self) -> ForwardEvent | None:
        return twin(self.trace, self.event)

    @cached_property
    def whole(self) -> str:
        """The op as the user wrote it: of `dropout`, the `mul` that it is made of is only a part."""
        op = self.op
        if op is None:
            return ""
        while op.parent is not None:
            parent = self.trace.event(op.parent)
            assert isinstance(parent, ForwardEvent)
            op = parent
        return op.op

    @cached_property
    def operands(self) -> Operands | None:
        if self.op is None:
            return None
        return Operands(self.op, self.story.inputs, self.story.result, schema_of(self.trace, self.event))

    def number(self, name: str, default: float | None = None) -> float | None:
        """A number that the op was given."""
        return default if self.operands is None else self.operands.number(name, default)

    # names

    @property
    def x(self) -> str:
        """What leaves is the gradient of this."""
        return self.story.name

    @property
    def y(self) -> str:
        """What arrives is the gradient of this."""
        return self.story.result

    def input_name(self, place: int) -> str:
        return self.story.inputs[place] if place < len(self.story.inputs) else "it"

    @property
    def operand_name(self) -> str:
        """What the other matrix of a product is called."""
        named = zip(self.story.inputs, () if self.op is None else self.op.inputs, strict=False)
        return next((name for name, value in named if value == self.story.operand), "the other matrix")

    # values

    @cached_property
    def arrived(self) -> Value | None:
        """What arrives, where it arrives at one output only."""
        there = [value for value in self.event.upstream if value is not None]
        return there[0] if len(there) == 1 else None

    @property
    def left(self) -> Value | None:
        return self.story.edge.downstream

    @property
    def in_half(self) -> bool:
        """Whether what arrives or leaves has half precision."""
        return any(value is not None and value.dtype in ("bfloat16", "float16") for value in (self.arrived, self.left))

    @cached_property
    def slopes(self) -> Array | None:
        """The local gradient of each element, if it is of that form."""
        local = self.story.edge.local
        return None if local is None or local.form != "elementwise" else local.array

    @cached_property
    def reached(self) -> int | None:
        """How many of the input's numbers have a local gradient that is not zero; None where it was not kept."""
        local = self.story.edge.local
        matrix = None if local is None else local.array
        if local is None or matrix is None or self.left is None or not np.isfinite(matrix).all():
            return None
        size = math.prod(self.left.shape)
        if local.form == "elementwise":
            return int(np.count_nonzero(matrix)) if matrix.size == size else None
        if not size or matrix.size % size:
            return None
        return int(np.count_nonzero((matrix.reshape(-1, size) != 0).any(axis=0)))

    @cached_property
    def result(self) -> Array | None:
        """The numbers of the op's first result."""
        return None if self.op is None or not self.op.outputs else self.op.outputs[0].array

    @property
    def out_shape(self) -> tuple[int, ...]:
        return () if self.arrived is None else self.arrived.shape

    @property
    def in_shape(self) -> tuple[int, ...]:
        return () if self.left is None else self.left.shape

    @property
    def size(self) -> int:
        """How many numbers leave."""
        return math.prod(self.in_shape)

    @property
    def spread(self) -> tuple[int, ...]:
        """The dims of the output over which this input was broadcast."""
        return broadcast(self.event, self.story.edge)

    @property
    def is_single(self) -> bool:
        """Whether one number arrives, and one leaves."""
        return self.arrived is not None and math.prod(self.out_shape) == 1 and self.left is not None and self.size == 1


def step_at(trace: Trace, event: BackwardEvent, index: int) -> Step:
    return Step(trace, event, story(trace, event, index))


def sums_to_zero(array: Array | None, axes: tuple[int, ...]) -> bool:
    """Whether the numbers add up to nothing but their rounding along these axes, and are something themselves."""
    if array is None or not array.size or np.iscomplexobj(array) or not np.isfinite(array).all():
        return False
    wide = array.astype(np.float64)
    total, size = np.abs(wide.sum(axis=axes)), np.abs(wide).sum(axis=axes)
    return bool(size.max() > 0 and (total <= 1e-4 * size.max()).all())
