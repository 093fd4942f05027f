"""A program run twice, bare and recorded: the same to the bit, and a trace that holds in itself.

What a test compares with the trace comes from the bare run (`Twice.bare`): gradients that autograd left or gave when
nobody looked on. What the recording must never do without being asked: leave a note, a node without its twin, or an
edge that fails.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils import _pytree as pytree

import backstep
from backstep.trace.event import BackwardEvent, ForwardEvent, Value
from backstep.trace.trace import Trace
from backstep.trace.verify import verify
from tests.processes import TRACE, python, record

Program = Callable[[], Any]
Reasons = tuple[str, ...]


@dataclass(frozen=True)
class Twice:
    """What a program returned when nobody looked on, and its trace from when somebody did."""

    bare: Any
    trace: Trace

    def events(self, kind: str, **fields: Any) -> list[Any]:
        return list(self.trace.find(kind=kind, **fields))

    def forward(self, op: str) -> list[ForwardEvent]:
        return self.events("forward", op=op)

    def nodes(self, op: str) -> list[BackwardEvent]:
        return self.events("backward", op=op)

    def twin(self, node: BackwardEvent) -> ForwardEvent:
        assert node.forward is not None, node.why
        event = self.trace.event(node.forward)
        assert isinstance(event, ForwardEvent)
        return event


def run_twice(
    program: Callable[[], Any], *, why: Reasons = (), note: str = "", hooks: bool = False, **options: Any
) -> Twice:
    """Runs it bare and recorded. Only for a reason in `why` may a node lack its twin, only with `note` is a note due.
    Only with `hooks` may an edge be told to be hooked.

    Both runs begin with the same random state; the program returns whatever it wants to be compared.
    """
    bare = seeded(program)
    with backstep.record(**options) as recording:
        seen = seeded(program)
    assert_same(bare, seen)
    twice = Twice(bare, recording.trace)
    assert_sound(twice.trace, why=why, note=note, hooks=hooks)
    return twice


def run_script_twice(source: str, folder: Path, *, why: Reasons = (), note: str = "") -> Twice:
    """The same for a script that is a process of its own; `bare` is what it printed."""
    script = folder / "script.py"
    script.write_text(source)
    bare = python(script, cwd=folder)
    seen = record(script, cwd=folder)
    assert bare.code == 0, bare.stderr
    assert (seen.code, seen.stdout) == (bare.code, bare.stdout), seen.stderr
    assert seen.stderr.startswith(bare.stderr)
    trace = backstep.load(folder / TRACE)
    assert_sound(trace, why=why, note=note)
    return Twice(bare.stdout, trace)


def seeded(program: Program) -> Any:
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    return program(), torch.get_rng_state()


def assert_same(bare: Any, seen: Any) -> None:
    """The same to the bit, NaN and signed zeros included."""
    left, spec = pytree.tree_flatten(bare)
    right, other = pytree.tree_flatten(seen)
    assert spec == other
    for one, two in zip(left, right, strict=True):
        assert type(one) is type(two)
        if isinstance(one, torch.Tensor):
            facts = [(t.shape, t.dtype, t.layout, t.requires_grad, t.is_leaf) for t in (one, two)]
            assert facts[0] == facts[1]
            assert bits(one) == bits(two)
        else:
            assert one == two


def bits(tensor: torch.Tensor) -> bytes:
    tensor = tensor.detach().to_dense().resolve_conj().resolve_neg().contiguous()
    return tensor.reshape(-1).view(torch.uint8).numpy().tobytes()


def assert_sound(trace: Trace, *, why: Reasons = (), note: str = "", hooks: bool = False) -> None:
    """The laws of any trace: complete, nothing unsaid, each executed node with its twin, the chain rule."""
    assert trace.header["complete"]
    notes = [event.text for event in trace.find(kind="note")]
    assert all(note and note in text for text in notes), notes
    for event in trace.find(kind="backward"):
        assert hooks or not any(edge.hooked for edge in event.edges), (event.op, event.position)
        if event.forward is None:
            assert any(reason in event.why for reason in why), (event.op, event.why)
            continue
        twin = trace.event(event.forward)
        assert isinstance(twin, ForwardEvent) and event.node in twin.nodes, (event.op, twin)
        assert event.forward < event.position and fits(event.op, twin), (event.op, twin.op, twin.aten)
    assert not verify(trace).failures


def fits(node: str, twin: ForwardEvent) -> bool:
    """Whether an op of this name makes such a node: `MmBackward0` is made by `aten.mm.default`, not by a view."""
    name = re.sub(r"Backwards?\d*$", "", node.removeprefix("torch::autograd::"))
    made = re.sub(r"_forward$", "", (twin.aten or twin.op).removeprefix("aten.").split(".")[0])
    name = name.replace("_", "").lower()
    return name == made.replace("_", "").lower() or bool(twin.inplace and name in ("copyslices", "asstrided"))


def equals(value: Value | None, tensor: torch.Tensor | None) -> bool:
    """Whether these are the recorded numbers, to the bit (half precision is kept widened)."""
    if value is None or tensor is None:
        return value is None and tensor is None
    wide = tensor.detach().to_dense().resolve_conj().resolve_neg()
    wide = wide.float() if wide.dtype in (torch.float16, torch.bfloat16) else wide
    array = value.array
    assert array is not None, value.omitted
    recorded = torch.tensor(np.array(array, wide.numpy().dtype))
    return tuple(value.shape) == tuple(tensor.shape) and bits(recorded) == bits(wide)


def last_gradients(twice: Twice) -> dict[str, Value]:
    """What each leaf's `.grad` was when the last accumulation into it was over."""
    return {event.tensor: event.after for event in twice.events("accumulate")}


def assert_gradients(twice: Twice, gradients: dict[str, torch.Tensor | None]) -> None:
    """The trace ends each leaf's accumulations with the gradients of the bare run, and knows no other leaf."""
    expected = {name: gradient for name, gradient in gradients.items() if gradient is not None}
    recorded = last_gradients(twice)
    assert recorded.keys() == expected.keys()
    for name, gradient in expected.items():
        assert equals(recorded[name], gradient), name


def gradients_of(module: torch.nn.Module) -> dict[str, torch.Tensor | None]:
    return {name: parameter.grad for name, parameter in module.named_parameters()}


def needed(event: BackwardEvent) -> list[Any]:
    return [edge for edge in event.edges if edge.needed]
