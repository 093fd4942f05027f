"""The chain rule at one node, the sum into a `.grad`, the step of a weight: what the trace says, as plain data."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from backstep.explain.formulas import Formula, atom, call_of, d, formula
from backstep.replay.moment import Moment
from backstep.trace.batch import KIND_CODE
from backstep.trace.event import (
    AccumulateEvent,
    BackwardEvent,
    BackwardStartEvent,
    Edge,
    ForwardEvent,
    Local,
    UpdateEvent,
    Value,
)
from backstep.trace.trace import Trace
from backstep.view.numbers import number

FAR = 400
"""How many events of a pass are looked at, at most, to find where a gradient came from."""


@dataclass(frozen=True, slots=True)
class Saved:
    """A local derivative that the forward op keeps for the backward pass."""

    symbol: str
    formula: str
    value: float | None


@dataclass(frozen=True, slots=True)
class ForwardStep:
    """`y_hat = w * x`, then the same with numbers."""

    result: str
    expression: str
    numbers: str | None
    saved: tuple[Saved, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """One input of a node that runs backward: what arrives, the local gradient, what leaves, and where to."""

    input: str
    arrives_symbol: str
    local_symbol: str
    leaves_symbol: str
    arrives: Value | None
    local: Local | None
    leaves: Value | None
    goes_to: str
    equation: str | None
    operand: Value | None
    sentence: str | None
    so_far: str | None
    hooked: bool


@dataclass(frozen=True, slots=True)
class Dead:
    """An input that gets no gradient, and why."""

    input: str
    why: str


@dataclass(frozen=True, slots=True)
class BackwardStep:
    """A node that runs backward; live inputs and dead ones."""

    op: str
    output: str
    root: str
    groups: tuple[Group, ...]
    dead: tuple[Dead, ...]


# forward


def forward_step(moment: Moment, event: ForwardEvent) -> ForwardStep:
    """What the op computed, and what it leaves for the backward pass."""
    result = ", ".join(value.name for value in event.outputs)
    expression = expression_of(event)
    return ForwardStep(result, expression, with_numbers(expression, event), saved_for_backward(moment, event))


def expression_of(event: ForwardEvent) -> str:
    """The user's own code when it is this op alone, else the op as a call."""
    code = event.source.code if event.source is not None else ""
    names = [value.name for value in event.inputs]
    if code and event.parent is None and event.op in INFIX and simple(code, event, names):
        return code
    arguments = [argument_text(a["name"], a["value"]) for a in event.arguments if a["value"] is not None]
    return f"{event.op}({', '.join([*names, *arguments])})"


INFIX = frozenset(
    "add sub mul div truediv pow matmul neg rsub __rsub__ __radd__ __rmul__ __rtruediv__ __rpow__ "
    "add_ sub_ mul_ div_ __iadd__ __isub__ __imul__ __itruediv__".split()
)


def simple(code: str, event: ForwardEvent, names: list[str]) -> bool:
    """Whether the code is one operator between this op's inputs, or a method or function of their names."""
    return all(name in code for name in names) and "\n" not in code and len(code) < 100


def argument_text(name: str | None, value: object) -> str:
    return str(value) if name is None else f"{name}={value}"


def with_numbers(expression: str, event: ForwardEvent) -> str | None:
    """The expression with the numbers in place of the names; None unless every input is one number."""
    numbers: dict[str, str] = {}
    for value in event.inputs:
        scalar = value.scalar
        if scalar is None or value.shape:
            return None
        numbers[value.name] = number(scalar)
    if not numbers:
        return None
    return substitute(expression, numbers)


def substitute(expression: str, numbers: dict[str, str]) -> str | None:
    """Names replaced whole, the longest first; None when one is not found."""
    marks: list[str] = []
    for name in sorted(numbers, key=len, reverse=True):
        pieces = split_at_name(expression, name)
        if len(pieces) < 2:
            return None
        text = numbers[name]
        marks.append(f"({text})" if text.startswith("-") else text)
        expression = f"\0{len(marks) - 1}\0".join(pieces)
    for place, text in enumerate(marks):
        expression = expression.replace(f"\0{place}\0", text)
    return expression


def split_at_name(expression: str, name: str) -> list[str]:
    """The text around every place where the name stands by itself."""
    pieces, start, at = [], 0, expression.find(name)
    while at >= 0:
        end = at + len(name)
        if not part_of_word(expression, at - 1, name[0]) and not part_of_word(expression, end, name[-1]):
            pieces.append(expression[start:at])
            start = end
        at = expression.find(name, end)
    return [*pieces, expression[start:]]


def part_of_word(text: str, at: int, neighbour: str) -> bool:
    """Whether the character there goes on with the word that `neighbour` belongs to."""
    if not 0 <= at < len(text) or not (neighbour.isalnum() or neighbour == "_"):
        return False
    return text[at].isalnum() or text[at] in "_.\0"


