"""Losses are summed or kept with their graphs: nothing of any iteration's forward pass can be freed."""

from __future__ import annotations

from collections.abc import Iterator

from backstep.diagnose.finding import Finding, Level, NotLooked, Rule
from backstep.diagnose.lineage import described
from backstep.diagnose.story import Story, line_of
from backstep.diagnose.wording import told
from backstep.trace.event import ForwardEvent, Value

ENOUGH = 3
"""Iterations whose graphs one tensor keeps."""
SUMS = frozenset("add add_ sub mul div stack cat sum mean".split())


def look(story: Story) -> Iterator[Finding | NotLooked]:
    passed: dict[int, int | None] = {}
    for one in story.finished:
        passed.update((root.tensor, one.start.iteration) for root in one.start.roots)
    needed = needed_tensors(story)
    graphs: dict[int, frozenset[int]] = {}
    told_of: set[tuple[str, int] | None] = set()
    for event in story.forwards:
        if event.parent is not None or not event.outputs or not event.outputs[0].requires_grad:
            continue
        kept = frozenset().union(*(kept_by(value, passed, graphs) for value in event.inputs))
        result = event.outputs[0].tensor
        if kept and event.op in SUMS and result not in needed:
            graphs[result] = kept
            if len(kept) >= ENOUGH and line_of(event) not in told_of:
                told_of.add(line_of(event))
                yield found(event, kept)
    yield from taken_out_late(story, passed, told_of)


def kept_by(value: Value, passed: dict[int, int | None], graphs: dict[int, frozenset[int]]) -> frozenset[int]:
    """The iterations whose graphs a value holds, if passes have run over them already."""
    if not value.requires_grad or value.leaf:
        return frozenset()
    if value.tensor in graphs:
        return graphs[value.tensor]
    iteration = passed.get(value.tensor)
    return frozenset() if iteration is None else frozenset({iteration})


def needed_tensors(story: Story) -> set[int]:
    """What backward passes went through: to keep a graph for these is no waste."""
    return {
        value.tensor
        for one in story.passes
        for root in one.start.roots
        for event in story.ancestors(root, one.start.position, limit=200)
        for value in event.outputs
    } | {root.tensor for one in story.passes for root in one.start.roots}


def taken_out_late(
    story: Story, passed: dict[int, int | None], told_of: set[tuple[str, int] | None]
) -> Iterator[Finding]:
    """Losses of many iterations whose numbers are asked for only after the loop: until then all were kept."""
    late: dict[tuple[str, int] | None, list[tuple[ForwardEvent, int]]] = {}
    for event in story.forwards:
        if event.outputs or not event.inputs or not event.inputs[0].requires_grad:
            continue
        iteration = passed.get(event.inputs[0].tensor)
        if iteration is not None and event.iteration != iteration:
            late.setdefault(line_of(event), []).append((event, iteration))
    for line, events in late.items():
        iterations = frozenset(iteration for _, iteration in events)
        if len(iterations) >= ENOUGH and line not in told_of:
            yield found(events[0][0], iterations)


def found(event: ForwardEvent, kept: frozenset[int]) -> Finding:
    what = event.outputs[0].name if event.outputs else event.inputs[0].name
    return Finding(
        Level.WARNING,
        f"{described(event)} holds the losses of {told(len(kept), 'iteration')} with their graphs, though their"
        " backward passes are over: memory grows with every iteration.",
        f"Keep the number, not the tensor: {'loss' if event.outputs else what}.item() (or .detach()).",
        event.source,
        (event.position,),
        f"{what} needs the graphs of {len(kept)} iterations",
    )


RULE = Rule("graph-kept-alive", "losses are summed or kept with their graphs", look)
