"""The chain rule pane: what the event at the cursor does, in symbols, numbers and pictures."""

from __future__ import annotations

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from backstep.explain import chain_rule as explain
from backstep.explain.chain_rule import BackwardStep, Group
from backstep.replay.moment import GradKind, Moment
from backstep.trace.batch import KIND_CODE
from backstep.trace.event import (
    AccumulateEvent,
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
from backstep.view.heatmap import heat_rows, picture
from backstep.view.numbers import number, shape_text, signed, stats_text, value_text
from backstep.view.rows import Row, fill_rows, fit, safe, width_of
from backstep.view.theme import Theme
from backstep.view.title import title_row

ARROW = " → "
ACCUMULATE = KIND_CODE["accumulate"]


def title(moment: Moment, width: int, theme: Theme) -> Row:
    """`─3 Chain rule MulBackward0 runs backward────`"""
    return title_row(3, "Chain rule", headline(moment.event), width, theme)


def headline(event: Event) -> str:
    """What happens, in words."""
    match event:
        case ForwardEvent():
            return f"{event.op} runs forward"
        case BackwardEvent():
            return f"{event.op} runs backward"
        case AccumulateEvent():
            return f"AccumulateGrad: {event.tensor}.grad += what arrives"
        case UpdateEvent():
            return f"update {event.tensor} by {event.by}"
        case ZeroGradEvent():
            return f"zero {event.tensor}.grad"
        case GradWriteEvent():
            return f"{event.tensor}.grad is written by {event.by}"
        case BackwardStartEvent():
            return f"a backward pass starts: {event.api}"
        case BackwardEndEvent():
            return "the backward pass ends"
        case ExceptionEvent():
            return "exception"
    return event.kind


def build(moment: Moment, width: int, height: int, theme: Theme) -> list[Row]:
    """The pane: the rows that matter most come first."""
    return fill_rows(rows_of(moment, width, height, theme), width, height)


def rows_of(moment: Moment, width: int, height: int, theme: Theme) -> list[Row]:
    match moment.event:
        case ForwardEvent() as event:
            return forward_rows(moment, event, width, theme)
        case BackwardEvent() as event:
            return backward_rows(moment, event, width, height, theme)
        case AccumulateEvent() as event:
            return accumulate_rows(moment, event, width, height, theme)
        case UpdateEvent() as event:
            return update_rows(event, width, height, theme)
        case ZeroGradEvent() as event:
            return zero_rows(event, width, theme)
        case GradWriteEvent() as event:
            return grad_write_rows(event, theme)
        case BackwardStartEvent() as event:
            return start_rows(event, theme)
        case BackwardEndEvent() as event:
            return end_rows(moment, event, theme)
        case OutputEvent() as event:
            return text_rows(event.text, width, theme.text)
        case ExceptionEvent() as event:
            return text_rows(f"{event.type}: {event.message}", width, theme.error)
        case NoteEvent() as event:
            return text_rows(event.text, width, theme.warning)
    return []


# pieces


def say(text: str, style: Style) -> Segment:
    """Text from a trace, made harmless."""
    return Segment(safe(text), style)


def chip(text: str, phase: str, theme: Theme) -> Segment:
    """A filled box; it says by its place and words what it is, not by colour alone."""
    return Segment(f" {safe(text)} ", theme.chip(phase))


def text_rows(text: str, width: int, style: Style) -> list[Row]:
    """Text as it is, wrapped to the width."""
    rows: list[Row] = []
    for line in text.splitlines() or [""]:
        rows.extend([Segment(part, style)] for part in wrapped(safe(line), width))
    return rows


def wrapped(line: str, width: int) -> list[str]:
    """Lines of at most `width` cells, broken at blanks where there are some."""
    parts, current = [], ""
    for word in line.split(" "):
        longer = f"{current} {word}" if current else word
        if current and cell_len(longer) > width:
            parts.append(current)
            current = word
        else:
            current = longer
    return [*parts, current]


def columns(cells: list[Row], starts: list[int]) -> Row:
    """Cells that begin at given places; one that is too long gives way to the next."""
    row: Row = []
    for at, cell in enumerate(cells):
        end = starts[at + 1] if at + 1 < len(starts) else None
        row.extend(cell if end is None else fit(cell, end - starts[at]))
    return row


def is_number(value: Value | None) -> bool:
    """Whether a value is one number without dims."""
    return value is not None and value.shape == ()


# forward


def forward_rows(moment: Moment, event: ForwardEvent, width: int, theme: Theme) -> list[Row]:
    step = explain.forward_step(moment, event)
    left = f"{step.result} = " if step.result else ""
    rows: list[Row] = [[say(left + step.expression, theme.strong)]]
    rows.extend(forward_numbers(event, step.numbers, theme))
    rows.extend(saved_rows(step, theme))
    if event.aten is None and not event.nodes:
        rows.extend(parts_rows(moment, event, theme))
    if not event.outputs:
        rows.append([Segment("reads the value of a tensor: what Python does with it is not recorded", theme.dim)])
    if not event.grad_enabled:
        rows.append([Segment("gradients are off here: no autograd node was made", theme.dim)])
    elif event.outputs and event.aten is not None and not event.nodes:
        rows.append([Segment("no autograd node: no gradient flows back from here", theme.dim)])
    return rows


def forward_numbers(event: ForwardEvent, numbers: str | None, theme: Theme) -> list[Row]:
    """`= 1.02 * 1 = [1.02]`, or a row for each input and output."""
    if numbers is not None and len(event.outputs) == 1 and is_number(event.outputs[0]):
        result = chip(value_text(event.outputs[0]), "forward", theme)
        return [[Segment("    = ", theme.dim), say(numbers, theme.text), Segment(" = ", theme.dim), result]]
    if len(event.outputs) == 1 and not event.inputs:
        return [[Segment("    = ", theme.dim), chip(value_text(event.outputs[0]), "forward", theme)]]
    rows: list[Row] = [
        [Segment("    → ", theme.dim), say(f"{value.name}  ", theme.text), chip(described(value), "forward", theme)]
        for value in event.outputs
    ]
    rows.extend([[say(f"      {value.name}  {described(value)}", theme.dim)] for value in event.inputs])
    return rows


def described(value: Value) -> str:
    """A value in a row of its own."""
    if value.shape == ():
        return value_text(value)
    return f"{shape_text(value.shape)} {stats_text(value)}"


def saved_rows(step: explain.ForwardStep, theme: Theme) -> list[Row]:
    """`saved for backward  dy_hat/dw = x = 1`"""
    rows: list[Row] = []
    for at, saved in enumerate(step.saved):
        lead = "saved for backward  " if at == 0 else " " * 20
        text = f"{saved.symbol} = {saved.formula}"
        if saved.value is not None and number(saved.value) != saved.formula:
            text += f" = {number(saved.value)}"
        rows.append([Segment(lead, theme.dim), say(text, theme.backward)])
    return rows


def parts_rows(moment: Moment, event: ForwardEvent, theme: Theme) -> list[Row]:
    """The ops that a composite op is made of: they came just before it."""
    names = []
    for position in range(max(0, event.position - 60), event.position):
        part = moment.trace.event(position)
        if isinstance(part, ForwardEvent) and part.parent == event.position:
            names.append(f"{part.op} (event {position})")
    if not names:
        return []
    return [[Segment("made of  ", theme.dim), say(", ".join(names), theme.text)]]


# backward


def backward_rows(moment: Moment, event: BackwardEvent, width: int, height: int, theme: Theme) -> list[Row]:
    step = explain.backward_step(moment, event)
    rows: list[Row] = []
    for at, group in enumerate(step.groups):
        if scalar_group(group):
            rows.extend(scalar_rows(group, width, height, at == 0, theme))
        else:
            room = height - len(rows) - len(step.dead)
            rows.extend(tensor_rows(group, at, len(step.groups), width, room, theme))
    if not rows:
        rows.extend(unknown_rows(event, theme))
    rows.extend(dead_rows(step, theme))
    return rows


def scalar_group(group: Group) -> bool:
    """Whether arriving, local and leaving gradient are numbers."""
    local = group.local is None or group.local.shape == ()
    return is_number(group.arrives) and is_number(group.leaves) and local


def thirds(width: int) -> list[int]:
    third = max(12, width // 3)
    return [0, third, 2 * third]


def scalar_rows(group: Group, width: int, height: int, first: bool, theme: Theme) -> list[Row]:
    """Header, symbols, chips, sentence, product: the header goes when there is little room."""
    starts = thirds(width)
    rows: list[Row] = []
    if first and height >= 5:
        rows.append(columns([[Segment(text, theme.dim)] for text in headers(starts[1])], starts))
    symbols = [(group.arrives_symbol, theme.backward), (group.local_symbol, theme.forward)]
    symbols.append((group.leaves_symbol, theme.backward))
    indents = ("", "  ", "  ")
    rows.append(columns([[say(i + t, s)] for i, (t, s) in zip(indents, symbols, strict=True)], starts))
    rows.append(columns(chips(group, theme), starts))
    if group.sentence:
        rows.append([Segment("› ", theme.dim), say(group.sentence, theme.text)])
    if group.so_far:
        rows.append([Segment("so far  ", theme.dim), say(group.so_far, theme.backward)])
    if group.hooked:
        rows.append([Segment("a hook replaced this gradient on its way", theme.warning)])
    return rows


def headers(room: int) -> tuple[str, str, str]:
    """The words above the three places, with autograd's own names when there is room."""
    if room >= 38:
        return "gradient that arrives (grad_output)", "× local gradient", "= gradient that leaves (grad_input)"
    return "gradient that arrives", "× local gradient", "= gradient that leaves"


def chips(group: Group, theme: Theme) -> list[Row]:
    """`[-1.96] × [1] = [-1.96] → AccumulateGrad(w)`"""
    leaves: Row = [Segment("= ", theme.strong), chip(value_text(group.leaves), "backward", theme)]
    if group.goes_to:
        leaves.append(say(ARROW + group.goes_to, theme.dim))
    return [
        [chip(value_text(group.arrives), "backward", theme)],
        [Segment("× ", theme.strong), local_chip(group.local, theme)],
        leaves,
    ]


def local_chip(local: Local | None, theme: Theme) -> Segment:
    """The local gradient, or why there is none."""
    if local is None:
        return Segment("not known for this op", theme.dim)
    number_ = local.scalar
    if number_ is not None:
        return chip(number(number_), "forward", theme)
    return say(local.omitted or "not recorded", theme.dim)


def tensor_rows(group: Group, at: int, count: int, width: int, height: int, theme: Theme) -> list[Row]:
    """The formula, three pictures side by side, and their numbers; pictures only for the first, when there is room."""
    formula = group.equation or f"{group.leaves_symbol}: local gradient not known for this op"
    place: Row = [say(f"  input {at + 1} of {count}", theme.dim)] if count > 1 else []
    head: Row = [say(formula, theme.strong), *place, say(ARROW + group.goes_to, theme.dim)]
    others = 2 * (count - 1) if at == 0 else 0
    room = min(12, height - 3 - others)
    parts = pictures(group)
    rows = [head]
    if at == 0 and room >= 2:
        rows.extend(picture_rows(parts, width, room, theme))
    elif at == 0 or height >= 1:
        rows.append(numbers_row(parts, theme))
    if group.hooked:
        rows.append([Segment("a hook replaced this gradient on its way", theme.warning)])
    return rows


def pictures(group: Group) -> list[tuple[str, str, Value | Local]]:
    """What is drawn: word, symbol, thing."""
    found: list[tuple[str, str, Value | Local]] = []
    if group.arrives is not None:
        found.append(("arrives", group.arrives_symbol, group.arrives))
    if group.operand is not None:
        found.append(("local", group.operand.name, group.operand))
    elif group.local is not None:
        word = "Jacobian" if group.local.form == "jacobian" else "local"
        found.append((word, group.local_symbol, group.local))
    if group.leaves is not None:
        found.append(("leaves", group.leaves_symbol, group.leaves))
    return found


def picture_rows(parts: list[tuple[str, str, Value | Local]], width: int, room: int, theme: Theme) -> list[Row]:
    """Labels, heat maps and numbers in columns."""
    size = max(10, width // max(1, len(parts)))
    starts = [size * at for at in range(len(parts))]
    inks = {"arrives": theme.backward, "leaves": theme.backward}
    labels: list[Row] = [
        [Segment(f"{word} ", theme.dim), say(f"{symbol} {shape_text(thing.shape)}", inks.get(word, theme.forward))]
        for word, symbol, thing in parts
    ]
    drawn = [drawing(thing, parts, size - 3, room, theme) for _, _, thing in parts]
    height = max((len(rows) for rows in drawn), default=0)
    body = [columns([rows[at] if at < len(rows) else [] for rows in drawn], starts) for at in range(height)]
    stats: list[Row] = [[say(statistics(thing), theme.dim)] for _, _, thing in parts]
    return [columns(labels, starts), *body, columns(stats, starts)]


def drawing(
    thing: Value | Local, parts: list[tuple[str, str, Value | Local]], width: int, height: int, theme: Theme
) -> list[Row]:
    """A heat map, or the number of a scalar."""
    if isinstance(thing, Value) and thing.shape == ():
        return [[chip(value_text(thing), "backward", theme)]]
    first = parts[0][2]
    output_dims = len(first.shape) if isinstance(thing, Local) else None
    grid = picture(thing._trace, thing, output_dims, 2 * height, width)
    return [] if grid is None or not grid.size else heat_rows(grid, width, theme)


def statistics(thing: Value | Local) -> str:
    if isinstance(thing, Local):
        return (thing.omitted or "not recorded") if thing.array is None else ""
    return "" if thing.shape == () else stats_text(thing)


def numbers_row(parts: list[tuple[str, str, Value | Local]], theme: Theme) -> Row:
    """The pictures' numbers in one line, where there is no room to draw."""
    row: Row = []
    for word, _, thing in parts:
        if isinstance(thing, Local) and thing.array is not None:
            text = f"{word} {shape_text(thing.shape)}"
        else:
            shape = shape_text(thing.shape)
            text = f"{word} {value_text(thing) if isinstance(thing, Value) else shape + ' ' + statistics(thing)}"
        row.extend([Segment("  " if row else "", theme.dim), say(text, theme.text)])
    return row


def unknown_rows(event: BackwardEvent, theme: Theme) -> list[Row]:
    """No live input: what arrives, and why nothing more is known."""
    arrived = [value for value in event.upstream if value is not None]
    rows: list[Row] = [
        [Segment("arrives  ", theme.dim), say(f"{value.name}  {described(value)}", theme.backward)] for value in arrived
    ]
    if event.why:
        rows.append([say(event.why, theme.dim)])
    return rows


def dead_rows(step: BackwardStep, theme: Theme) -> list[Row]:
    """The inputs that get nothing, and why."""
    return [[say(f"{dead.input}: no gradient ({dead.why})", theme.dim)] for dead in step.dead]


# gradients and weights


def accumulate_rows(moment: Moment, event: AccumulateEvent, width: int, height: int, theme: Theme) -> list[Row]:
    starts = thirds(width)
    name = f"{event.tensor}.grad"
    labels = (f"{name} before", "+ arriving", f"= {name} now")
    rows = [columns([[say(text, theme.dim)] for text in labels], starts), columns(sum_chips(event, theme), starts)]
    fresh, sentence = explain.accumulated(moment, event)
    verdict: Row = [say(("✓ " if fresh else "! ") + sentence, theme.good if fresh else theme.error)]
    if width_of(verdict) > width:
        rows.extend(text_rows(verdict[0].text, width, theme.good if fresh else theme.error))
    else:
        rows.append(verdict)
    if not fresh:
        text = f"  this pass alone gives {value_text(event.arrived)}"
        rows.append([say(text, theme.dim)])
    room = min(10, height - len(rows) - 2)
    if event.arrived.shape and room >= 2:
        rows.extend(picture_rows(accumulate_pictures(event), width, room, theme))
    return rows


def sum_chips(event: AccumulateEvent, theme: Theme) -> list[Row]:
    return [
        [chip(value_text(event.before), "other", theme)],
        [Segment("+ ", theme.strong), chip(value_text(event.arrived), "backward", theme)],
        [Segment("= ", theme.strong), chip(value_text(event.after), "backward", theme)],
    ]


def accumulate_pictures(event: AccumulateEvent) -> list[tuple[str, str, Value | Local]]:
    values = (("before", event.before), ("arriving", event.arrived), ("now", event.after))
    return [(word, "", value) for word, value in values if value is not None]


def update_rows(event: UpdateEvent, width: int, height: int, theme: Theme) -> list[Row]:
    if explain.plain_step(event):
        rows = plain_rows(event, theme)
    else:
        rows = [before_after(event.tensor, event.before, event.after, "update", theme)]
    rows.extend(moved_rows(event, theme))
    rows.extend(state_rows(event, theme))
    if event.grad_enabled:
        rows.append([Segment("! gradients were on: wrap the update in torch.no_grad()", theme.warning)])
    room = min(8, height - len(rows) - 2)
    if event.before.shape and room >= 2:
        rows.extend(picture_rows(update_pictures(event), width, room, theme))
    return rows


def update_pictures(event: UpdateEvent) -> list[tuple[str, str, Value | Local]]:
    values = (("before", event.before), ("grad", event.grad), ("after", event.after))
    return [(word, "", value) for word, value in values if value is not None]


def plain_rows(event: UpdateEvent, theme: Theme) -> list[Row]:
    """`w ← w - lr · w.grad` and the same with numbers: checked against the recorded values before."""
    name = event.tensor
    assert event.lr is not None
    return [
        [say(f"{name} ← {name} - lr · {name}.grad", theme.strong)],
        [
            Segment("  = ", theme.dim), chip(value_text(event.before), "other", theme),
            Segment(f" - {number(event.lr)} × ", theme.text), chip(value_text(event.grad), "backward", theme),
            Segment(" = ", theme.text), chip(value_text(event.after), "update", theme),
        ],
    ]  # fmt: skip


def before_after(name: str, before: Value | None, after: Value | None, phase: str, theme: Theme) -> Row:
    """`w [1] → [2]`"""
    return [
        say(f"{name}  ", theme.strong), chip(value_text(before), "backward" if phase == "zero_grad" else "other", theme),
        Segment("  →  ", theme.text), chip(value_text(after), phase, theme),
    ]  # fmt: skip


def moved_rows(event: UpdateEvent, theme: Theme) -> list[Row]:
    """How far it moved, and which way."""
    moved = explain.moved(event.before, event.after)
    if moved is None:
        return []
    if moved.change is None:
        share = "" if moved.relative is None else f"   |Δ|/|v| = {number(moved.relative)}"
        return [[say(f"Δ ‖{number(moved.norm)}‖{share}", theme.update)]]
    slope = event.grad.scalar if event.grad is not None else None
    text = f"moved {signed(moved.change)}"
    if slope and moved.change * slope < 0:
        grows = "grows" if moved.change > 0 else "shrinks"
        sign = "<" if slope < 0 else ">"
        text += f": against the gradient (grad {number(slope)} {sign} 0, so {event.tensor} {grows})"
    elif slope and moved.change:
        text += ": along the gradient"
    return [[say(text, theme.dim)]]


def state_rows(event: UpdateEvent, theme: Theme) -> list[Row]:
    """The state that the optimizer keeps for this weight."""
    lead = [] if event.lr is None or explain.plain_step(event) else [f"lr {number(event.lr)}"]
    rows: list[Row] = [[Segment(f"{event.by}  " + "".join(lead), theme.dim)]] if lead else []
    for name, change in event.state.items():
        text = f"{value_text(change.before) if change.before else '-'} → {value_text(change.after)}"
        rows.append([say(f"  {name}  ", theme.dim), say(text, theme.text)])
    return rows


def zero_rows(event: ZeroGradEvent, width: int, theme: Theme) -> list[Row]:
    why = "backward() adds into .grad; without this the next gradient would be added on top of this one"
    rows = [before_after(f"{event.tensor}.grad", event.before, event.after, "zero_grad", theme)]
    return [*rows, *text_rows(why, width, theme.dim)]


def grad_write_rows(event: GradWriteEvent, theme: Theme) -> list[Row]:
    row = before_after(f"{event.tensor}.grad", event.before, event.after, "backward", theme)
    return [row, [say(f"written by {event.by}, not by a backward pass", theme.dim)]]


# passes


def start_rows(event: BackwardStartEvent, theme: Theme) -> list[Row]:
    """Roots and their seeds."""
    rows: list[Row] = []
    for at, root in enumerate(event.roots):
        seed = event.seeds[at] if at < len(event.seeds) else None
        rows.append([
            Segment("from ", theme.dim), say(root.name, theme.strong), Segment(" = ", theme.dim),
            chip(value_text(root), "forward", theme), say(f"   seed d{root.name}/d{root.name} = ", theme.dim)
            if seed is None or seed.scalar == 1 else Segment("   seed ", theme.dim),
            chip("1" if seed is None else value_text(seed), "backward", theme),
        ])  # fmt: skip
    rows.append([Segment("every node multiplies what arrives by its local gradient, the last op first", theme.dim)])
    if event.inputs is not None:
        names = ", ".join(value.name for value in event.inputs)
        rows.append([say(f"only for {names}: the gradients are returned, .grad is left alone", theme.dim)])
    kept = [word for word, on in (("retain_graph", event.retain_graph), ("create_graph", event.create_graph)) if on]
    return [*rows, [Segment(", ".join(kept), theme.dim)]] if kept else rows


def end_rows(moment: Moment, event: BackwardEndEvent, theme: Theme) -> list[Row]:
    """What each leaf received, and what was returned."""
    rows: list[Row] = [
        [Segment("returned  ", theme.dim), say("None" if v is None else f"{v.name}  {described(v)}", theme.backward)]
        for v in event.captured
    ]
    first, _ = moment.trace.span_of_pass(moment.position)
    for position in range(max(first, moment.position - 400), moment.position):
        received = moment.trace.event(position) if moment.trace.kind_at(position) == ACCUMULATE else None
        if isinstance(received, AccumulateEvent):
            text = f"{received.tensor}.grad  received {described(received.arrived)}"
            state = moment.grad_state(received.number)
            tail = f"  ! sum of {state.count}" if state.kind is GradKind.SUM else ""
            rows.append([Segment("⊕ ", theme.backward), say(text, theme.text), Segment(tail, theme.error)])
    return rows or [[Segment("no leaf received a gradient", theme.dim)]]
