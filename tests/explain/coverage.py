"""Counts over PyTorch's own operator database who has a formula: `python -m tests.explain.coverage`."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable
from typing import Any

import torch
from torch.testing._internal.common_methods_invocations import op_db

import backstep
from backstep.explain.chain_rule import stories
from backstep.explain.sentence_backward import backward_sentence
from backstep.explain.sentence_forward import forward_sentence
from backstep.explain.step import Step
from backstep.trace.event import BackwardEvent, ForwardEvent
from backstep.trace.trace import Trace


def outputs_of(result: Any) -> list[torch.Tensor]:
    """The tensors among an op's results that have a node."""
    if isinstance(result, torch.Tensor):
        return [result] if result.grad_fn is not None else []
    return [t for item in result for t in outputs_of(item)] if isinstance(result, list | tuple) else []


def trace_of(op: Any) -> Trace | None:
    """A recording of the op's first sample that has a gradient; None where there is none in double precision."""
    if torch.float64 not in op.supported_backward_dtypes("cpu"):
        return None
    for sample in list(op.sample_inputs("cpu", torch.float64, requires_grad=True))[:8]:
        with backstep.record(max_elements=512) as recording:
            made = outputs_of(op(sample.input, *sample.args, **sample.kwargs))
            outputs = [tensor for tensor in made if tensor.layout is torch.strided]
            if outputs:
                torch.autograd.backward(outputs, [torch.randn_like(tensor) for tensor in outputs])
        if outputs:
            return recording.trace
    return None


def formulas_of(trace: Trace) -> dict[str, str]:
    """For each kind of node that ran, where its formula is from: `hand`, `PyTorch` or `none`; all is told in words."""
    found: dict[str, str] = {}
    for event in trace.events:
        if isinstance(event, ForwardEvent):
            assert forward_sentence(event).endswith(".")
        if not isinstance(event, BackwardEvent):
            continue
        for story in stories(trace, event):
            if not story.edge.needed:
                continue
            found[event.op] = "hand" if story.formula else "PyTorch" if story.own else "none"
            if story.edge.downstream is not None:
                assert backward_sentence(Step(trace, event, story)).endswith(".")
    return found


def counted(ops: Iterable[Any]) -> tuple[dict[str, str], Counter[str]]:
    """The kinds of node, and how many ops have a formula for all of their nodes, by where the worst is from."""
    kinds: dict[str, str] = {}
    entries: Counter[str] = Counter()
    for op in ops:
        try:
            trace = trace_of(op)
        except (RuntimeError, NotImplementedError, ImportError, TypeError, ValueError) as error:
            entries[f"cannot run: {type(error).__name__}"] += 1
            continue
        if trace is None:
            entries["no gradient"] += 1
            continue
        told = formulas_of(trace)
        kinds |= told
        entries["none" if "none" in told.values() else "PyTorch" if "PyTorch" in told.values() else "hand"] += 1
    return kinds, entries


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    kinds, entries = counted(op for op in op_db if op.supports_autograd)
    print("entries of the database, by the formulas of their nodes:", dict(entries))
    print("kinds of node:", dict(Counter(kinds.values())))
    print("without a formula:", sorted(kind for kind, where in kinds.items() if where == "none"))
