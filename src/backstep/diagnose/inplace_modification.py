"""The engine refuses a saved tensor that was overwritten, or an op refuses to overwrite a leaf: who did it, where."""

from __future__ import annotations

import re
from collections.abc import Iterator

from backstep.diagnose.finding import Finding, Level, NotLooked, Related, Rule
from backstep.diagnose.lineage import carried_over, described
from backstep.diagnose.story import Story
from backstep.diagnose.wording import at
from backstep.trace.event import ExceptionEvent, ForwardEvent, UpdateEvent, Value

SAVED = re.compile(
    r"modified by an inplace operation: \[\S+ \[([\d, ]*)\]\].*is at version (\d+); expected version (\d+)", re.DOTALL
)
OVERWRITTEN = "modified by an inplace operation"
LEAF = ("a leaf Variable that requires grad", "a view of a leaf Variable that requires grad")

Writer = tuple[ForwardEvent | UpdateEvent, Value]


def look(story: Story) -> Iterator[Finding | NotLooked]:
    for raised in story.exceptions:
        if raised is not story.crash:
            continue
        if raised.message.startswith(LEAF):
            yield leaf_overwritten(raised)
        elif (match := SAVED.search(raised.message)) is not None:
            shape = tuple(int(part) for part in match[1].split(",") if part.strip())
            writer = writer_of(story, raised.position, shape, int(match[3]))
            if not (writer is not None and isinstance(writer[0], UpdateEvent) and comes_from_before(story)):
                yield saved_overwritten(story, raised, writer, shape, int(match[2]), int(match[3]))


def comes_from_before(story: Story) -> bool:
    """Whether the failed pass runs into the graph of an earlier iteration, whose update is rightly there."""
    return bool(story.passes) and carried_over(story, story.passes[-1]) is not None


def leaf_overwritten(raised: ExceptionEvent) -> Finding:
    return Finding(
        Level.ERROR,
        "A leaf that requires grad is changed in place while autograd records, which it refuses.",
        "Update it under torch.no_grad() (or let an optimizer do it); to use a changed value, make a new tensor.",
        raised.source,
        (raised.position,),
    )


def saved_overwritten(
    story: Story, raised: ExceptionEvent, writer: Writer | None, shape: tuple[int, ...], version: int, expected: int
) -> Finding:
    """The write that took the tensor beyond the version that its saver expects is the cause."""
    if writer is None:
        return Finding(
            Level.ERROR,
            f"A tensor of shape {list(shape)} that the backward pass needs was changed in place after it was saved"
            f" (version {version}, expected {expected}).",
            "Make the change out of place, or after the backward pass.",
            raised.source,
            (raised.position,),
        )
    event, value = writer
    saver = saver_of(story, event.position, value)
    saved = "" if saver is None else f", which {described(saver)} on {at(saver.source)} has saved for the backward pass"
    what = f"{event.tensor}" if isinstance(event, UpdateEvent) else value.name
    by = "an update" if isinstance(event, UpdateEvent) else f"{event.op}"
    fix = (
        "Run every backward pass that goes through these parameters before the update that changes them."
        if isinstance(event, UpdateEvent)
        else f"Make a new tensor instead of changing {what} in place (no trailing underscore, no `+=`, no `[...] =`)."
    )
    return Finding(
        Level.ERROR,
        f"{what} is overwritten by {by} here{saved}; the pass on {at(raised.source)} then finds version {version}"
        f" where it needs version {expected}.",
        fix,
        event.source,
        (*((saver.position,) if saver is not None else ()), event.position, raised.position),
        f"{what}: version {expected} → {version}",
        (
            *((Related(saver.source, "saved here"),) if saver is not None else ()),
            Related(raised.source, "needed by this backward pass"),
        ),
    )


def writer_of(story: Story, before: int, shape: tuple[int, ...], expected: int) -> Writer | None:
    """The first in-place write that made a tensor of this shape (or its base) newer than `expected`."""
    writes: list[Writer] = []
    for event in story.forwards:
        if event.inplace and event.parent is None and event.position < before:
            writes += [(event, value) for value in event.outputs]
    for leaf in story.leaves.values():
        writes += [(update, update.after) for update in leaf.writes if update.position < before]
    newer = [(event, value) for event, value in writes if value.version > expected]
    for fits in (same_shape, transposed, same_tensor_in_part):
        found = [(event, value) for event, value in newer if fits(value.shape, shape) and value.version == expected + 1]
        if found:
            return max(found, key=lambda pair: pair[0].position)
    return None


def same_shape(written: tuple[int, ...], saved: tuple[int, ...]) -> bool:
    return written == saved


def transposed(written: tuple[int, ...], saved: tuple[int, ...]) -> bool:
    return written == saved[::-1]


def same_tensor_in_part(written: tuple[int, ...], saved: tuple[int, ...]) -> bool:
    """A view and its base share one version: `x[0] = 1` changes every other view of `x`."""
    return True


def saver_of(story: Story, before: int, value: Value) -> ForwardEvent | None:
    """The op that saved the tensor: one whose node the failed pass had yet to run, and that has to do with it."""
    failed = story.passes[-1]
    ran = {node.node for node in failed.nodes}
    waiting = {e.to["node"] for node in failed.nodes for e in node.edges if e.to and "node" in e.to} - ran
    for node in sorted(waiting, reverse=True):
        position = story.trace.forward_of(node)
        event = None if position is None or position > before else story.event(position)
        if isinstance(event, ForwardEvent):
            whole = event if event.parent is None else story.event(event.parent)
            if isinstance(whole, ForwardEvent) and value.tensor in {v.tensor for v in (*whole.inputs, *whole.outputs)}:
                return whole
    return story.maker(value.tensor, before)


RULE = Rule("inplace-modification", "a leaf or a saved tensor was changed in place", look)
