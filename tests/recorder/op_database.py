"""PyTorch's own operator database, recorded and checked; run as a module, all of it, with the figures at the end."""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from torch.autograd.function import BackwardCFunction
from torch.testing._internal.common_methods_invocations import op_db
from torch.testing._internal.opinfo.core import OpInfo, SampleInput

import backstep
from backstep.trace.reasons import grouped
from backstep.trace.verify import Comparison, verify
from tests.recorder.second_way import error_of, nodes_by_number

SAMPLES = 6
"""Of each operator, in each of double and complex double."""

KEPT = 8192
"""Elements of a tensor that are kept, and a sixteenth of the entries of a Jacobian."""

NOISE = 1e-9
"""What is smaller than this part of upstream is what a kernel's rounding leaves of terms that cancel inside of it."""

KEPT = 8192
"""Elements of a tensor that are kept, and a sixteenth of the entries of a Jacobian."""

NOISE = 1e-9
"""What is smaller than this part of upstream is what a kernel's rounding leaves of terms that cancel inside of it."""

PHASES = ("svd_lowrank", "pca_lowrank")
"""Complex singular vectors have a phase that is nobody's, so that a gradient is refused; U Vᴴ has none."""


@dataclass(slots=True)
class Examined:
    """What came of an operator: edges with a local gradient, why others have none, what is wrong."""

    edges: int = 0
    omitted: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


def title(op: OpInfo) -> str:
    """The name of an entry, and of its variant."""
    return f"{op.name} {op.variant_test_name}".strip()


@cache
def differentiable() -> dict[str, OpInfo]:
    """The entries that support autograd, by their titles."""
    return {title(op): op for op in op_db if op.supports_autograd}


def examine(op: OpInfo) -> Examined:
    """Records the operator on its samples, and asks each executed node whether the recorded local gradient is true."""
    found = Examined()
    for dtype in (torch.float64, torch.complex128):
        if dtype in op.supported_backward_dtypes("cpu"):
            for sample in list(op.sample_inputs("cpu", dtype, requires_grad=True))[:SAMPLES]:
                _examine_sample(op, sample, found)
    return found


def _examine_sample(op: OpInfo, sample: SampleInput, found: Examined) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with backstep.record(max_elements=KEPT) as recording:
            result = op.gradcheck_wrapper(op.get_op(), sample.input, *sample.args, **sample.kwargs)
            if sample.output_process_fn_grad is not None:
                # What makes a function of it that has a gradient: no phase, no sparse layout.
                result = sample.output_process_fn_grad(result)
            outputs = [t for t in tensors_in(result) if t.grad_fn is not None and t.layout is torch.strided]
            if not outputs:
                return
            torch.autograd.backward(outputs, seeds_for(outputs), retain_graph=True)
        found.problems += _problems(recording.trace, outputs, found)


def tensors_in(result: Any) -> Iterator[torch.Tensor]:
    if isinstance(result, torch.Tensor):
        yield result
    elif isinstance(result, list | tuple):
        for item in result:
            yield from tensors_in(item)


def seeds_for(outputs: list[torch.Tensor]) -> list[torch.Tensor]:
    torch.manual_seed(0)
    return [torch.randn(t.shape, dtype=t.dtype) for t in outputs]


def _problems(trace: Any, outputs: list[torch.Tensor], found: Examined) -> Iterator[str]:
    nodes = nodes_by_number(outputs)
    for note in trace.find(kind="note"):
        yield f"a note: {note.text}"
    for event in trace.find(kind="backward"):
        if event.forward is None or event.node not in trace.event(event.forward).nodes:
            yield f"{event.op} has no twin: {event.why}"
        node = nodes[event.node]
        error = 0.0 if isinstance(node, BackwardCFunction) else error_of(event, node)
        if not error < 1e-6:
            yield f"{event.op} has a local gradient that is wrong by {error:.2g}"
        for edge in event.edges:
            if not edge.needed:
                continue
            if edge.local is not None and edge.local.array is not None:
                found.edges += 1
            elif why := edge.why or (edge.local and edge.local.omitted):
                found.omitted[why] += 1
            else:
                yield f"{event.op} has no local gradient, and no reason"
    for failure in verify(trace).failures:
        if not is_noise(trace, failure):
            yield f"{failure.subject} does not hold: {failure.expected}, recorded {failure.recorded}"


def is_noise(trace: Any, failure: Comparison) -> bool:
    """Whether product and gradient are both nothing beside what arrived."""
    arrived = max(value.summary.norm or 0.0 for value in trace.event(failure.position).upstream if value is not None)
    return max(map(abs, (*failure.expected, *failure.recorded))) < NOISE * arrived


def main() -> int:
    """Examines every entry; prints those with problems, then the figures."""
    entries = differentiable()
    whole = Examined()
    sound = checked = 0
    for name, op in entries.items():
        try:
            found = examine(op)
        except Exception as error:
            found = Examined(problems=[f"{type(error).__name__}: {error}"])
        whole.edges += found.edges
        whole.omitted += found.omitted
        sound += not found.problems
        checked += bool(found.edges or found.omitted)
        for problem in dict.fromkeys(found.problems):
            print(f"{name}: {problem[:300]}", flush=True)
    print(f"{sound} of {len(entries)} entries, {checked} of them with edges")
    print(f"{whole.edges} local gradients are true, others are omitted:")
    for why, count in grouped(whole.omitted):
        print(f"{count}: {why}")
    return 0 if sound == len(entries) else 1


if __name__ == "__main__":
    sys.exit(main())
