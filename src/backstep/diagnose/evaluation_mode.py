"""A model is trained in eval mode (dropout off, batch norm not following), or evaluated in training mode."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from backstep.diagnose.finding import Finding, Level, NotLooked, Related, Rule
from backstep.diagnose.script_text import switched_to_eval
from backstep.diagnose.story import Story
from backstep.diagnose.wording import at, told
from backstep.trace.event import ForwardEvent, Value

DROPOUTS = frozenset("dropout dropout1d dropout2d dropout3d alpha_dropout feature_alpha_dropout".split())
SWITCHED = DROPOUTS | {"batch_norm"}
FIGURES = frozenset("argmax item tolist eq max topk numpy cross_entropy mse_loss l1_loss nll_loss".split())
"""What makes a figure of an output, when a model is evaluated."""
ENOUGH = 2


def look(story: Story) -> Iterator[Finding | NotLooked]:
    calls: defaultdict[tuple[str, str], list[ForwardEvent]] = defaultdict(list)
    for event in story.forwards:
        if event.op in SWITCHED and event.parent is None and matters(event):
            calls[event.module or "", event.op].append(event)
    trained = trained_iterations(story)
    yield from first(trained_in_eval(story, events, trained) for events in calls.values())
    yield from first(evaluated_in_training(story, events) for events in calls.values())


def first(findings: Iterator[Finding | None]) -> Iterator[Finding]:
    """The mode belongs to the whole model: one layer speaks for all."""
    found = next((finding for finding in findings if finding is not None), None)
    if found is not None:
        yield found


def argument(event: ForwardEvent, name: str) -> object:
    return next((given["value"] for given in event.arguments if given["name"] == name), None)


def matters(event: ForwardEvent) -> bool:
    return bool(event.inputs) and argument(event, "training") is not None and argument(event, "p") != 0


def trained_iterations(story: Story) -> list[int]:
    """The iterations in which a backward pass delivered and an update followed, ascending."""
    delivered = {one.start.iteration for one in story.finished if one.contributions}
    stepped = {step[0].iteration for step in story.steps}
    return sorted(number for number in delivered & stepped if number is not None)


# trained in eval mode


def trained_in_eval(story: Story, events: list[ForwardEvent], trained: list[int]) -> Finding | None:
    """Whether a layer that was in training mode, or should be, is passed by a gradient in eval mode."""
    learning = [e for e in events if e.grad_enabled and e.inputs[0].requires_grad and e.iteration in set(trained)]
    on = [event for event in learning if argument(event, "training") is True]
    off = [event for event in learning if argument(event, "training") is False]
    later = [event for event in off if on and event.position > on[0].position]
    if len(later) >= ENOUGH:
        return in_eval(story, later[0], later[-1].position, f"from iteration {later[0].iteration} on")
    if not on and len(off) >= ENOUGH and (off[0].op in DROPOUTS or untouched(off[0].inputs[1:3])):
        return in_eval(story, off[0], off[-1].position, "from the start")
    missing = missing_since(story, on, trained) if on and on[0].op in DROPOUTS and not off else None
    if missing is not None:
        iteration, position = missing
        return in_eval(story, on[-1], position, f"from iteration {iteration} on")
    return None


def missing_since(story: Story, on: list[ForwardEvent], trained: list[int]) -> tuple[int, int] | None:
    """Since when a dropout that is part of each training iteration leaves no trace, as in eval mode it does not."""
    ran = {event.iteration for event in on}
    without = [number for number in trained if number not in ran]
    last = max(number for number in ran if number is not None)
    if len(without) < ENOUGH or without[0] < last or len(ran) != len([n for n in trained if n <= last]):
        return None
    beside = {e.source.line for e in story.forwards if e.iteration == on[0].iteration and e.source and not e.module}
    still = [e for e in story.forwards if e.iteration == without[0] and e.source and e.source.line in beside]
    return (without[0], still[0].position) if still else None


def in_eval(story: Story, event: ForwardEvent, position: int, when: str) -> Finding:
    effect = "dropout drops nothing" if event.op in DROPOUTS else "batch norm goes by its running statistics"
    switch = switched_to_eval(story, event)
    return Finding(
        Level.WARNING,
        f"{event.module or event.op} is trained in eval mode {when}: {effect}.",
        "Call model.train() before each epoch of training, after every evaluation.",
        switch or event.source,
        (event.position, position),
        "training=False",
        (Related(event.source, "the forward pass that is trained"),),
    )


def untouched(statistics: tuple[Value, ...]) -> bool:
    """Whether running mean and variance are still those of a new layer: then nobody froze a trained one."""
    summaries = [value.summary for value in statistics]
    return len(summaries) == 2 and all(
        summary is not None and summary.min == summary.max == number
        for summary, number in zip(summaries, (0.0, 1.0), strict=True)
    )


# evaluated in training mode


def evaluated_in_training(story: Story, events: list[ForwardEvent]) -> Finding | None:
    """Whether a layer that is trained also runs in training mode where nothing is learnt from what comes out."""
    on = [event for event in events if argument(event, "training") is True]
    learning = [event for event in on if event.grad_enabled]
    looking = [event for event in on if not event.grad_enabled and judged_only(story, event)]
    if not learning or not looking or repeated(story, looking):
        return None
    event = looking[0]
    effect = "dropout is active" if event.op in DROPOUTS else "batch norm goes by, and follows, the evaluation's batch"
    return Finding(
        Level.WARNING,
        f"{event.module or event.op} runs in training mode where the model is evaluated: {effect}, in"
        f" {told(len(looking), 'forward pass', 'forward passes')}.",
        "Call model.eval() before the evaluation, and model.train() before the next training.",
        event.source,
        tuple(one.position for one in looking[:3]),
        "training=True",
        (Related(learning[0].source, f"trained on {at(learning[0].source)}"),),
    )


def judged_only(story: Story, event: ForwardEvent) -> bool:
    """Whether what follows ends in a figure, and in nothing that is learnt from."""
    tensor, position = event.outputs[0].tensor if event.outputs else -1, event.position
    for _ in range(60):
        readers = [reader for reader in story.readers[tensor] if reader > position]
        following = story.event(readers[0]) if readers else None
        if not isinstance(following, ForwardEvent) or following.grad_enabled:
            return False
        if following.op in FIGURES:
            return True
        if not following.outputs:
            return False
        tensor, position = following.outputs[0].tensor, following.position
    return False


def repeated(story: Story, looking: list[ForwardEvent]) -> bool:
    """Whether the same input goes through several times in a row: a distribution of predictions is wanted."""
    updates = [step[0].position for step in story.steps]
    return any(
        origin(story, one) == origin(story, other)
        and not any(one.position < update < other.position for update in updates)
        for one, other in pairwise(looking)
    )


def origin(story: Story, event: ForwardEvent) -> int:
    """The tensor that a forward pass began with."""
    value, position = event.inputs[0], event.position
    while True:
        made = story.maker(value.tensor, position)
        if made is None or not made.inputs or made.grad_enabled or made.op == "getitem":
            return value.tensor
        value, position = made.inputs[0], made.position


RULE = Rule("evaluation-mode", "a model is trained in eval mode, or evaluated in training mode", look)