def saved_for_backward(moment: Moment, event: ForwardEvent) -> tuple[Saved, ...]:
    """The local derivatives, where a node was made and a formula is known."""
    if not event.nodes or not event.outputs:
        return ()
    twin = moment.trace.event(moment.twin) if moment.twin is not None else None
    output = event.outputs[0].name
    if isinstance(twin, BackwardEvent):
        inputs = [edge.input or "?" for edge in twin.edges]
        return tuple(
            saved(twin.op, event, inputs, at, output, edge.local)
            for at, edge in enumerate(twin.edges)
            if edge.needed and edge.input and has_local(twin.op, event, inputs, at, output)
        )
    inputs = [value.name for value in event.inputs]
    return tuple(
        saved(event.op, event, inputs, at, output, None)
        for at, value in enumerate(event.inputs)
        if value.requires_grad and has_local(event.op, event, inputs, at, output)
    )


def has_local(op: str, event: ForwardEvent, inputs: list[str], at: int, output: str) -> bool:
    found = formula(op, call_of(event, inputs, at, output, ""))
    return found is not None and found.local is not None


def saved(op: str, event: ForwardEvent, inputs: list[str], at: int, output: str, local: Local | None) -> Saved:
    """One of them, with its number when there is one."""
    found = formula(op, call_of(event, inputs, at, output, ""))
    text = found.local if found is not None and found.local is not None else ""
    value = None if local is None else local.scalar
    if value is None:
        value = next((v.scalar for v in event.inputs if atom(v.name) == text), None)
    return Saved(d(output, inputs[at]), text, value)


# backward


def root_name(trace: Trace, position: int) -> str:
    """The name of what the backward pass around a position started from."""
    start = trace.event(trace.span_of_pass(position)[0])
    if not isinstance(start, BackwardStartEvent) or not start.roots:
        return "L"
    if all(seed is None or (seed.scalar == 1 and not seed.shape) for seed in start.seeds):
        return " + ".join(root.name for root in start.roots)
    return "L"


def backward_step(moment: Moment, event: BackwardEvent) -> BackwardStep:
    """Every input of the node that runs, live ones first."""
    root = root_name(moment.trace, moment.position)
    forward = moment.trace.event(event.forward) if event.forward is not None else None
    made = forward if isinstance(forward, ForwardEvent) else None
    output = output_name(event, made)
    groups = [group(moment, event, made, at, output, root) for at, edge in enumerate(event.edges) if live(edge)]
    dead = [
        Dead(edge.input or "an input", edge.why or "no gradient is needed") for edge in event.edges if not live(edge)
    ]
    return BackwardStep(event.op, output, root, tuple(groups), tuple(dead))


def live(edge: Edge) -> bool:
    return edge.to is not None and edge.needed


def output_name(event: BackwardEvent, forward: ForwardEvent | None) -> str:
    """The output whose gradient arrives."""
    place = next((at for at, value in enumerate(event.upstream) if value is not None), 0)
    if forward is not None and place < len(forward.outputs) and len(forward.nodes) <= 1:
        return forward.outputs[place].name
    arrived = arriving(event)
    return "output" if arrived is None else arrived.name.removesuffix(".grad")


def arriving(event: BackwardEvent) -> Value | None:
    return next((value for value in event.upstream if value is not None), None)


def group(moment: Moment, event: BackwardEvent, forward: ForwardEvent | None, at: int, output: str, root: str) -> Group:
    """One live input."""
    edge = event.edges[at]
    arrives = arriving(event)
    inputs = [other.input or "?" for other in event.edges]
    name = edge.input or leaf_name(edge) or "input"
    above, below = d(root, output), d(root, name)
    found = None if "?" in (inputs[at], output) else formula(event.op, call_of(forward, inputs, at, output, above))
    if found is not None and found.local is not None and "?" in found.local:
        found = None
    local = d(output, name) + ("" if found is None or found.local is None else f" = {found.local}")
    return Group(
        name, above, local, below, arrives, edge.local, edge.downstream, destination(moment.trace, edge),
        equation(found, edge, above, below), operand(found, forward, inputs), nudge(edge, name, output, root, arrives),
        so_far(moment, event, edge, below), edge.hooked,
    )  # fmt: skip


def leaf_name(edge: Edge) -> str | None:
    return None if edge.to is None else edge.to.get("leaf")


def destination(trace: Trace, edge: Edge) -> str:
    """The node that the gradient goes to."""
    if edge.to is None:
        return ""
    if "leaf" in edge.to:
        return f"AccumulateGrad({edge.to['leaf']})"
    runs = trace.backwards_of(edge.to["node"])
    if runs:
        return str(trace.event(runs[0])["op"])
    made = trace.forward_of(edge.to["node"])
    return "a node that has not run" if made is None else f"the node of {trace.event(made)['op']}"


def equation(found: Formula | None, edge: Edge, above: str, below: str) -> str | None:
    """`dloss/dx = dloss/dz @ wᵀ`; the trace's own formula goes first."""
    if edge.formula:
        return edge.formula
    if found is None:
        return None
    return f"{below} = {found.leaves}" if found.leaves else f"{below} = {above} · ({found.local})"


