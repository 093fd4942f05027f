"""A loss that applies its own softmax or sigmoid is given the output of one, so that it is applied twice."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from backstep.diagnose.finding import Finding, Level, NotLooked, Related, Rule
from backstep.diagnose.lineage import described
from backstep.diagnose.story import Story, line_of
from backstep.diagnose.wording import at, figure
from backstep.trace.event import ForwardEvent, Value

LOGITS = {
    "cross_entropy": "softmax",
    "log_softmax": "softmax",
    "binary_cross_entropy_with_logits": "sigmoid",
    "multilabel_soft_margin_loss": "sigmoid",
    "soft_margin_loss": "sigmoid",
}
"""Losses (and the first half of one) that take logits, and what they apply themselves."""
LOGARITHMS = frozenset({"nll_loss", "kl_div"})
"""Losses that take log-probabilities."""
PASSING = frozenset(
    "squeeze unsqueeze view reshape flatten view_as permute transpose t contiguous getitem clone".split()
)
"""Ops that leave the numbers as they are."""
PROBABILITIES = frozenset({"softmax", "sigmoid", "sigmoid_", "hardsigmoid", "softmin"})


def look(story: Story) -> Iterator[Finding | NotLooked]:
    seen: set[tuple[str, int] | None] = set()
    for event in story.forwards:
        if event.parent is not None or not event.inputs or not event.inputs[0].requires_grad:
            continue
        if not event.grad_enabled or line_of(event) in seen:
            continue
        made = origin(story, event.inputs[0], event.position)
        found = None if made is None else judged(story, event, made)
        if found is not None:
            seen.add(line_of(event))
            yield found


def judged(story: Story, event: ForwardEvent, made: ForwardEvent) -> Finding | None:
    """What is wrong between a loss and the op that made its input."""
    applied = LOGITS.get(event.op)
    if applied is not None and (made.op == applied or (made.op in PROBABILITIES and event.op != "log_softmax")):
        return twice(event, made, applied)
    if event.op == "cross_entropy" and made.op in ("relu", "relu_") and zeros(event.inputs[0]):
        return rectified(event, made)
    if event.op in LOGARITHMS and made.op == "softmax":
        return wrong_scale(event, made, "probabilities", f"Use log_softmax instead of {made.op}.")
    if event.op in LOGARITHMS and above_zero(event.inputs[0]):
        return wrong_scale(event, made, "raw outputs", "Put a log_softmax in between, or use cross_entropy.")
    return None


def origin(story: Story, value: Value, before: int) -> ForwardEvent | None:
    """The op that made the numbers of a value, past mere changes of shape."""
    for _ in range(6):
        made = story.maker(value.tensor, before)
        if made is None or made.op not in PASSING or not made.inputs:
            return made
        value, before = made.inputs[0], made.position
    return None


def twice(event: ForwardEvent, made: ForwardEvent, applied: str) -> Finding:
    return Finding(
        Level.ERROR,
        f"{described(made)} makes probabilities, and `{event.op}` on {at(event.source)} applies {applied} to them once"
        f" more: the loss cannot get small and its gradient is squashed.",
        f"Give `{event.op}` the raw outputs; apply {made.op} only where probabilities are wanted.",
        made.source,
        (made.position, event.position),
        numbers_of(event.inputs[0]),
        (Related(event.source, f"applies {applied} itself"),),
    )


def zeros(value: Value) -> bool:
    """Whether the rectifier has really cut something off."""
    summary = value.summary
    return summary is not None and summary.zeros > 0


def rectified(event: ForwardEvent, made: ForwardEvent) -> Finding:
    summary = event.inputs[0].summary
    count = 0 if summary is None else summary.zeros
    return Finding(
        Level.WARNING,
        f"{described(made)} cuts the logits that `{event.op}` on {at(event.source)} takes off at 0: {count} of them are"
        " exactly 0, and get no gradient.",
        "Give the loss the raw outputs of the last layer.",
        made.source,
        (made.position, event.position),
        numbers_of(event.inputs[0]),
        (Related(event.source, "takes logits of either sign"),),
    )


def above_zero(value: Value) -> bool:
    """Whether these cannot be log-probabilities."""
    summary = value.summary
    return summary is not None and summary.max is not None and summary.max > 1e-3


def wrong_scale(event: ForwardEvent, made: ForwardEvent, given: str, fix: str) -> Finding:
    return Finding(
        Level.ERROR,
        f"`{event.op}` on {at(event.source)} takes log-probabilities, but {described(made)} gives it {given}.",
        fix,
        made.source,
        (made.position, event.position),
        numbers_of(event.inputs[0]),
        (Related(event.source, "takes log-probabilities"),),
    )


def numbers_of(given: Value) -> str:
    """That these are probabilities: their range, and what rows sum to."""
    summary, array = given.summary, given.array
    if summary is None or summary.min is None:
        return ""
    text = f"{given.name} in [{figure(summary.min)}, {figure(summary.max)}]"
    if array is not None and array.ndim == 2 and np.allclose(array.sum(1), 1, atol=1e-3):
        text += ", each row sums to 1"
    return text


RULE = Rule("activation-before-loss", "softmax or sigmoid before a loss that applies its own", look)
