"""Recordings made in the test: what autograd itself computed is at hand to compare with."""

from __future__ import annotations

from collections.abc import Callable

import torch

import backstep
from backstep.explain.chain_rule import stories
from backstep.explain.sentence_backward import backward_sentence
from backstep.explain.step import Step
from backstep.trace.event import BackwardEvent
from backstep.trace.trace import Trace


def recorded(compute: Callable[[], torch.Tensor]) -> Trace:
    """The trace of a computation and its backward pass, seeded with what makes every gradient different."""
    with backstep.record(max_elements=4096) as recording:
        out = compute()
        out.backward(torch.arange(1, out.numel() + 1, dtype=out.dtype).reshape(out.shape))
    return recording.trace


def steps(trace: Trace, op: str) -> dict[int, Step]:
    """The steps of the first node of a kind, by its edges."""
    event = next(event for event in trace.find(kind="backward") if event.op.startswith(op + "Backward"))
    assert isinstance(event, BackwardEvent)
    told = [story for story in stories(trace, event) if story.edge.needed]
    return {story.index: Step(trace, event, story) for story in told}


def said(trace: Trace, op: str, edge: int = 0) -> str:
    return backward_sentence(steps(trace, op)[edge])
