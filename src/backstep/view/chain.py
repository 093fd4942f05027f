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
from backstep.trace.memo import per_trace
from backstep.trace.trace import Trace
from backstep.view.brief import FEW, figures, number, shape
from backstep.view.heatmap import heatmap
from backstep.view.numbers import bad_text
from backstep.view.rows import Row, fill_rows, fit, safe, width_of
from backstep.view.theme import Theme
from backstep.view.title import title_row

Panel = tuple[str, Value | Local, int]
"""A label, what is drawn, and how many of its dims are those of the node's output: 0 but for a Jacobian."""
TALL = 13
"""From so many rows on the result of an op is drawn as a heat map."""
DRAWN = 8
"""From so many rows on a backward step with matrices is drawn as heat maps."""
SHORT = 5
"""In fewer rows the words over the columns are left out."""


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
            return "AccumulateGrad  +="
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
    rows = pen.rows(moment.event)
    return fill_rows([[Segment(" "), *row] for row in rows], width, height)


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
        lines: list[str] = []
        for word in safe(text).split(" "):
            if lines and len(lines[-1]) + len(word) + 1 <= self.width:
                lines[-1] += f" {word}"
            else:
                lines.append(word if not lines else f"  {word}")
        return [[Segment(line, style)] for line in lines]

    # forward

    def forward(self, event: ForwardEvent) -> list[Row]:
        theme = self.theme
        names = [short(value.name) or self.brief(value) for value in event.inputs]
        written = symbol(event, names) or self.called(event, names)
        if not event.outputs:
            read = ", ".join(f"{name} = {self.brief(v)}" for name, v in zip(names, event.inputs, strict=True))
            return [[self.say(written, theme.strong)], [self.say(f"takes a value out of torch: {read}", theme.dim)]]
        result = event.outputs[0]
        rows: list[Row] = [
            [
                self.say(
                    "" if not result.name or same(result.name, written) else f"{short(result.name)} = ", theme.strong
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
                *self.pictures([(self.label(result, short(result.name)), result, 0)], [], self.height - len(rows) - 3),
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
                row += [self.say(f"{short(value.name)} ", self.theme.dim), self.say(f"{self.brief(value)}   ")]
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
        rows = self.live_edges(event, live)
        rows += self.sentence(event, live)
        rows += self.product(event, live)
        rows += [self.not_needed(story) for story in dead]
        return rows or [[self.say(event.why or "no gradient leaves this node", theme.dim)]]

    def live_edges(self, event: BackwardEvent, live: Sequence[EdgeStory]) -> list[Row]:
        """Numbers in three columns, or matrices: drawn for the first input when there is room, else in figures."""
        rest = [row for story in live[1:] for row in self.edge(event, story, self.third())]
        drawn = self.matrices(event, live[0], self.height - len(rest)) if live else []
        if not drawn and live and self.height >= DRAWN:
            rest = [self.in_one_row(story) for story in live[1:]]
            drawn = self.matrices(event, live[0], self.height - len(rest))
        if drawn:
            place = f"   input 1 of {len(live)}" if rest else ""
            head = [self.say(live[0].equation, self.theme.strong), self.say(place, self.theme.dim)]
            return [[*head, self.say(f" → {live[0].target}", self.theme.dim)], *drawn, *rest]
        first = [row for story in live[:1] for row in self.edge(event, story, self.third())]
        return [*self.heads(), *first, *[row for story in live[1:] for row in self.edge(event, story, self.third())]]

    def third(self) -> int:
        return max(18, self.width // 3)

    def heads(self) -> list[Row]:
        """The words over the three places, where there is room for them."""
        if self.height < SHORT:
            return []
        heads = ("gradient that arrives", "× local gradient", "= gradient that leaves")
        if self.third() >= 37:
            heads = ("gradient that arrives (grad_output)", heads[1], "= gradient that leaves (grad_input)")
        return [self.thirds([self.say(head, self.theme.dim) for head in heads], self.third())]

    def in_one_row(self, story: EdgeStory) -> Row:
        """An input beside the one that is drawn."""
        return [
            self.say(f"{story.equation}  ", self.theme.text), self.chip(story.edge.downstream, "backward"),
            self.say(f" → {story.target}", self.theme.dim),
        ]  # fmt: skip

    def thirds(self, segments: Sequence[Segment], third: int) -> Row:
        row: Row = []
        for segment in segments[:-1]:
            row += [*fit([segment], third - 1), Segment(" ")]
        return [*row, segments[-1]]

    def edge(self, event: BackwardEvent, story: EdgeStory, third: int) -> list[Row]:
        theme, edge = self.theme, story.edge
        arrived = next((value for value in event.upstream if value is not None), None)
        names = self.thirds(
            [
                self.say(story.arrives, theme.backward),
                self.say(story.local, theme.forward),
                self.say(story.leaves, theme.backward),
            ],
            third,
        )
        if edge.downstream is not None and edge.downstream.shape:
            names = [self.say(story.equation, theme.strong)]
        boxes: Row = []
        for text, phase, between in (
            (self.brief(arrived), "backward", " ×"),
            (self.local(edge.local), "forward", " ="),
        ):
            chip = fit([self.box(text, phase)], min(len(text) + 2, third - 4))
            boxes += [*fit(chip, third - 3), Segment(f"{between} ", theme.strong)]
        boxes = [*boxes[:-1], Segment(boxes[-1].text, theme.strong), self.chip(edge.downstream, "backward")]
        boxes.append(self.say(f" → {story.target}", theme.dim))
        if edge.hooked:
            boxes.append(self.say("  a hook replaced it on its way", theme.warning))
        if edge.downstream is None and edge.why:
            boxes.append(self.say(f"  {edge.why}", theme.dim))
        return [names, boxes]

    def local(self, local: Local | None) -> str:
        if local is None:
            return "not recorded"
        array = local.array
        if array is None:
            return local.omitted or "not kept"
        if array.size == 1:
            return number(float(array.reshape(())))
        if array.size <= FEW and array.ndim == 1:
            return f"[{', '.join(number(one) for one in array.tolist())}]"
        what = "Jacobian " if local.form == "jacobian" else ""
        return f"{what}[{','.join(map(str, local.shape))}] ‖{number(float(np.linalg.norm(array.ravel())))}‖"

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
        panels: list[Panel] = [(self.label(arrived, f"arrives {story.arrives}"), arrived, 0)]
        panels += self.middle(story, len(arrived.shape))
        panels.append((self.label(left, f"leaves {story.leaves}"), left, 0))
        signs = ["@" if story.operand is not None else "×", "="] if len(panels) == 3 else ["→"]
        return self.pictures(panels, signs, min(10, height - 3))

    def middle(self, story: EdgeStory, output_dims: int) -> list[Panel]:
        """The other matrix of a product, the local gradient of each element, or the Jacobian, outputs by inputs."""
        if story.operand is not None and story.operand.array is not None:
            return [(self.label(story.operand, f"local {short(story.operand.name)}"), story.operand, 0)]
        local = story.edge.local
        if local is None or local.array is None:
            return []
        shape_ = f"[{','.join(map(str, local.shape))}]"
        if local.form == "elementwise":
            return [(f"local {shape_}", local, 0)]
        return [(f"Jacobian {shape_}", local, output_dims)]

    # pictures

    def label(self, value: Value, name: str) -> str:
        return f"{name} {shape(value)}"

    def pictures(self, panels: Sequence[Panel], between: Sequence[str], room: int) -> list[Row]:
        """Heat maps side by side, each under its name and over its figures."""
        each = max(8, (self.width - 5 * len(between)) // max(1, len(panels)))
        drawn = [
            [[self.say(label, self.theme.strong)], *figure(self.trace, thing, dims, min(each, 60), room, self.theme)]
            for label, thing, dims in panels
        ]
        rows: list[Row] = []
        for y in range(max(map(len, drawn))):
            row: Row = []
            for index, panel in enumerate(drawn):
                row += fit(panel[y] if y < len(panel) else [], each)
                if index < len(between):
                    row += fit([self.say(f"  {between[index]}" if y == room // 2 else "")], 5)
            rows.append(row)
        return rows

    # leaves

    def accumulate(self, event: AccumulateEvent) -> list[Row]:
        theme, name = self.theme, event.tensor
        heads = (f"{name}.grad before", "+ arriving", f"= {name}.grad now")
        third = max(16, self.width // 3)
        rows = [self.thirds([self.say(head, theme.dim) for head in heads], third)]
        row: Row = []
        for value, phase, between in ((event.before, "", " +"), (event.arrived, "backward", " =")):
            chip = fit([self.chip(value, phase)], min(width_of([self.chip(value, phase)]), third - 4))
            row += [*fit(chip, third - 3), Segment(f"{between} ", theme.strong)]
        rows.append([*row, self.chip(event.after, "backward")])
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
        panels: list[Panel] = [(shape(value), value, 0) for value in kept]
        return [[], *self.pictures(panels, ["+", "="][-len(panels) + 1 :], min(8, room - 1))]

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


@per_trace(256)
def figure(trace: Trace, thing: Value | Local, output_dims: int, width: int, height: int, theme: Theme) -> list[Row]:
    """A heat map over its figures; a Jacobian has its first `output_dims` dims as rows. One number is a box."""
    array = thing.array
    if array is None:
        return [[Segment(safe(thing.omitted or "not kept"), theme.dim)]]
    real = np.abs(array) if np.iscomplexobj(array) else array
    if array.size == 1:
        return [[Segment(f" {number(real.ravel().tolist()[0])} ", theme.chip("backward"))]]
    shown = real.reshape(math.prod(real.shape[:output_dims]), -1) if output_dims and real.size else real
    bad = int(real.size - np.isfinite(real).sum())
    return [*heatmap(shown, width, height, theme), [Segment(measures(real), theme.error if bad else theme.dim)]]


def measures(array: Array) -> str:
    """`‖0.2452‖ max 0.0538 12% zero 1 NaN`"""
    finite = array[np.isfinite(array)]
    said = f"‖{number(float(np.linalg.norm(finite)))}‖ max {number(float(np.abs(finite).max(initial=0)))}"
    zeros = round(100 * float((finite == 0).mean())) if finite.size else 0
    nan = int(np.isnan(array).sum())
    bad = bad_text(nan, int(array.size - finite.size - nan))
    said = said if finite.size else ""
    return " ".join(part for part in (said, f"{zeros}% zero" if zeros else "", bad) if part)


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
