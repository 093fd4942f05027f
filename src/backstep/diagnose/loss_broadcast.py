"""Predictions `[N, 1]` and targets `[N]` meet in the loss, and broadcasting makes `[N, N]` of them."""

from __future__ import annotations

from collections.abc import Iterator

from backstep.diagnose.finding import Finding, Level, NotLooked, Rule
from backstep.diagnose.lineage import described
from backstep.diagnose.story import Story, line_of
from backstep.diagnose.wording import shape
from backstep.trace.event import ForwardEvent, Value

LOSSES = frozenset("mse_loss l1_loss smooth_l1_loss huber_loss poisson_nll_loss gaussian_nll_loss".split())
DIFFERENCES = frozenset({"sub", "rsub", "mul", "div", "add"})
GIVES_AXIS = frozenset({"unsqueeze", "getitem"})
"""What makes `[N, 1]` of `[N]` where all pairs are wanted: `x[:, None] - y`."""
ON_THE_WAY = frozenset(
    "pow square abs mean sum sqrt mul div neg add sub log cosh logcosh where clamp huber exp log1p".split()
)
"""What a loss written by hand does after the difference."""
BESIDE = frozenset("lt le gt ge detach item isnan isfinite".split())
"""... and what it does beside: conditions, and a look at the numbers."""
STEPS_TO_LOSS = 16


def look(story: Story) -> Iterator[Finding | NotLooked]:
    seen: set[tuple[str, int] | None] = set()
    for event in story.forwards:
        if event.parent is not None or not event.outputs or line_of(event) in seen:
            continue
        if event.op in LOSSES and len(event.inputs) >= 2 and needs(event):
            one, other = event.inputs[:2]
            if one.shape != other.shape and spreads(one, other):
                seen.add(line_of(event))
                yield found(event, one, other)
        elif event.op in DIFFERENCES and len(event.inputs) == 2 and needs(event):
            one, other = event.inputs
            if squared(one, other, event.outputs[0]) and independent(story, event) and ends_in_loss(story, event):
                seen.add(line_of(event))
                yield found(event, one, other)


def needs(event: ForwardEvent) -> bool:
    """Whether one side is computed by the model and the other is given."""
    return event.grad_enabled and sum(value.requires_grad for value in event.inputs[:2]) == 1


def spreads(one: Value, other: Value) -> bool:
    """Whether both sides are repeated, or one against a side with as many elements."""
    count = 1
    for size in broadcast(one.shape, other.shape):
        count *= size
    return count > max(elements(one), elements(other)) and min(elements(one), elements(other)) > 1


def squared(one: Value, other: Value, out: Value) -> bool:
    """`[N]` against `[N, 1]` (or `[N, 1]` against `[1, N]` of a squeezed target): N x N from N and N."""
    count = elements(one)
    flat = min((one, other), key=lambda value: len(value.shape))
    return (
        count == elements(other) > 1 and len(flat.shape) == 1 and len(out.shape) == 2 and elements(out) == count * count
    )


def elements(value: Value) -> int:
    count = 1
    for size in value.shape:
        count *= size
    return count


def broadcast(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    length = max(len(one), len(other))
    pairs = zip((1,) * (length - len(one)) + one, (1,) * (length - len(other)) + other, strict=True)
    return tuple(max(a, b) for a, b in pairs)


def independent(story: Story, event: ForwardEvent) -> bool:
    """Whether all pairs are not what is meant: neither side is a view of the other, nor given its axis on the spot."""
    sides: list[set[int]] = []
    for value in event.inputs:
        made = story.maker(value.tensor, event.position)
        if made is not None and made.op in GIVES_AXIS and line_of(made) == line_of(event):
            return False
        sides.append({value.tensor} | ({one.tensor for one in made.inputs} if made is not None else set()))
    return not sides[0] & sides[1]


def ends_in_loss(story: Story, event: ForwardEvent) -> bool:
    """Whether everything that is done with the result leads to the root of a backward pass, by ops of a loss."""
    roots = {value.tensor for one in story.passes for value in one.start.roots}
    todo, reached = [(event.outputs[0].tensor, event.position)], False
    for _ in range(STEPS_TO_LOSS):
        if not todo:
            break
        tensor, position = todo.pop()
        reached = reached or tensor in roots
        for reader in story.readers[tensor] if tensor not in roots else ():
            step = story.event(reader)
            if reader <= position or not isinstance(step, ForwardEvent) or step.op in BESIDE:
                continue
            if step.op not in ON_THE_WAY or not step.outputs:
                return False
            todo.append((step.outputs[0].tensor, step.position))
    return reached


def found(event: ForwardEvent, one: Value, other: Value) -> Finding:
    result = list(broadcast(one.shape, other.shape))
    return Finding(
        Level.ERROR,
        f"In {described(event)} {one.name} is {shape(one)} and {other.name} is {shape(other)}: broadcasting makes"
        f" {result} of them, every prediction against every target.",
        f"Give both the same shape: {other.name}.view_as({one.name}), or squeeze the prediction.",
        event.source,
        (event.position,),
        f"{shape(one)} and {shape(other)} → {result}",
    )


RULE = Rule("loss-broadcast", "prediction and target are broadcast against each other in the loss", look)
