"""Autograd nodes and their twins: which op made a node, told by the sequence numbers that autograd gives.

A number and plain facts in `node.metadata` are all that is left on a node; they go with the graph.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import torch

from backstep.recorder.snapshot import NAME, Shot, wrapped

if TYPE_CHECKING:
    from backstep.recorder.mode import Call, Part
    from backstep.recorder.session import Session

KEY = "backstep"
ACCUMULATE = "torch::autograd::AccumulateGrad"
COPY_SLICES = "torch::autograd::CopySlices"
NO_GRAD = "requires_grad=False"

saved_tensors_hooks = torch._C._autograd._top_saved_tensors_default_hooks


class Twin:
    """What a node remembers of the op that made it. Names and reasons are numbers of texts."""

    __slots__ = ("_inputs", "arguments", "gradients", "module", "node", "packed", "position", "shots")

    def __init__(
        self, node: int, position: int, shots: tuple[Shot, ...], arguments: tuple[tuple[int, Any], ...], packed: bool,
        module: int,
    ) -> None:  # fmt: skip
        self.node = node
        self.position = position
        self.shots = shots
        """The tensors that the op was given."""
        self.arguments = arguments
        self.packed = packed
        """A saved-tensor hook holds what the node saved: calling it again would run the user's unpacking."""
        self.module = module
        self.gradients: dict[int, int] | None = None
        """What the gradient of each of the node's outputs is called, as far as a backward pass has told."""
        self._inputs: list[tuple[int, int]] | None = None

    def inputs(self, session: Session, edges: Any) -> list[tuple[int, int]]:
        """(name, why it needs no gradient) for each entry of `next_functions`; found when a backward pass asks."""
        if self._inputs is None:
            requires_grad = session.camera.requires_grad
            named = [(shot[NAME], requires_grad(shot)) for shot in self.shots]
            self._inputs = edge_inputs(session, edges, named, self.arguments) if named or self.arguments else []
        return self._inputs

    def call_gradient(self, output: int, name: int) -> None:
        """The gradient of this output is called so, unless it has a name already."""
        if self.gradients is None:
            self.gradients = {output: name}
        else:
            self.gradients.setdefault(output, name)


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


def claim_one(
    session: Session, result: torch.Tensor, since: int, shots: tuple[Shot, ...], arguments: tuple[tuple[int, Any], ...],
    module: int,
) -> Twin | None:  # fmt: skip
    """Leaves its twin on the node that a primitive made, if it made one with a number from `since` on."""
    node = node_of(result)
    if node is None and wrapped(result):
        node = next((inner for inner in nodes_of(result) if inner is not None), None)
    if node is None or node._sequence_nr() < since:
        return None
    metadata = node.metadata
    name = node.name()
    if KEY in metadata or name == ACCUMULATE:
        return None
    if name == COPY_SLICES:
        shots = of_base(session, result, shots)
    twin = Twin(next(session.nodes), -1, shots, arguments, saved_tensors_hooks(True) is not None, module)
    metadata[KEY] = twin
    return twin


def node_of(tensor: torch.Tensor) -> Any:
    """The node that made a tensor; none for a view that was written to across grad modes, which refuses to say."""
    try:
        return tensor.grad_fn
    except RuntimeError:
        return None


def nodes_of(tensor: torch.Tensor) -> list[Any]:
    """The nodes that made a tensor: inside torch.func one for each level that it is a wrapper of."""
    nodes = [node_of(tensor)]
    while wrapped(tensor):
        tensor = torch._C._functorch.get_unwrapped(tensor)
        nodes.append(node_of(tensor))
    return nodes


def of_base(session: Session, result: torch.Tensor, shots: tuple[Shot, ...]) -> tuple[Shot, ...]:
    """What an op in place on a view was given, as its node has it: the first edge leads to the view's base."""
    base = result._base if result._is_view() else result
    if base is None or not shots:
        return shots
    number, version, _, meta, scalar, payload, omitted = shots[0]
    return ((number, version, session.tensors.entry(base).name_number, meta, scalar, payload, omitted), *shots[1:])


def named_now(session: Session, call: Call) -> tuple[Shot, ...]:
    """What a call was given, each under the best name that it has now."""
    entries = session.tensors.entries
    return tuple(
        (number, version, entries[id(tensor)].name_number, meta, scalar, payload, omitted)
        for tensor, (number, version, _, meta, scalar, payload, omitted) in zip(call.tensors, call.inputs, strict=True)
    )


