"""The script ended by an exception: what torch's own words mean, and the shapes and types that led to it."""

from __future__ import annotations

from collections.abc import Iterator

from backstep.diagnose import backward_twice, inplace_modification, no_gradient
from backstep.diagnose.finding import Finding, Level, NotLooked, Rule
from backstep.diagnose.leaf_replaced import replacements
from backstep.diagnose.lineage import described
from backstep.diagnose.story import Story
from backstep.diagnose.wording import shape
from backstep.trace.event import ExceptionEvent, ForwardEvent

TOLD_ELSEWHERE = (
    backward_twice.FREED,
    no_gradient.MESSAGE,
    "modified by an inplace operation",
    *inplace_modification.LEAF,
)

KNOWN = (
    ("grad can be implicitly created only for scalar outputs",
     "The backward pass starts from a tensor of more than one element, without a gradient for it.",
     "Reduce it to one number first (.mean() or .sum()), or give backward() a gradient of its shape."),
    ("mat1 and mat2 shapes cannot be multiplied",
     "The sizes of two layers do not fit.",
     "Make the input size of this layer the output size of what comes before it."),
    ("Target", "A target is no valid class for so many outputs.",
     "Count classes from 0 and give the last layer as many outputs as there are classes."),
    ("all elements of input should be between 0 and 1", "binary_cross_entropy takes probabilities.",
     "Apply a sigmoid before it, or use binary_cross_entropy_with_logits on the raw outputs."),
    ("expected scalar type", "The types of the tensors do not fit.",
     "Convert one of them: float32 for inputs, int64 for class targets."),
    ("must have the same dtype", "The types of the tensors do not fit.",
     "Convert one of them: float32 for inputs, int64 for class targets."),
    ("Found dtype", "The types of the tensors do not fit.",
     "Convert the target to the type of the prediction (.float())."),
    ("must match the size of tensor", "The shapes of two tensors do not fit together.",
     "Bring them to shapes that are equal, or 1 where they differ."),
    ("Expected more than 1 value per channel when training", "Batch norm cannot normalise a batch of one.",
     "Use drop_last=True or a larger batch, or eval mode for single examples."),
    ("One of the differentiated Tensors appears to not have been used in the graph",
     "A gradient is asked for by a tensor that the result does not depend on.",
     "Compute the result from that very tensor, or pass allow_unused=True."),
    ("can't optimize a non-leaf Tensor", "An optimizer is given a tensor that was computed, not a parameter.",
     "Give it the leaf itself: make the tensor, then call requires_grad_()."),
    ("optimizer got an empty parameter list", "The model lists no parameter.",
     "Assign layers as attributes, or keep them in nn.ModuleList or nn.ParameterList."),
)  # fmt: skip
"""Part of a message, what happened, how to mend it."""


def look(story: Story) -> Iterator[Finding | NotLooked]:
    crash = story.crash
    if crash is None or crash.type in ("SystemExit", "KeyboardInterrupt"):
        return
    replaced = next(replacements(story), None) is not None
    if replaced or any(words in crash.message for words in TOLD_ELSEWHERE):
        return
    what, fix = meaning(crash)
    last = last_shapes(story, crash)
    yield Finding(
        Level.ERROR,
        f"The script ends by {crash.type}: {first_line(crash.message)}. {what}".rstrip(),
        fix,
        crash.source,
        (crash.position,),
        last,
    )


def meaning(crash: ExceptionEvent) -> tuple[str, str]:
    for words, what, fix in KNOWN:
        if words in crash.message:
            return what, fix
    return "", "Look at the values that this line works with, at the event before it."


def first_line(message: str) -> str:
    lines = message.strip().splitlines()
    text = lines[0] if lines else ""
    return (text if len(text) <= 140 else text[:139] + "…").rstrip(".")


def last_shapes(story: Story, crash: ExceptionEvent) -> str:
    """The op before, with what it made."""
    done = [event for event in story.forwards if event.position < crash.position and event.outputs]
    event: ForwardEvent | None = done[-1] if done else None
    return "" if event is None else f"last: {described(event)} → {shape(event.outputs[0])}"


RULE = Rule("uncaught-exception", "the script ends by an exception", look)
