"""What is no op in the Chain rule pane: accumulations, updates, zeroings, the start and the end of a pass."""

from __future__ import annotations

import math

import numpy as np

from backstep.explain.chain_rule import root_name
from backstep.explain.grad_story import grad_story
from backstep.explain.names import derivative, short
from backstep.explain.rule import rule_of
from backstep.replay.moment import GradKind
from backstep.trace.event import (
    AccumulateEvent,
    BackwardEndEvent,
    BackwardStartEvent,
    GradWriteEvent,
    UpdateEvent,
    ZeroGradEvent,
)
from backstep.view.brief import number, shape
from backstep.view.chain_paths import way_to_leaf
from backstep.view.numbers import percent
from backstep.view.panels import Panel
from backstep.view.pen import TALLEST, Pen
from backstep.view.places import Line, Places
from backstep.view.rows import Row


def accumulate(pen: Pen, event: AccumulateEvent) -> list[Row]:
    theme, name = pen.theme, event.tensor
    before, arrived, after = (
        [pen.chip(value, phase)]
        for value, phase in ((event.before, ""), (event.arrived, "backward"), (event.after, "backward"))
    )
    numbers: list[Line] = [Places((before, arrived, after), ("+", "="))]
    heads = (f"{name}.grad before", "+ arriving", f"= {name}.grad now"), ("before", "+ arriving", "= now")
    rows = pen.placed(pen.headed(numbers, heads))
    rows.append([])
    root = root_name(pen.trace, event.position)
    state = pen.moment.grad_state(event.number)
    if event.fresh:
        said = f"✓ fresh: the gradient was empty, so this is exactly {derivative(root, name)} of this pass"
        rows += pen.wrapped(said, theme.good)
    elif state.usual:
        said = f"! sum of {state.count} backward passes, collected on purpose: it is emptied after a step"
        rows += pen.wrapped(said, theme.warning)
        rows.append([pen.say(f"  this pass alone gives {pen.brief(event.arrived)}", theme.dim)])
    elif state.kind in (GradKind.SUM, GradKind.STALE):
        said = f"! ACCUMULATED: {name}.grad was not zeroed. It is now the sum of {state.count} backward passes."
        rows += pen.wrapped(said, theme.error)
        rows.append([pen.say(f"  this pass alone gives {pen.brief(event.arrived)}", theme.dim)])
    else:
        rows += pen.wrapped(f"! added to what was in {name}.grad", theme.warning)
    rows += way_to_leaf(pen, event)
    rows += [] if event.fresh else story(pen, event.number)
    return [*rows, *summands(pen, event, pen.height - len(rows) - 3)]


def summands(pen: Pen, event: AccumulateEvent, room: int) -> list[Row]:
    """The sum in pictures, when there are matrices and room for them."""
    kept = [value for value in (event.before, event.arrived, event.after) if value is not None]
    if not pen.drawn or room < 2 or math.prod(event.arrived.shape) < 4:
        return []
    row = [Panel(shape(value), value) for value in kept]
    return [[], *pen.pictures(row, ["+", "="][-len(row) + 1 :], min(TALLEST, room - 1))]


def update(pen: Pen, event: UpdateEvent) -> list[Row]:
    theme, name = pen.theme, event.tensor
    rule = rule_of(event)
    rows: list[Row] = [[pen.say(f"{name} ← {event.by}" if rule is None else rule.formula, theme.strong)]]
    if event.lr is not None and event.grad is not None and rule is not None and rule.plain:
        before, after = pen.chip(event.before, ""), pen.chip(event.after, "update")
        lr = pen.say(f" - {number(event.lr)} × ")
        rows.append([pen.say("  = "), before, lr, pen.chip(event.grad, "backward"), pen.say(" = "), after])
    else:
        rows.append([pen.say("  "), pen.chip(event.before, ""), pen.say(" → "), pen.chip(event.after, "update")])
        if rule is not None and rule.numbers is not None:
            rows.append([pen.say(f"  {rule.numbers}")])
        if event.grad is not None:
            row = [pen.say(f"  {name}.grad ", theme.dim), pen.chip(event.grad, "backward")]
            rows.append([*row, pen.say("" if event.lr is None else f"   lr {number(event.lr)}", theme.dim)])
    if rule is not None and not rule.plain:
        rows.append([pen.say("  found by trying: it gives these numbers, to their rounding", theme.dim)])
    rows += [[], *movement(pen, event)]
    for key, change in event.state.items():
        said = f"{key}  {pen.brief(change.before)} → {pen.brief(change.after)}"
        rows.append([pen.say(said, theme.dim)])
    return [*rows, *story(pen, event.number)]