def claim(session: Session, call: Call, parts: list[Part], results: list[torch.Tensor]) -> Claimed:
    """Finds the nodes that the call made and leaves their twin on them."""
    claimed = Claimed()
    if any(map(wrapped, results)):
        remember_transformed(session, call.sequence)
    packed = saved_tensors_hooks(True) is not None
    module = session.module
    starts = [part.sequence for part in parts]
    found: list[tuple[int, int, Any]] = []
    stack: list[Any] = [node for tensor in results for node in nodes_of(tensor)]
    seen: set[Any] = set()
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        sequence = node._sequence_nr()
        if sequence < call.sequence or node.name() == ACCUMULATE:
            continue
        if KEY not in node.metadata:  # else it has its twin, and what the call made may lie behind it
            found.append((part_of(sequence, starts, parts, node.name()), sequence, node))
        stack.extend(parent for parent, _ in node.next_functions)
    given = named_now(session, call)
    for part, _, node in sorted(found, key=lambda item: item[:2]):
        shots, arguments = given, call.arguments
        if part >= 0:
            shots, arguments = tuple(parts[part].inputs), parts[part].arguments
        if node.name() == COPY_SLICES and results:
            shots = of_base(session, results[0], shots)
        twin = Twin(-1, -1, shots, arguments, packed, module)
        node.metadata[KEY] = twin
        claimed.add(part, twin)
    claimed.number(session)
    return claimed


def remember_transformed(session: Session, since: int) -> None:
    """Of forward mode (`jvp`, `hessian`) no result leads to the nodes of the tangents."""
    ranges, end = session.thread.transformed, torch._C._autograd._get_sequence_nr()
    if ranges and since - ranges[-1][1] <= NEAR:
        since = ranges.pop()[0]
    ranges.append((since, end))


NEAR = 64
"""So many nodes between two calls inside torch.func belong to it too."""


def part_of(sequence: int, starts: list[int], parts: list[Part], name: str) -> int:
    """The part that made the node with this number: a part's own node is numbered just before the part is seen."""
    if not starts:
        return -1
    chosen = 0
    for index, start in enumerate(starts):
        if index and start > starts[index - 1] and sequence >= start - 1:
            chosen = index
    # Autograd's kernel may run an op of its own between the node and the part (a clone of what is overwritten).
    after = min((start for start in starts if start > sequence), default=starts[chosen])
    for start in (after, starts[chosen]):
        for index, part in enumerate(parts):
            if starts[index] == start and is_named_after(name, part):
                return index
    return chosen


def is_named_after(node: str, part: Part) -> bool:
    """Whether a node is called after an aten op: MulBackward0 after `mul` and `mul_`."""
    if node == COPY_SLICES:
        return part.inplace
    return node.rstrip("0123456789").removesuffix("Backward").lower() == part.op.replace("_", "").lower()


def edge_inputs(
    session: Session, edges: Any, named: list[tuple[int, bool]], arguments: tuple[tuple[int, Any], ...]
) -> list[tuple[int, int]]:
    """The forward input of each edge, and why it needs no gradient if it needs none; as numbers of texts."""
    text = session.text
    if len(named) != len(edges):
        named = align(edges, named)
    inputs: list[tuple[int, int]] = []
    for index, (target, _) in enumerate(edges):
        if index < len(named):
            inputs.append((named[index][0], 0 if target is not None else text(NO_GRAD)))
        elif target is None and (number := first_number(arguments)):
            inputs.append((text(number), text("a number, not a tensor")))
        else:
            inputs.append((0, 0 if target is not None else text("not a differentiable input")))
    return inputs


def first_number(arguments: tuple[tuple[int, Any], ...]) -> str:
    """The first plain number among the arguments, as text; else nothing."""
    for _, value in arguments:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        if isinstance(value, str):
            with contextlib.suppress(ValueError):
                complex(value)  # which JSON has no number for
                return value
    return ""


def align(edges: Any, named: list[tuple[int, bool]]) -> list[tuple[int, bool]]:
    """Pairs edges and inputs where an op has inputs without an edge (indices, targets, masks)."""
    if len(named) < len(edges):
        return named
    needing = [pair for pair in named if pair[1]]
    other = [pair for pair in named if not pair[1]]
    none = (0, False)
    aligned = []
    for target, _ in edges:
        source = needing if target is not None and needing else other
        aligned.append(source.pop(0) if source else none)
    return aligned
