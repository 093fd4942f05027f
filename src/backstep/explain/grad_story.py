"""The story of a leaf's `.grad`: when it was emptied last, who has written to it since, or why there is nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backstep.explain.figures import listed
from backstep.explain.names import short
from backstep.explain.unreached import is_backward, passes_before, why_unreached
from backstep.trace.batch import GRAD, KIND_CODE
from backstep.trace.event import AccumulateEvent, BackwardStartEvent, Event, GradWriteEvent, ZeroGradEvent
from backstep.trace.trace import Trace

TOLD = 3
"""Writes that are told one by one."""


@dataclass(frozen=True, slots=True)
class GradStory:
    """What happened to one `.grad` up to a position; `emptied` and `writes` are positions."""

    leaf: str
    emptied: int | None
    writes: tuple[int, ...]
    text: str


def grad_story(trace: Trace, leaf: int, position: int) -> GradStory:
    """The story in one or two sentences."""
    positions = trace.facts.positions(leaf, GRAD)
    positions = positions[: int(np.searchsorted(positions, position, "right"))]
    kinds = trace.columns["kind"][positions]
    zeroed = np.flatnonzero(kinds == KIND_CODE["zero_grad"])
    emptied = int(positions[zeroed[-1]]) if len(zeroed) else None
    writes = tuple(int(at) for at in (positions[zeroed[-1] + 1 :] if len(zeroed) else positions))
    name = trace.leaves.get(leaf, str(leaf))
    if not writes:
        why = missing(trace, leaf, emptied, position)
        return GradStory(name, emptied, writes, f"{begun(trace, name, emptied)}; {why}.")
    return GradStory(name, emptied, writes, f"{begun(trace, name, emptied)}. {since(trace, writes, emptied)}.")


def begun(trace: Trace, name: str, emptied: int | None) -> str:
    if emptied is None:
        return f"{name}.grad was never zeroed"
    event = trace.event(emptied)
    assert isinstance(event, ZeroGradEvent)
    how = "set to None" if event.after is None else "zeroed"
    return f"{name}.grad was {how} last at #{emptied}{line(event)}"


def since(trace: Trace, writes: tuple[int, ...], emptied: int | None) -> str:
    """Who has added to it since, and who else has written."""
    kinds = trace.columns["kind"][list(writes)]
    passes = [at for at, kind in zip(writes, kinds, strict=True) if kind == KIND_CODE["accumulate"]]
    others = [at for at, kind in zip(writes, kinds, strict=True) if kind == KIND_CODE["grad_write"]]
    many = f"{len(passes):,} backward passes" if len(passes) != 1 else "1 backward pass"
    when = "So far" if emptied is None else "Since then"
    told = [f"{when} {many} added to it: {named(trace, passes)}" if passes else f"{when} no backward pass added to it"]
    told += [f"it was written by {by(trace, at)} at #{at}{line(trace.event(at))}" for at in others[-TOLD:]]
    return "; ".join(told)


def named(trace: Trace, passes: list[int]) -> str:
    """The passes, each by where it added and the line that started it."""
    shown = passes if len(passes) <= TOLD else [passes[0], *passes[-TOLD + 1 :]]
    words = [added(trace, at) for at in shown]
    if len(passes) > TOLD:
        words.insert(1, f"… {len(passes) - TOLD:,} more …")
    return ", ".join(words)


def added(trace: Trace, position: int) -> str:
    event = trace.event(position)
    assert isinstance(event, AccumulateEvent)
    start = trace.event(trace.span_of_pass(position)[0])
    number = f"pass {start.pass_} " if isinstance(start, BackwardStartEvent) else ""
    iteration = "" if event.iteration is None else f", iteration {event.iteration}"
    return f"{number}at #{position}{line(event, iteration)}"


def by(trace: Trace, position: int) -> str:
    event = trace.event(position)
    return event.by if isinstance(event, GradWriteEvent) else event.kind


def line(event: Event, more: str = "") -> str:
    """` (line 21, iteration 1)`."""
    told = f"line {event.source.line}" if event.source is not None else ""
    both = (told + more).strip(", ")
    return f" ({both})" if both else ""


def missing(trace: Trace, leaf: int, emptied: int | None, position: int) -> str:
    """Why nothing has come since."""
    value = trace.value_at(leaf, position)
    if value is not None and not value.requires_grad:
        return "it gets no gradient: requires_grad=False"
    starts = [at for at in passes_before(trace, position) if emptied is None or at > emptied]
    if not starts:
        return "no backward pass has run since" if emptied is not None else "no backward pass has run yet"
    first = next((at for at in reversed(starts) if is_backward(trace, at)), None)
    if first is None:
        return f"the pass at #{starts[-1]} was a grad(), which adds to no .grad"
    start = trace.event(first)
    assert isinstance(start, BackwardStartEvent)
    if first < position < trace.span_of_pass(first)[1]:
        roots = listed([short(root.name) for root in start.roots])
        return f"the pass from {roots} that runs now has not reached it"
    return why_unreached(trace, leaf, start)