def story(pen: Pen, leaf: int) -> list[Row]:
    """Where what is in `.grad` came from, by passes and lines."""
    return pen.wrapped(grad_story(pen.trace, leaf, pen.moment.position).text, pen.theme.dim)


def movement(pen: Pen, event: UpdateEvent) -> list[Row]:
    before, after = event.before.array, event.after.array
    if before is None or after is None or np.iscomplexobj(after):
        return []
    step = after.astype(np.float64) - before
    if step.size == 1:
        moved = float(step.reshape(()))
        sign = "+" if moved > 0 else ""
        said = f"moved {sign}{number(moved)}"
        grad = None if event.grad is None else event.grad.scalar
        if grad and moved:
            said += against(pen, event.tensor, moved, grad) if moved * grad < 0 else ": along the gradient"
        return [[pen.say(said, pen.theme.dim)]]
    size, length = float(np.linalg.norm(step)), float(np.linalg.norm(before.astype(np.float64)))
    if not math.isfinite(size):
        return [[pen.say("moved to what is not finite", pen.theme.error)]]
    share = f", {percent(size / length)} of ‖{event.tensor}‖" if length else ""
    return [[pen.say(f"moved by ‖{number(size)}‖{share}", pen.theme.dim)]]


def against(pen: Pen, name: str, moved: float, grad: float) -> str:
    """Downhill, and which way that is."""
    sign, way = ("<", "grows") if grad < 0 else (">", "shrinks")
    return f": against the gradient (grad {number(grad)} {sign} 0, so {name} {way})"


def zeroing(pen: Pen, event: ZeroGradEvent) -> list[Row]:
    theme = pen.theme
    row = [pen.say(f"{event.tensor}.grad   ", theme.strong), pen.chip(event.before, "backward")]
    row.append(pen.say("  →  "))
    why = "backward() adds into .grad; without this the next gradient would be added on top"
    return [[*row, pen.chip(event.after, "zero_grad")], [], *pen.wrapped(why, theme.dim)]


def grad_write(pen: Pen, event: GradWriteEvent) -> list[Row]:
    row = [pen.say(f"{event.tensor}.grad   ", pen.theme.strong), pen.chip(event.before, "backward")]
    row += [pen.say("  →  "), pen.chip(event.after, "backward")]
    said = [pen.say(f"written by {event.by}: not by a backward pass", pen.theme.warning)]
    return [row, [], said, *story(pen, event.number)]


def start(pen: Pen, event: BackwardStartEvent) -> list[Row]:
    theme = pen.theme
    rows: list[Row] = []
    for index, root in enumerate(event.roots):
        seed = event.seeds[index] if index < len(event.seeds) else None
        name = short(root.name)
        rows.append([pen.say(f"{name} = ", theme.strong), pen.chip(root, "forward")])
        given = "1" if seed is None else pen.brief(seed)
        one = seed is None or (seed.scalar == 1 and not seed.shape)
        what = f"{derivative(name, name)} =" if one else f"the gradient given for {name}:"
        rows.append([pen.say(f"  {what} ", theme.dim), pen.box(given, "backward")])
    rows += pen.wrapped("› the gradient starts here and runs back, node by node, to the leaves", theme.text)
    if event.create_graph:
        rows.append([pen.say("create_graph=True: this pass can itself be differentiated", theme.dim)])
    return rows


def end(pen: Pen, event: BackwardEndEvent) -> list[Row]:
    rows: list[Row] = []
    start, end = pen.trace.span_of_pass(event.position)
    for position in range(start, min(end, start + 4096)):
        other = pen.trace.event(position)
        if isinstance(other, AccumulateEvent) and len(rows) < pen.height:
            said = pen.say(f"{other.tensor} received ", pen.theme.dim)
            rows.append([said, pen.chip(other.arrived, "backward")])
    for index, value in enumerate(event.captured):
        rows.append([pen.say(f"grad() returned [{index}] ", pen.theme.dim), pen.chip(value, "backward")])
    return rows or [[pen.say("no leaf received a gradient", pen.theme.warning)]]
