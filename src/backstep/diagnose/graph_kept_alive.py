"""Results are summed or kept with their graphs: nothing of any iteration's forward pass can be freed."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator

from backstep.diagnose.finding import Finding, Level, NotLooked, Rule
from backstep.diagnose.lineage import described
from backstep.diagnose.story import Story, line_of
from backstep.diagnose.wording import told
from backstep.trace.event import ForwardEvent, Value

ENOUGH = 3
"""Iterations whose graphs one tensor keeps."""


def look(story: Story) -> Iterator[Finding | NotLooked]:
    passed: dict[int, int | None] = {}
    for one in story.finished:
        passed.update((root.tensor, one.start.iteration) for root in one.start.roots)
    needed = needed_ops(story)
    graphs: dict[int, frozenset[int]] = {}
    told_of: set[tuple[str, int] | None] = set()
    blamed: set[int] = set()
    for event in story.forwards:
        if event.parent is not None or not event.outputs or not event.outputs[0].requires_grad:
            continue
        if event.position in needed:
            continue
        kept = frozenset().union(*(kept_by(story, event, value, passed, graphs) for value in event.inputs))
        if kept:
            graphs[event.outputs[0].tensor] = kept
            if len(kept) < ENOUGH:
                continue
            follows = any(value.tensor in blamed for value in event.inputs)
            blamed.add(event.outputs[0].tensor)
            if not follows and line_of(event) not in told_of:
                told_of.add(line_of(event))
                yield found(event, kept)
    yield from taken_out_late(story, passed, told_of)


def kept_by(
    story: Story, event: ForwardEvent, value: Value, passed: dict[int, int | None], graphs: dict[int, frozenset[int]]
) -> frozenset[int]:
    """The iterations whose graphs a value holds, though their time is over."""
    if not value.requires_grad or value.leaf:
        return frozenset()
    iteration = passed.get(value.tensor)
    if iteration is None:
        made = story.maker(value.tensor, event.position)
        iteration = None if made is None or made.iteration == event.iteration else made.iteration
    own = frozenset() if iteration is None else frozenset({iteration})
    return graphs.get(value.tensor, frozenset()) | own


def needed_ops(story: Story) -> set[int]:
    """The ops that backward passes went through, with those that they are parts of: their graphs are no waste."""
    needed = {node.forward for one in story.passes for node in one.nodes if node.forward is not None}
    parents = {event.parent for event in story.forwards if event.position in needed and event.parent is not None}
    return needed | parents


def taken_out_late(
    story: Story, passed: dict[int, int | None], told_of: set[tuple[str, int] | None]
) -> Iterator[Finding]:
    """Losses of many iterations whose numbers are asked for only after the loop: until then all were kept."""
    starts = [one.start.position for one in story.finished]
    ended = {root.tensor: number for number, one in enumerate(story.finished, 1) for root in one.start.roots}
    late: dict[tuple[str, int] | None, list[tuple[ForwardEvent, int]]] = {}
    for event in story.forwards:
        if event.outputs or not event.inputs or not event.inputs[0].requires_grad:
            continue
        tensor = event.inputs[0].tensor
        iteration = passed.get(tensor)
        # The last loss of an epoch may well be printed after it: only one that several passes came after was kept.
        if iteration is not None and bisect(starts, event.position) - ended[tensor] >= ENOUGH:
            late.setdefault(line_of(event), []).append((event, iteration))
    for line, events in late.items():
        iterations = frozenset(iteration for _, iteration in events)
        if len(iterations) >= ENOUGH and line not in told_of:
            yield found(events[0][0], iterations)


def found(event: ForwardEvent, kept: frozenset[int]) -> Finding:
    what = event.outputs[0].name if event.outputs else event.inputs[0].name
    return Finding(
        Level.WARNING,
        f"{described(event)} holds on to the graphs of {told(len(kept), 'iteration')} that no backward pass will go"
        " through any more: memory grows with every iteration.",
        "Keep the number, not the tensor (.item()), or cut its graph (.detach(), torch.no_grad()).",
        event.source,
        (event.position,),
        f"{what} needs the graphs of {len(kept)} iterations",
    )


RULE = Rule("graph-kept-alive", "losses are summed or kept with their graphs", look)
