"""The Chain rule pane: the work of one event. Seven forms, always in the same places."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from rich.segment import Segment
from rich.style import Style

from backstep.explain.chain_rule import EdgeStory, root_name, short, so_far, stories, ways_to
from backstep.explain.formulas import derivative, local_formula, symbol
from backstep.replay.moment import GradKind, Moment
from backstep.trace.event import (
    AccumulateEvent,
    Array,
    BackwardEndEvent,
    BackwardEvent,
    BackwardStartEvent,
    Event,
    ExceptionEvent,
    ForwardEvent,
    GradWriteEvent,
    Local,
    NoteEvent,
    OutputEvent,
    UpdateEvent,
    Value,
    ZeroGradEvent,
)
from backstep.view.brief import FEW, figures, number, shape
from backstep.view.numbers import shape_text
from backstep.view.panels import Panel, panels
from backstep.view.places import Line, Places, fits, placed
from backstep.view.rows import Row, fill_rows, safe, width_of, wrap
from backstep.view.theme import Theme
from backstep.view.title import title_row

TALL = 13
"""From so many rows on the result of an op is drawn as a heat map."""
DRAWN = 8
"""From so many rows on a backward step with matrices is drawn as heat maps."""
SHORT = 5
"""In fewer rows the words over the columns are left out."""
TALLEST = 16
"""The most rows of a heat map."""
LONGEST_NAME = 32
HEADS = (
    ("gradient that arrives (grad_output)", "× local gradient", "= gradient that leaves (grad_input)"),
    ("gradient that arrives", "× local gradient", "= gradient that leaves"),
    ("arrives", "× local", "= leaves"),
)
"""The words over the three places, the longest first."""


def title(moment: Moment, width: int, theme: Theme) -> Row:
    """What runs, in words."""
    return title_row(3, "Chain rule", heading(moment.event), width, theme)


def heading(event: Event) -> str:
    match event:
        case ForwardEvent():
            return f"{event.op} runs forward"
        case BackwardEvent():
            return f"{event.op} runs backward"
        case BackwardStartEvent():
            return f"a backward pass begins: {event.api}()"
        case BackwardEndEvent():
            return "the backward pass has ended"
        case AccumulateEvent():
            return f"AccumulateGrad  {event.tensor}.grad +="
        case UpdateEvent():
            return f"update {event.tensor}"
        case ZeroGradEvent():
            return f"zero {event.tensor}.grad"
        case GradWriteEvent():
            return f"{event.by} writes {event.tensor}.grad"
    return event.kind


def build(moment: Moment, width: int, height: int, theme: Theme, *, drawn: bool = True) -> list[Row]:
    """Exactly `height` rows of exactly `width` cells, the important ones first; without colours nothing is drawn."""
    pen = Pen(moment, width, height, theme, drawn)
    rows = unfolded(pen.rows(moment.event), pen.width, height)
    return fill_rows([[Segment(" "), *row] for row in rows], width, height)


def unfolded(rows: list[Row], width: int, height: int) -> list[Row]:
    """Rows that are too long go on below, as far as rows are free; where there are too few, the blank ones go."""
    rows = rows if len(rows) <= height else [row for row in rows if row]
    free = max(0, height - len(rows))
    result: list[Row] = []
    for row in rows:
        parts = wrap(row, width) if free else [row]
        more = min(free, len(parts) - 1)
        cut = [Segment(" …")] if more < len(parts) - 1 else []
        result += [*parts[:more], [*parts[more], *cut]]
        free -= more
    return result


class Pen:
    """Writes one moment: what all the forms share."""

    def __init__(self, moment: Moment, width: int, height: int, theme: Theme, drawn: bool = True) -> None:
        self.moment = moment
        self.trace = moment.trace
        self.width = width - 1
        self.height = height
        self.theme = theme
        self.drawn = drawn

    def rows(self, event: Event) -> list[Row]:
        match event:
            case ForwardEvent():
                return self.forward(event)
            case BackwardEvent():
                return self.backward(event)
            case AccumulateEvent():
                return self.accumulate(event)
            case UpdateEvent():
                return self.update(event)
            case ZeroGradEvent():
                return self.zeroing(event)
            case GradWriteEvent():
                return self.grad_write(event)
            case BackwardStartEvent():
                return self.start(event)
            case BackwardEndEvent():
                return self.end(event)
            case OutputEvent():
                return self.text(event.text, self.theme.text)
            case ExceptionEvent():
                ended = "caught by the script" if event.caught else "it ended the script"
                return self.text(f"{event.type}: {event.message}\n{ended}", self.theme.error)
            case NoteEvent():
                return self.text(event.text, self.theme.warning)
        return []

    # words and numbers

    def say(self, text: str, style: Style | None = None) -> Segment:
        return Segment(safe(text), style or self.theme.text)

    def brief(self, value: Value | None) -> str:
        """A value in a few cells: its number, or shape and norm, or why it was not kept."""
        if value is None:
            return "None"
        told = figures(self.trace, value)
        if value.array is None and value.summary is None:
            return f"{shape(value)} {value.omitted or 'not kept'}".strip()
        return told.text if told.told else f"{shape(value)} {told.text}"

    def chip(self, value: Value | None, phase: str) -> Segment:
        return self.box(self.brief(value), phase)

    def box(self, text: str, phase: str) -> Segment:
        return Segment(f" {safe(text)} ", self.theme.chip(phase))

    def text(self, text: str, style: Style) -> list[Row]:
        return [[self.say(line, style)] for line in text.splitlines()[: self.height]]

    def wrapped(self, text: str, style: Style) -> list[Row]:
        """A sentence over as many rows as it needs."""
        return wrap([Segment(safe(text), style)], self.width)

    def named(self, value: Value) -> str:
        return short(value.name, LONGEST_NAME)

    # forward

    def forward(self, event: ForwardEvent) -> list[Row]:
        theme = self.theme
        names = [self.named(value) or self.brief(value) for value in event.inputs]
        written = symbol(event, names) or self.called(event, names)
        if not event.outputs:
            read = ", ".join(f"{name} = {self.brief(v)}" for name, v in zip(names, event.inputs, strict=True))
            return [[self.say(written, theme.strong)], [self.say(f"takes a value out of torch: {read}", theme.dim)]]
        result = event.outputs[0]
        rows: list[Row] = [
            [
                self.say(
                    "" if not result.name or same(result.name, written) else f"{self.named(result)} = ", theme.strong
                )
            ]
        ]
        rows[0].append(self.say(written, theme.strong))
        values = [self.brief(value) for value in event.inputs]
        filled = symbol(event, values) if all(v.shape == () for v in event.inputs) else None
        rows.append([self.say("  = " + (f"{filled} = " if filled else "")), self.chip(result, "forward")])
        if not filled:
            rows[-1:] = [*self.pairs(event), [self.say("  = "), self.chip(result, "forward")]]
        rows += self.saved(event)
        rows += self.told(event)
        if self.drawn and self.height >= TALL and result.array is not None and result.array.size > 3:
            rows += [
                [],
                *self.pictures([self.panel("", short(result.name), result)], [], self.height - len(rows) - 3),
            ]
        return rows

    def called(self, event: ForwardEvent, names: Sequence[str]) -> str:
        given = list(names)
        for argument in event.arguments:
            given.append(f"{argument['name']}={argument['value']!r}" if argument["name"] else repr(argument["value"]))
        return f"{event.op}({', '.join(map(str, given))})"

    def pairs(self, event: ForwardEvent) -> list[Row]:
        """The inputs and what they held; nothing when there are none with a name."""
        row: Row = []
        for value in event.inputs:
            if value.name:
                row += [self.say(f"{self.named(value)} ", self.theme.dim), self.say(f"{self.brief(value)}   ")]
        return [[self.say("  "), *row]] if row else []

    def saved(self, event: ForwardEvent) -> list[Row]:
        """What the node will multiply by, known as soon as the op has run."""
        if len(event.nodes) != 1 or not event.outputs:
            if not event.grad_enabled:
                return [[self.say("no graph is built: grad mode is off", self.theme.dim)]]
            return []
        node = self.node_name(event)
        rows: list[Row] = []
        for index, value in enumerate(event.inputs):
            formula = None if node is None else local_formula(node, event, index)
            if formula is None or not value.requires_grad:
                continue
            lead = "saved for backward  " if not rows else " " * 20
            text = f"{derivative(short(event.outputs[0].name), short(value.name))} = {formula}"
            known = self.known(event, index, formula)
            text += f" = {known}" if known and known != formula else ""
            rows.append([self.say(lead, self.theme.dim), self.say(text, self.theme.backward)])
        return rows

    def known(self, event: ForwardEvent, index: int, formula: str) -> str | None:
        """The number of a local derivative: an operand's own, or what the backward pass found it to be."""
        operand = next((value for value in event.inputs if short(value.name) == formula and not value.shape), None)
        if operand is not None and operand.scalar is not None:
            return number(operand.scalar)
        runs = self.trace.backwards_of(event.nodes[0])
        node = self.trace.event(runs[0]) if runs else None
        local = node.edges[index].local if isinstance(node, BackwardEvent) and index < len(node.edges) else None
        return None if local is None or local.shape or local.scalar is None else number(local.scalar)

    def node_name(self, event: ForwardEvent) -> str | None:
        """The node's name, as its backward event tells it; before that the op's, which is all that is known."""
        runs = self.trace.backwards_of(event.nodes[0])
        if runs:
            return str(self.trace.event(runs[0])["op"])
        return "".join(part.title() for part in event.op.rstrip("_").split("_")) + "Backward0"

    def told(self, event: ForwardEvent) -> list[Row]:
        theme = self.theme
        rows: list[Row] = []
        if event.parent is not None:
            whole = self.trace.event(event.parent)
            rows.append([self.say(f"part of {whole['op']}  #{event.parent}", theme.dim)])
        parts = self.parts(event)
        if parts:
            rows.append([self.say(f"ran as  {' → '.join(parts)}", theme.dim)])
        if event.inplace:
            rows.append([self.say("in place: the tensor itself was changed", theme.dim)])
        return rows

    def parts(self, event: ForwardEvent) -> list[str]:
        names: list[str] = []
        position = event.position - 1
        while position >= 0 and len(names) < 12:
            part = self.trace.event(position)
            if not isinstance(part, ForwardEvent) or part.parent != event.position:
                break
            names.append(part.op)
            position -= 1
        return names[::-1]

    # backward

    def backward(self, event: BackwardEvent) -> list[Row]:
        theme = self.theme
        told = stories(self.trace, event)
        live = [story for story in told if story.edge.needed]
        dead = [story for story in told if not story.edge.needed]
        rows = self.live_edges(event, live, min(2, len(dead)))
        rows += self.sentence(event, live)
        rows += self.product(event, live)
        rows += [self.not_needed(story) for story in dead]
        return rows or [[self.say(event.why or "no gradient leaves this node", theme.dim)]]

    def live_edges(self, event: BackwardEvent, live: Sequence[EdgeStory], below: int) -> list[Row]:
        """Numbers in three places, or matrices: drawn for the first input when there is room, else in figures."""
        if not live:
            return []
        rest = self.placed([line for story in live[1:] for line in self.edge(event, story)])
        place = f"   input 1 of {len(live)}" if rest else ""
        head = wrap(
            [
                self.say(live[0].equation, self.theme.strong),
                self.say(f"{place} → {live[0].target}", self.theme.dim),
            ],
            self.width,
        )
        room = self.height - len(head) + 1 - below
        drawn = self.matrices(event, live[0], room - len(rest))
        if not drawn and self.height >= DRAWN:
            rest = [self.in_one_row(story) for story in live[1:]]
            drawn = self.matrices(event, live[0], room - len(rest))
        if drawn:
            apart: list[Row] = [[]] if rest and self.height >= TALL else []
            return [*head, *drawn, *apart, *rest]
        lines = [line for story in live for line in self.edge(event, story)]
        return self.placed(self.headed(lines, HEADS) if self.height >= SHORT else lines)

    def placed(self, lines: Sequence[Line]) -> list[Row]:
        return placed(lines, self.width, self.theme.strong)

    def headed(self, lines: list[Line], words: Sequence[tuple[str, str, str]]) -> list[Line]:
        """The lines under words over the three places, the first of those that fit."""
        for heads in words:
            told = [self.places(heads, self.theme.dim), *lines]
            if fits(told, self.width):
                break
        return told

    def places(self, texts: tuple[str, str, str], *styles: Style) -> Places:
        """Three texts, each in its place; one style may do for all."""
        first, second, last = ([self.say(text, styles[at % len(styles)])] for at, text in enumerate(texts))
        return Places((first, second, last))

    def in_one_row(self, story: EdgeStory) -> Row:
        """An input beside the one that is drawn; where it goes is told if there is room."""
        row = [self.say(f"{story.equation}  ", self.theme.text), self.chip(story.edge.downstream, "backward")]
        goal = self.say(f" → {story.target}", self.theme.dim)
        return [*row, goal] if width_of([*row, goal]) <= self.width else row

    def edge(self, event: BackwardEvent, story: EdgeStory) -> list[Line]:
        """One input in symbols and in numbers, and why a number is missing."""
        theme, edge = self.theme, story.edge
        arrived = next((value for value in event.upstream if value is not None), None)
        names: Line = self.places(
            (story.arrives, story.local, story.leaves), theme.backward, theme.forward, theme.backward
        )
        if edge.downstream is not None and edge.downstream.shape:
            names = [self.say(story.equation, theme.strong)]
        leaves = [self.chip(edge.downstream, "backward"), self.say(f" → {story.target}", theme.dim)]
        if edge.hooked:
            leaves.append(self.say("  a hook replaced it on its way", theme.warning))
        if edge.downstream is None and edge.why:
            leaves.append(self.say(f"  {edge.why}", theme.dim))
        arrives, local = [self.chip(arrived, "backward")], [self.local_chip(edge.local)]
        lines: list[Line] = [names, Places((arrives, local, leaves), ("×", "="))]
        if edge.local is not None and edge.local.array is None and edge.local.omitted:
            lines.append([self.say(f"local gradient not kept: {edge.local.omitted}", theme.dim)])
        return lines

    def local_chip(self, local: Local | None) -> Segment:
        if local is None or local.array is None:
            return self.box("not recorded" if local is None else "not kept", "")
        return self.box(self.local(local, local.array), "forward")

    def local(self, local: Local, array: Array) -> str:
        """The number, a few of them, or what it is and how large."""
        if array.size == 1:
            return number(float(array.reshape(())))
        if array.size <= FEW and array.ndim == 1:
            return f"[{', '.join(number(one) for one in array.tolist())}]"
        if local.form == "jacobian":
            return f"Jacobian {shape_text(local.shape)}"
        return f"{shape_text(local.shape)} ‖{number(float(np.linalg.norm(array.ravel())))}‖"

    def not_needed(self, story: EdgeStory) -> Row:
        """An input that gets no gradient, and why."""
        why = story.edge.why or "not needed"
        what = story.name if why.startswith("a number") else f"{story.leaves}  not computed"
        return [self.say(f"{what}: {why}", self.theme.dim)]

    def sentence(self, event: BackwardEvent, live: Sequence[EdgeStory]) -> list[Row]:
        """A derivative is a rate: true for every op, however it bends."""
        story = live[0] if live else None
        if story is None or story.edge.local is None or story.edge.downstream is None or len(event.upstream) != 1:
            return []
        local, leaves = story.edge.local.scalar, story.edge.downstream.scalar
        arrives = None if event.upstream[0] is None else event.upstream[0].scalar
        if local is None or leaves is None or arrives is None:
            return []
        root, name, result = root_name(self.trace, event.position), story.name, story.result
        if result == root:
            said = f"› Nudge {name} by ε: {root} moves {number(local)}·ε."
        else:
            said = (
                f"› Nudge {name} by ε: {result} moves {number(local)}·ε, "
                f"so {root} moves {number(local)} × {number(arrives)} = {number(local * arrives)}·ε."
            )
        if ways_to(self.trace, event, story.edge) > 1:
            said = f"{said[:-1]} by this path alone."
        return self.wrapped(said, self.theme.text + Style(italic=True))

    def product(self, event: BackwardEvent, live: Sequence[EdgeStory]) -> list[Row]:
        theme = self.theme
        chain = so_far(self.trace, event, live[0].edge) if live else None
        if chain is None or chain.result is None:
            return []
        row: Row = [self.say("so far  ", theme.dim), self.say(f"{chain.left} = ", theme.backward + Style(bold=True))]
        if chain.parts > 1:
            row.append(self.say(f"sum of {chain.parts} contributions: ", theme.dim))
        for index, factor in enumerate(chain.factors if len(chain.factors) > 1 else ()):
            text = number(factor)
            row.append(self.say(f"({text})" if factor < 0 else text, theme.forward))
            row.append(self.say(" · " if index + 1 < len(chain.factors) else " = ", theme.dim))
        row.append(self.say(number(chain.result), theme.backward + Style(bold=True)))
        ways = ways_to(self.trace, event, live[0].edge)
        return [[*row, self.say(f"   one of {ways} contributions" if ways > 1 else "", theme.dim)]]

    def matrices(self, event: BackwardEvent, story: EdgeStory, height: int) -> list[Row]:
        """What arrives, what it is multiplied with, and what leaves; nothing when there is no room or no numbers."""
        arrived = next((value for value in event.upstream if value is not None), None)
        left = story.edge.downstream
        if arrived is None or left is None or arrived.array is None or left.array is None:
            return []
        if not self.drawn or max(arrived.array.size, left.array.size) < 4 or height < 6:
            return []
        row = [self.panel("arrives ", story.arrives, arrived), *self.middle(story, len(arrived.shape))]
        row.append(self.panel("leaves ", story.leaves, left))
        signs = ["@" if story.operand is not None else "×", "="] if len(row) == 3 else ["→"]
        return self.pictures(row, signs, min(TALLEST, height - 3))

    def middle(self, story: EdgeStory, output_dims: int) -> list[Panel]:
        """The other matrix of a product, the local gradient of each element, or the Jacobian, outputs by inputs."""
        if story.operand is not None and story.operand.array is not None:
            return [self.panel("local ", short(story.operand.name), story.operand)]
        local = story.edge.local
        if local is None or local.array is None:
            return []
        shape_ = shape_text(local.shape)
        if local.form == "elementwise":
            return [Panel(f"local {shape_}", local)]
        return [Panel(f"Jacobian {shape_}", local, output_dims=output_dims)]

    # pictures

    def panel(self, role: str, name: str, value: Value) -> Panel:
        return Panel(f"{role}{name} {shape(value)}", value, f"{role}{shape(value)}")

    def pictures(self, row: Sequence[Panel], signs: Sequence[str], room: int) -> list[Row]:
        return panels(self.trace, row, signs, self.width, room, self.theme)

    # leaves

    def accumulate(self, event: AccumulateEvent) -> list[Row]:
        theme, name = self.theme, event.tensor
        before, arrived, after = (
            [self.chip(value, phase)]
            for value, phase in ((event.before, ""), (event.arrived, "backward"), (event.after, "backward"))
        )
        numbers: list[Line] = [Places((before, arrived, after), ("+", "="))]
        heads = (f"{name}.grad before", "+ arriving", f"= {name}.grad now"), ("before", "+ arriving", "= now")
        rows = self.placed(self.headed(numbers, heads))
        rows.append([])
        root = root_name(self.trace, event.position)
        state = self.moment.grad_state(event.number)
        if event.fresh:
            said = f"✓ fresh: the gradient was empty, so this is exactly {derivative(root, name)} of this pass"
            rows += self.wrapped(said, theme.good)
        elif state.kind in (GradKind.SUM, GradKind.STALE):
            said = f"! ACCUMULATED: {name}.grad was not zeroed. It is now the sum of {state.count} backward passes."
            rows += self.wrapped(said, theme.error)
            rows.append([self.say(f"  this pass alone gives {self.brief(event.arrived)}", theme.dim)])
        else:
            rows += self.wrapped(f"! added to what was in {name}.grad", theme.warning)
        return [*rows, *self.summands(event, self.height - len(rows) - 3)]

    def summands(self, event: AccumulateEvent, room: int) -> list[Row]:
        """The sum in pictures, when there are matrices and room for them."""
        kept = [value for value in (event.before, event.arrived, event.after) if value is not None]
        if not self.drawn or room < 2 or math.prod(event.arrived.shape) < 4:
            return []
        row = [Panel(shape(value), value) for value in kept]
        return [[], *self.pictures(row, ["+", "="][-len(row) + 1 :], min(TALLEST, room - 1))]

    def update(self, event: UpdateEvent) -> list[Row]:
        theme, name = self.theme, event.tensor
        rows: list[Row] = []
        if event.lr is not None and event.grad is not None and plain_step(event):
            rows.append([self.say(f"{name} ← {name} - lr · {name}.grad", theme.strong)])
            rows.append(
                [
                    self.say("  = "),
                    self.chip(event.before, ""),
                    self.say(f" - {number(event.lr)} × "),
                    self.chip(event.grad, "backward"),
                    self.say(" = "),
                    self.chip(event.after, "update"),
                ]
            )
        else:
            rows.append([self.say(f"{name} ← {event.by}", theme.strong)])
            moved = [self.chip(event.before, ""), self.say(" → "), self.chip(event.after, "update")]
            rows.append([self.say("  "), *moved])
            if event.grad is not None:
                row = [self.say(f"  {name}.grad ", theme.dim), self.chip(event.grad, "backward")]
                rows.append([*row, self.say("" if event.lr is None else f"   lr {number(event.lr)}", theme.dim)])
        rows.append([])
        rows += self.movement(event)
        for key, change in event.state.items():
            said = f"{key}  {self.brief(change.before)} → {self.brief(change.after)}"
            rows.append([self.say(said, theme.dim)])
        return rows

    def movement(self, event: UpdateEvent) -> list[Row]:
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
                said += self.against(event.tensor, moved, grad) if moved * grad < 0 else ": along the gradient"
            return [[self.say(said, self.theme.dim)]]
        size, length = float(np.linalg.norm(step)), float(np.linalg.norm(before.astype(np.float64)))
        if not math.isfinite(size):
            return [[self.say("moved to what is not finite", self.theme.error)]]
        share = f", {100 * size / length:.2g}% of ‖{event.tensor}‖" if length else ""
        return [[self.say(f"moved by ‖{number(size)}‖{share}", self.theme.dim)]]

    def against(self, name: str, moved: float, grad: float) -> str:
        """Downhill, and which way that is."""
        sign, way = ("<", "grows") if grad < 0 else (">", "shrinks")
        return f": against the gradient (grad {number(grad)} {sign} 0, so {name} {way})"

    def zeroing(self, event: ZeroGradEvent) -> list[Row]:
        theme = self.theme
        row = [self.say(f"{event.tensor}.grad   ", theme.strong), self.chip(event.before, "backward")]
        row.append(self.say("  →  "))
        why = "backward() adds into .grad; without this the next gradient would be added on top"
        return [[*row, self.chip(event.after, "zero_grad")], [], *self.wrapped(why, theme.dim)]

    def grad_write(self, event: GradWriteEvent) -> list[Row]:
        row = [self.say(f"{event.tensor}.grad   ", self.theme.strong), self.chip(event.before, "backward")]
        row += [self.say("  →  "), self.chip(event.after, "backward")]
        return [row, [], [self.say(f"written by {event.by}: not by a backward pass", self.theme.warning)]]

    # passes

    def start(self, event: BackwardStartEvent) -> list[Row]:
        theme = self.theme
        rows: list[Row] = []
        for index, root in enumerate(event.roots):
            seed = event.seeds[index] if index < len(event.seeds) else None
            name = short(root.name)
            rows.append([self.say(f"{name} = ", theme.strong), self.chip(root, "forward")])
            given = "1" if seed is None else self.brief(seed)
            one = seed is None or (seed.scalar == 1 and not seed.shape)
            what = f"{derivative(name, name)} =" if one else f"the gradient given for {name}:"
            rows.append([self.say(f"  {what} ", theme.dim), self.box(given, "backward")])
        rows += self.wrapped("› the gradient starts here and runs back, node by node, to the leaves", theme.text)
        if event.create_graph:
            rows.append([self.say("create_graph=True: this pass can itself be differentiated", theme.dim)])
        return rows

    def end(self, event: BackwardEndEvent) -> list[Row]:
        rows: list[Row] = []
        start, end = self.trace.span_of_pass(event.position)
        for position in range(start, min(end, start + 4096)):
            other = self.trace.event(position)
            if isinstance(other, AccumulateEvent) and len(rows) < self.height:
                said = self.say(f"{other.tensor} received ", self.theme.dim)
                rows.append([said, self.chip(other.arrived, "backward")])
        for index, value in enumerate(event.captured):
            rows.append([self.say(f"grad() returned [{index}] ", self.theme.dim), self.chip(value, "backward")])
        return rows or [[self.say("no leaf received a gradient", self.theme.warning)]]


def same(name: str, written: str) -> bool:
    """Whether a result without a name is called by the very expression that made it."""
    return " ".join(name.split()) == written


def plain_step(event: UpdateEvent) -> bool:
    """Whether the update is `before - lr * grad`, to rounding: only then the formula is shown."""
    before, after = event.before.array, event.after.array
    grad = None if event.grad is None else event.grad.array
    if before is None or after is None or grad is None or event.lr is None or np.iscomplexobj(after):
        return False
    expected = before.astype(np.float64) - event.lr * grad.astype(np.float64)
    scale = max(float(np.abs(after[np.isfinite(after)]).max(initial=0)), 1e-12)
    if not np.isfinite(expected).any():
        return False
    close = np.abs(expected - after) <= 1e-5 * scale
    return bool(np.all(close | (np.isnan(expected) & np.isnan(after))))
