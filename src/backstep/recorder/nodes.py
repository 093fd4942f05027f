"""Autograd nodes and their twins: which op made a node, told by the sequence numbers that autograd gives.

A number and plain facts in `node.metadata` are all that is left on a node; they go with the graph.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from backstep.recorder.mode import Call, Part
    from backstep.recorder.session import Session

KEY = "backstep"
ACCUMULATE = "torch::autograd::AccumulateGrad"
NO_GRAD = "requires_grad=False"


class Twin:
    """What a node remembers of the op that made it."""

    __slots__ = ("inputs", "module", "node", "packed", "position")

    def __init__(self, node: int, position: int, inputs: list[tuple[str, str]], packed: bool, module: str) -> None:
        self.node = node
        self.position = position
        self.inputs = inputs
        """(name, why it needs no gradient) for each entry of `next_functions`."""
        self.packed = packed
        """A saved-tensor hook holds what the node saved: calling it again would run the user's unpacking."""
        self.module = module


class Claimed:
    """The nodes that a call made, by the part that made them (-1: the call itself)."""

    def __init__(self) -> None:
        self._twins: dict[int, list[Twin]] = {}
        self._first: dict[int, int] = {}

    def add(self, part: int, twin: Twin) -> None:
        self._twins.setdefault(part, []).append(twin)

    def number(self, session: Session) -> None:
        for part, twins in sorted(self._twins.items(), key=lambda item: (item[0] < 0, item[0])):
            for twin in twins:
                twin.node = next(session.nodes)
                self._first.setdefault(part, twin.node)

    def place(self, part: int, position: int) -> tuple[int, int]:
        """(first node, count) of a part, whose position is known now."""
        twins = self._twins.get(part, [])
        for twin in twins:
            twin.position = position
        return self._first.get(part, -1), len(twins)


def claim(session: Session, call: Call, parts: list[Part], results: list[torch.Tensor], made: int) -> Claimed:
    """Finds the nodes that the call made and leaves their twin on them."""
    claimed = Claimed()
    if made <= 0:
        return claimed
    packed = torch._C._autograd._top_saved_tensors_default_hooks(True) is not None
    module = session.module
    starts = [part.sequence for part in parts]
    found: list[tuple[int, int, Any]] = []
    stack: list[Any] = [tensor.grad_fn for tensor in results if tensor.grad_fn is not None]
    seen: set[Any] = set()
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        sequence = node._sequence_nr()
        if sequence < call.sequence or node.name() == ACCUMULATE or KEY in node.metadata:
            continue
        found.append((part_of(sequence, starts), sequence, node))
        stack.extend(parent for parent, _ in node.next_functions)
    for part, _, node in sorted(found, key=lambda item: item[:2]):
        inputs = parts[part].inputs if part >= 0 else call.inputs
        named = [(shot.name, shot.meta[4]) for shot in inputs]
        if part < 0:
            named = [(session.tensors.entry(t).name, t.requires_grad) for t in call.tensors]
        arguments = parts[part].arguments if part >= 0 else arguments_now(call)
        twin = Twin(-1, -1, edge_inputs(node, named, arguments), packed, module)
        node.metadata[KEY] = twin
        claimed.add(part, twin)
    claimed.number(session)
    return claimed


def arguments_now(call: Call) -> list[tuple[str, Any]]:
    from backstep.recorder.calls import arguments_of

    return arguments_of(call.args, call.kwargs)


def part_of(sequence: int, starts: list[int]) -> int:
    """The part that made the node with this number: a part's own node is numbered just before the part is seen."""
    if not starts:
        return -1
    chosen = 0
    for index, start in enumerate(starts):
        if index and start > starts[index - 1] and sequence >= start - 1:
            chosen = index
    return chosen


def edge_inputs(node: Any, named: list[tuple[str, bool]], arguments: list[tuple[str, Any]]) -> list[tuple[str, str]]:
    """The forward input of each edge, and why it needs no gradient if it needs none."""
    edges = node.next_functions
    numbers = [str(value) for _, value in arguments if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(named) != len(edges):
        named = align(edges, named)
    inputs: list[tuple[str, str]] = []
    for index, (target, _) in enumerate(edges):
        if index < len(named):
            inputs.append((named[index][0], "" if target is not None else NO_GRAD))
        elif target is None and numbers:
            inputs.append((numbers[0], "a number, not a tensor"))
        else:
            inputs.append(("", "" if target is not None else "not a differentiable input"))
    return inputs


def align(edges: Any, named: list[tuple[str, bool]]) -> list[tuple[str, bool]]:
    """Pairs edges and inputs where an op has inputs without an edge (indices, targets, masks)."""
    if len(named) < len(edges):
        return named
    needing = [pair for pair in named if pair[1]]
    other = [pair for pair in named if not pair[1]]
    none = ("", False)
    aligned = []
    for target, _ in edges:
        source = needing if target is not None and needing else other
        aligned.append(source.pop(0) if source else none)
    return aligned
