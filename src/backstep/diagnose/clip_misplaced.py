"""Gradients are clipped where no update makes use of it: after the step, or before the pass that fills them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from backstep.diagnose.finding import Finding, Level, NotLooked, Related, Rule
from backstep.diagnose.story import Leaf, Story, line_of, uses_gradient
from backstep.diagnose.wording import at, listed, size
from backstep.trace.event import ForwardEvent, GradWriteEvent, UpdateEvent, ZeroGradEvent

CLIPS = frozenset({"clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_"})
UNSCALES = frozenset({"unscale_", "step"})
"""Who divides gradients by a scaler's scale: the call itself, or `scaler.step`."""
TOTALS = frozenset({"tensor", "zeros", "norm", "vector_norm", "linalg_vector_norm"})
"""The ops whose result is the norm of all gradients."""
ENOUGH = 2


def look(story: Story) -> Iterator[Finding | NotLooked]:
    by_line: dict[tuple[str, int] | None, list[tuple[Leaf, list[GradWriteEvent]]]] = {}
    for leaf in story.trained.values():
        wasted, of_use = clips_of(leaf)
        if len(wasted) >= ENOUGH and not of_use:
            by_line.setdefault(line_of(wasted[0]), []).append((leaf, wasted))
    for clipped in by_line.values():
        leaf, wasted = clipped[0]
        update = leaf.updates[0]
        yield Finding(
            Level.WARNING,
            f"The gradients of {listed(one.name for one, _ in clipped)} are clipped after the update on"
            f" {at(update.source)} has used them, and cleared before the next: no update ever uses a clipped gradient.",
            "Clip between the backward pass and the step.",
            wasted[0].source,
            (update.position, *(write.position for write in wasted[:3])),
            f"{leaf.name}.grad {size(wasted[0].before)} → {size(wasted[0].after)}",
            (Related(update.source, "the step that uses the gradient unclipped"),),
        )
    yield from clipped_while_scaled(story)
    yield from clipped_while_empty(story)


def clipped_while_scaled(story: Story) -> Iterator[Finding]:
    """Clipping that is followed by the unscaling has compared the bound with scaled gradients."""
    for leaf in story.trained.values():
        writes = [act for act in leaf.acts if isinstance(act, GradWriteEvent | UpdateEvent)]
        scaled = [
            (one, other) for one, other in pairwise(writes)
            if isinstance(one, GradWriteEvent) and isinstance(other, GradWriteEvent)
            and one.by in CLIPS and other.by in UNSCALES
        ]  # fmt: skip
        if len(scaled) >= ENOUGH:
            clip, unscaling = scaled[0]
            yield Finding(
                Level.ERROR,
                f"The gradients are clipped while they are still scaled; {at(unscaling.source)} divides them by the"
                " scale afterwards, so the bound is that many times too small.",
                "Call scaler.unscale_(optimizer) before the clipping.",
                clip.source,
                tuple(event.position for pair in scaled[:2] for event in pair),
                f"{leaf.name}.grad {size(clip.before)} → {size(clip.after)} → {size(unscaling.after)}",
                (Related(unscaling.source, "unscales the gradients"),),
            )
            return


def clips_of(leaf: Leaf) -> tuple[list[GradWriteEvent], int]:
    """The clips whose result was cleared unused, and how many were of use."""
    wasted: list[GradWriteEvent] = []
    of_use, pending, used = 0, list[GradWriteEvent](), False
    for act in leaf.acts:
        match act:
            case GradWriteEvent() if act.by in CLIPS:
                pending.append(act)
            case UpdateEvent() if uses_gradient(act):
                of_use += len(pending)
                pending, used = [], True
            case ZeroGradEvent():
                wasted += pending if used else []
                pending = []
    return wasted, of_use


def clipped_while_empty(story: Story) -> Iterator[Finding]:
    """Clipping that finds no gradient, or only zeros, gives the norm 0, time after time."""
    norms: dict[tuple[str, int] | None, list[ForwardEvent]] = {}
    for event in story.forwards:
        if event.op in TOTALS and event.source is not None and "clip_grad" in event.source.code and event.outputs:
            norms.setdefault(line_of(event), []).append(event)
    clipping = {line_of(act) for leaf in story.leaves.values() for act in leaf.acts if isinstance(act, GradWriteEvent)}
    for line, at_line in norms.items():
        empty = line not in clipping and all(event.outputs[0].scalar == 0 for event in at_line)
        if empty and len(at_line) >= ENOUGH and story.trained:
            update = next(iter(story.trained.values())).updates[0]
            yield Finding(
                Level.WARNING,
                "The gradients are clipped while there are none: the backward pass that fills them comes later, so the"
                f" update on {at(update.source)} uses them unclipped.",
                "Clip between the backward pass and the step.",
                at_line[0].source,
                tuple(event.position for event in at_line[:3]),
                "norm of all gradients = 0",
            )


RULE = Rule("clip-misplaced", "gradients are clipped where no update uses it", look)
