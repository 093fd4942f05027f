"""A forward op in the Chain rule pane: in names, in numbers, and what it saved for backward."""

from __future__ import annotations

from collections.abc import Sequence

from backstep.explain.formulas import local_formula, symbol
from backstep.explain.names import derivative, factor, short
from backstep.explain.sentence_forward import forward_sentence
from backstep.trace.batch import VALUE
from backstep.trace.event import BackwardEvent, ForwardEvent
from backstep.view.numbers import number
from backstep.view.pen import TALL, Pen
from backstep.view.rows import Row


def forward(pen: Pen, event: ForwardEvent) -> list[Row]:
    theme = pen.theme
    names = [pen.named(value) or pen.brief(value) for value in event.inputs]
    written = symbol(event, names) or called(pen, event, names)
    if not event.outputs:
        read = ", ".join(f"{name} = {pen.brief(v)}" for name, v in zip(names, event.inputs, strict=True))
        said = [pen.say(f"takes a value out of torch: {read}", theme.dim)]
        return [[pen.say(written, theme.strong)], said, *pen.aside(forward_sentence(event))]
    result = event.outputs[0]
    assigned = "" if not result.name or same(result.name, written) else f"{pen.named(result)} = "
    rows: list[Row] = [[pen.say(assigned, theme.strong), pen.say(written, theme.strong)]]
    filled = None
    if all(value.shape == () for value in event.inputs):
        filled = symbol(event, [pen.brief(value) for value in event.inputs])
    rows += [] if filled else pairs(pen, event)
    rows.append([pen.say("  = " + (f"{filled} = " if filled else "")), pen.chip(result, "forward")])
    rows += saved(pen, event)
    rows += [] if filled else pen.aside(forward_sentence(event))
    rows += told(pen, event)
    room = pen.height - len(rows) - 3
    if pen.drawn and pen.height >= TALL and room > 0 and (drawn := result.drawn) is not None and drawn.size > 3:
        rows += [[], *pen.pictures([pen.panel("", short(result.name), result)], [], room)]
    return rows


PROPERTIES = frozenset({"T", "mT", "H", "mH", "real", "imag", "data"})
"""What is written as an attribute."""


def called(pen: Pen, event: ForwardEvent, names: Sequence[str]) -> str:
    """The call with its arguments; what is None says nothing. An index stands in brackets, as it was written."""
    if event.op in PROPERTIES and len(names) == 1:
        return f"{factor(names[0])}.{event.op}"
    if event.op == "getitem" and event.source is not None and event.source.code.endswith("]"):
        return short(event.source.code)
    given = list(names)
    for argument in event.arguments:
        key, value = argument["name"], argument["value"]
        if key is None or (value is not None and not key.startswith("_")):
            given.append(f"{key}={value!r}" if key else repr(value))
    return f"{event.op}({', '.join(map(str, given))})"


def pairs(pen: Pen, event: ForwardEvent) -> list[Row]:
    """The inputs and what they held; nothing when there are none with a name."""
    row: Row = []
    for value in event.inputs:
        if value.name:
            row += [pen.say(f"{pen.named(value)} ", pen.theme.dim), pen.say(f"{pen.brief(value)}   ")]
    return [[pen.say("  "), *row]] if row else []


def saved(pen: Pen, event: ForwardEvent) -> list[Row]:
    """What the node will multiply by, known as soon as the op has run."""
    if len(event.nodes) != 1 or not event.outputs:
        if not event.grad_enabled:
            return [[pen.say("no graph is built: grad mode is off", pen.theme.dim)]]
        return []
    node = node_name(pen, event)
    rows: list[Row] = []
    result, names = labels(pen, event)
    for index, value in enumerate(event.inputs):
        formula = None if node is None else local_formula(node, event, index, names=names, result=result)
        if formula is None or not value.requires_grad:
            continue
        lead = "saved for backward  " if not rows else " " * 20
        text = f"{derivative(result, names[index])} = {formula}"
        known = known_number(pen, event, index, formula)
        text += f" = {known}" if known and known != formula else ""
        rows.append([pen.say(lead, pen.theme.dim), pen.say(text, pen.theme.backward)])
    return rows


def labels(pen: Pen, event: ForwardEvent) -> tuple[str, list[str]]:
    """What the result and the inputs are called: of `x = relu(x)` each with the position of the op that made it."""
    made = event.outputs[0]
    result, names = short(made.name), [short(value.name) for value in event.inputs]
    for index, value in enumerate(event.inputs):
        if value.name == made.name and (value.tensor, value.version) != (made.tensor, made.version):
            at = pen.trace.facts.last(value.tensor, VALUE, event.position - 1)
            names[index] += "" if at is None or value.leaf else f"#{at}"
            result = f"{short(made.name)}#{event.position}"
    return result, names


def known_number(pen: Pen, event: ForwardEvent, index: int, formula: str) -> str | None:
    """The number of a local derivative: an operand's own, or what the backward pass found it to be."""
    operand = next((value for value in event.inputs if short(value.name) == formula and not value.shape), None)
    if operand is not None and operand.scalar is not None:
        return number(operand.scalar)
    runs = pen.trace.backwards_of(event.nodes[0])
    node = pen.trace.event(runs[0]) if runs else None
    local = node.edges[index].local if isinstance(node, BackwardEvent) and index < len(node.edges) else None
    return None if local is None or local.shape or local.scalar is None else number(local.scalar)


def node_name(pen: Pen, event: ForwardEvent) -> str | None:
    """The node's name, as its backward event tells it; before that the op's, which is all that is known."""
    runs = pen.trace.backwards_of(event.nodes[0])
    if runs:
        return str(pen.trace.event(runs[0])["op"])
    return "".join(part.title() for part in event.op.rstrip("_").split("_")) + "Backward0"


def told(pen: Pen, event: ForwardEvent) -> list[Row]:
    theme = pen.theme
    rows: list[Row] = []
    if event.parent is not None:
        whole = pen.trace.event(event.parent)
        rows.append([pen.say(f"part of {whole['op']}  #{event.parent}", theme.dim)])
    names = parts(pen, event)
    if names:
        rows.append([pen.say(f"ran as  {' → '.join(names)}", theme.dim)])
    if event.inplace:
        rows.append([pen.say("in place: the tensor itself was changed", theme.dim)])
    return rows


def parts(pen: Pen, event: ForwardEvent) -> list[str]:
    names: list[str] = []
    position = event.position - 1
    while position >= 0 and len(names) < 12:
        part = pen.trace.event(position)
        if not isinstance(part, ForwardEvent) or part.parent != event.position:
            break
        names.append(part.op)
        position -= 1
    return names[::-1]


def same(name: str, written: str) -> bool:
    """Whether a result without a name is called by the very expression that made it."""
    return " ".join(name.split()) == written