def operand(found: Formula | None, forward: ForwardEvent | None, inputs: list[str]) -> Value | None:
    """The matrix that a product multiplies the gradient with."""
    if found is None or found.operand is None or forward is None or "?" in inputs[found.operand]:
        return None
    return next((value for value in forward.inputs if value.name == inputs[found.operand]), None)


def nudge(edge: Edge, name: str, output: str, root: str, arrives: Value | None) -> str | None:
    """What a small change of the input does to the root of the pass: a derivative is a rate."""
    here = edge.local.scalar if edge.local is not None and not edge.local.shape else None
    above = arrives.scalar if arrives is not None and not arrives.shape else None
    if here is None or above is None or root == "L" or not math.isfinite(here) or not math.isfinite(above):
        return None
    if output == root and above == 1:
        return f"Nudge {name} by ε: {root} moves {number(here)}·ε."
    moves = f"{number(here)} × {factor(above)} = {number(here * above)}"
    return f"Nudge {name} by ε: {output} moves {number(here)}·ε, so {root} moves {moves}·ε."


def factor(x: float) -> str:
    """A number inside a product."""
    return f"({number(x)})" if x < 0 else number(x)


def so_far(moment: Moment, event: BackwardEvent, edge: Edge, below: str) -> str | None:
    """The product along the path from the root to here, when all of it is numbers and it agrees with what left."""
    left = edge.downstream.scalar if edge.downstream is not None else None
    here = edge.local.scalar if edge.local is not None and not edge.local.shape else None
    if left is None or here is None:
        return None
    factors, contributions = path(moment.trace, event)
    factors = [*factors, here]
    if not factors or not math.isclose(math.prod(factors), left, rel_tol=1e-3, abs_tol=1e-30):
        return None
    text = f"{below} = {' · '.join(factor(x) for x in factors)} = {number(left)}"
    if contributions > 1:
        text += f"   {number(factors[0])} is the sum of {contributions} contributions"
    return text


def path(trace: Trace, event: BackwardEvent) -> tuple[list[float], int]:
    """The local gradients from the root, or from the last place where paths meet, down to what arrives at a node."""
    callers = senders(trace, event.position)
    factors: list[float] = []
    node = event
    while True:
        arrived = arriving(node)
        above = arrived.scalar if arrived is not None and not arrived.shape else None
        sent = callers.get(node.node, [])
        if len(sent) != 1 or sent[0][1].local is None:
            return ([] if above is None else [above, *factors] if above != 1 or sent else factors), len(sent)
        node, edge = sent[0]
        here = edge.local.scalar if edge.local is not None and not edge.local.shape else None
        if here is None:
            return [] if above is None else [above, *factors], 1
        factors.insert(0, here)


def senders(trace: Trace, position: int) -> dict[int, list[tuple[BackwardEvent, Edge]]]:
    """Which edges of this pass have sent a gradient to each node before a position; of the last `FAR` events."""
    start = max(trace.span_of_pass(position)[0], position - FAR)
    found: dict[int, list[tuple[BackwardEvent, Edge]]] = {}
    for earlier in range(start, position):
        if trace.kind_at(earlier) != KIND_CODE["backward"]:
            continue
        event = trace.event(earlier)
        assert isinstance(event, BackwardEvent)
        for edge in event.edges:
            if live(edge) and edge.to is not None and "node" in edge.to:
                found.setdefault(edge.to["node"], []).append((event, edge))
    return found


# accumulate and update


def accumulated(moment: Moment, event: AccumulateEvent) -> tuple[bool, str]:
    """Whether the gradient is of this pass alone, and the sentence that says so."""
    count = moment.grad_state(event.number).count
    root = root_name(moment.trace, moment.position)
    if count <= 1:
        return True, f"fresh: the gradient was empty, so this is exactly {d(root, event.tensor)} of this iteration"
    return False, (f"ACCUMULATED: {event.tensor}.grad was not zeroed. It is now the sum of {count} backward passes.")


def plain_step(event: UpdateEvent) -> bool:
    """Whether `before - lr * grad` is what the weight became."""
    if event.lr is None or event.state or event.grad is None:
        return False
    before, grad, after = event.before.array, event.grad.array, event.after.array
    if before is None or grad is None or after is None or not before.shape == grad.shape == after.shape:
        return False
    step = before - event.lr * grad
    return bool(np.allclose(step, after, rtol=1e-4, atol=1e-7)) and not np.array_equal(before, after)


@dataclass(frozen=True, slots=True)
class Moved:
    """How far a weight moved: the change of a scalar, the norm of the change, and that by the norm of the weight."""

    change: float | None
    norm: float
    relative: float | None


def moved(before: Value, after: Value) -> Moved | None:
    """The step between two values, when both were kept."""
    old, new = before.array, after.array
    if old is None or new is None or old.shape != new.shape:
        return None
    step = new.astype(complex if np.iscomplexobj(new) else np.float64) - old
    norm, size = float(np.linalg.norm(step)), float(np.linalg.norm(old))
    change = float(step.reshape(()).real) if step.shape == () and not np.iscomplexobj(step) else None
    return Moved(change, norm, norm / size if size else None)
