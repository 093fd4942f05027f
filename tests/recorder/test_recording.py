"""Names, loops, leaves and what is left behind, on programs of a few lines."""

from __future__ import annotations

import contextlib
import gc
import math
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import backstep
from backstep.recorder.options import Options
from backstep.recorder.recording import Recording
from backstep.trace.event import Event
from backstep.trace.verify import verify
from tests.processes import python


def events(recording: Any, kind: str) -> list[Event]:
    return list(recording.trace.find(kind=kind))


def test_results_bear_the_names_of_the_program() -> None:
    class Holder:
        h: torch.Tensor

    holder, hs = Holder(), [torch.zeros(1)] * 2

    def double(t: torch.Tensor) -> torch.Tensor:
        return t * 2

    with backstep.record() as recording:
        w = torch.tensor(1.0, requires_grad=True)
        a, b = w * 2, w + 1
        holder.h = a - b
        hs[1] = holder.h.exp()
        c = double(b)
        (d := c.sin()).cos()
        e = nn.functional.relu(d)
        e += 1
    named = [e.outputs[0].name for e in events(recording, "forward")]
    assert named == ["w", "a", "b", "holder.h", "hs[1]", "c", "d", "(d := c.sin()).cos()", "e", "e"]


@pytest.mark.parametrize(
    "call",
    [
        lambda x, w: F.dropout(x, 0.5), lambda x, w: F.relu(x), lambda x, w: x.relu(), lambda x, w: torch.relu(x),
        lambda x, w: F.normalize(x, dim=0), lambda x, w: x.norm(2), lambda x, w: torch.norm(x, 2),
        lambda x, w: x.add(w), lambda x, w: torch.add(x, w), lambda x, w: F.linear(x, w),
        lambda x, w: F.softplus(x, 2, 20), lambda x, w: torch.einsum("i,i->i", x, w), lambda x, w: x @ w,
        lambda x, w: torch.clamp(x, 0.1, 0.9),
        lambda x, w: x.clamp(0.1, 0.9), lambda x, w: F.mse_loss(x, w), lambda x, w: F.huber_loss(x, w),
    ],
)  # fmt: skip
def test_a_leaf_from_before_the_recording_is_called_what_it_is_first_called(call: Any) -> None:
    x, w = torch.randn(3, requires_grad=True), torch.randn(3, requires_grad=True)
    with backstep.record() as recording:
        call(x, w).sum().backward()
    names = list(recording.trace.leaves.values())
    assert names == ["x", "w"][: len(names)]


def test_parameters_are_named_by_their_module() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    with backstep.record() as recording:
        model(torch.ones(1, 2)).sum().backward()
    assert {e.tensor for e in events(recording, "accumulate")} == {"0.weight", "0.bias", "2.weight", "2.bias"}
    assert {e.module for e in events(recording, "backward")} >= {"0", "1", "2"}


def test_two_models_with_the_same_paths_get_their_variables_in_front() -> None:
    G, D = nn.Sequential(nn.Linear(1, 1)), nn.Sequential(nn.Linear(1, 1))
    with backstep.record() as recording:
        D(G(torch.ones(1, 1))).sum().backward()
    assert {e.tensor for e in events(recording, "accumulate")} == {"G.0.weight", "G.0.bias", "D.0.weight", "D.0.bias"}


@pytest.mark.parametrize("batches", [1, 3])
def test_iterations_of_nested_loops(batches: int) -> None:
    w = torch.ones(1, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    with backstep.record() as recording:
        for epoch in range(2):  # noqa: B007 - its name is what is looked for
            for _batch, x in enumerate(torch.ones(batches, 1)):
                optimizer.zero_grad()
                (w * x).sum().backward()
                optimizer.step()
            w.detach().sum()
    updates = events(recording, "update")
    assert [e.iteration for e in updates] == list(range(2 * batches))
    assert [e.loops["epoch"] for e in updates] == [epoch for epoch in range(2) for _ in range(batches)]
    assert [e.loops["_batch"] for e in updates] == 2 * list(range(batches))
    between = [e for e in recording.trace.find(kind="forward", op="detach")]
    assert [e.iteration for e in between] == [None, None]


def test_accumulating_over_batches_is_one_iteration_a_batch() -> None:
    w = torch.ones(1, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    with backstep.record() as recording:
        for i in range(4):
            (w * 2).sum().backward()
            if (i + 1) % 2 == 0:
                optimizer.step()
                optimizer.zero_grad()
    assert [e.iteration for e in events(recording, "backward_start")] == [0, 1, 2, 3]
    assert [e.fresh for e in events(recording, "accumulate")] == [True, False, True, False]


def test_micro_batches_in_an_inner_loop_are_one_iteration() -> None:
    w = torch.ones(1, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    with backstep.record() as recording:
        for _step in range(2):
            for micro in range(3):
                (w * micro).sum().backward()
            optimizer.step()
            optimizer.zero_grad()
    assert [e.iteration for e in events(recording, "backward_start")] == [0, 0, 0, 1, 1, 1]


def test_while_and_functions_and_methods() -> None:
    w = torch.ones(1, requires_grad=True)

    class Trainer:
        def fit(self) -> None:
            self.done = 0
            while self.done < 3:
                self.step()
                self.done += 1

        def step(self) -> None:
            (w * 2).sum().backward()
            with torch.no_grad():
                w.sub_(0.1 * w.grad)
            w.grad = None

    with backstep.record() as recording:
        Trainer().fit()
    assert [e.iteration for e in events(recording, "update")] == [0, 1, 2]
    assert [e.loops for e in events(recording, "update")] == [{"while": 0}, {"while": 1}, {"while": 2}]
    assert all(math.isclose(e.lr, 0.1) for e in events(recording, "update"))
    assert [(e.how, e.after) for e in events(recording, "zero_grad")] == [("set_to_none", None)] * 3


def test_every_way_to_empty_a_gradient() -> None:
    w = torch.ones(2, requires_grad=True)
    with backstep.record() as recording:
        for empty in ("zero_", "none", "assign", "set_to_none", "data"):
            (w * 2).sum().backward()
            if empty == "zero_":
                w.grad.zero_()
            elif empty == "none":
                w.grad = None
            elif empty == "assign":
                w.grad = torch.zeros(2)
            elif empty == "set_to_none":
                torch.optim.SGD([w], 0.1).zero_grad(set_to_none=True)
            else:
                w.grad.data.mul_(0)
    assert [e.how for e in events(recording, "zero_grad")] == ["zero_", "set_to_none", "assign", "set_to_none", "zero_"]
    assert not events(recording, "grad_write")


def test_a_gradient_changed_otherwise_is_a_gradient_write() -> None:
    w = torch.ones(2, requires_grad=True)
    with backstep.record() as recording:
        (w * 8).sum().backward()
        nn.utils.clip_grad_norm_([w], 1.0)
        w.grad.mul_(2)
        w.grad = torch.ones(2)
    writes = events(recording, "grad_write")
    assert [e.by for e in writes] == ["clip_grad_norm_", "mul_", "assign"]
    assert writes[0].before.values == [8.0, 8.0] and writes[2].after.values == [1.0, 1.0]


def test_adam_is_one_update_a_parameter_with_its_state() -> None:
    model = nn.Linear(2, 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.5)
    before = {n: p.detach().clone().tolist() for n, p in model.named_parameters()}
    with backstep.record() as recording:
        model(torch.ones(1, 2)).sum().backward()
        optimizer.step()
    updates = events(recording, "update")
    assert [(e.tensor, e.by, e.lr) for e in updates] == [("weight", "Adam.step", 0.5), ("bias", "Adam.step", 0.5)]
    for event, parameter in zip(updates, model.parameters(), strict=True):
        assert event.before.values == before[event.tensor]
        assert event.after.values == parameter.tolist()
        moment = optimizer.state[parameter]["exp_avg"]
        assert event.state["exp_avg"].after.values == moment.tolist()


def test_hooks_of_the_user_are_told_and_do_not_fail_the_check() -> None:
    w = torch.tensor([2.0], requires_grad=True)
    with backstep.record() as recording:
        h = w * 3
        h.register_hook(lambda grad: grad * 10)
        h.sum().backward()
    assert w.grad is not None and w.grad.item() == 30.0
    hooked = [edge.hooked for e in events(recording, "backward") for edge in e.edges]
    assert hooked == [True, False, False]
    assert not verify(recording.trace).failures


def test_what_the_program_drops_is_freed() -> None:
    freed = []

    def step(w: torch.Tensor) -> None:
        big = w * 2
        weakref.finalize(big, freed.append, True)
        big.sum().backward()

    w = torch.ones(3, requires_grad=True)
    gc.disable()
    try:
        with backstep.record():
            for count in range(1, 4):
                step(w)
                assert len(freed) == count
    finally:
        gc.enable()


def test_an_exception_leaves_nothing_behind_and_is_in_the_trace(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), backstep.record(tmp_path / "t.backstep"):
        torch.ones(1) * 2
        1 / 0  # noqa: B018
    with backstep.load(tmp_path / "t.backstep") as trace:
        assert trace.header["exit"]["status"] == "exception" and trace.header["complete"]
        assert trace.events[-1].type == "ZeroDivisionError" and trace.events[-1].caught is False


def test_an_op_that_raises_and_is_caught() -> None:
    with backstep.record() as recording:
        with contextlib.suppress(RuntimeError):
            torch.ones(2) @ torch.ones(3)
        torch.ones(1)
    (raised,) = events(recording, "exception")
    assert raised.type == "RuntimeError" and raised.caught


def test_recordings_nest(tmp_path: Path) -> None:
    with backstep.record(tmp_path / "t.backstep") as outer:
        torch.ones(1)
        with backstep.record() as inner:
            torch.ones(2)
        torch.ones(3)
    assert len(outer.trace) == 3
    assert [e.outputs[0].shape for e in inner.trace.events] == [(2,)]
    with pytest.raises(FileExistsError):
        backstep.record(tmp_path / "t.backstep")


def test_the_trace_can_be_read_inside_the_block() -> None:
    with backstep.record() as recording:
        w = torch.tensor(3.0, requires_grad=True)
        (w**2).backward()
        assert recording.trace.tensor("w").at(10) == 3.0
        assert next(recording.trace.find(kind="accumulate")).after.values == 6.0


def test_second_order_gradients() -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with backstep.record() as recording:
        (g,) = torch.autograd.grad((x**3).sum(), x, create_graph=True)
        g.sum().backward()
    starts = events(recording, "backward_start")
    assert [(e["pass"], e.api, e.create_graph) for e in starts] == [(0, "grad", True), (1, "backward", False)]
    assert events(recording, "backward_end")[0].captured[0].values == [3.0, 12.0]
    assert x.grad is not None and x.grad.tolist() == [6.0, 12.0]
    assert not verify(recording.trace).failures


def test_uninitialised_memory_is_no_value() -> None:
    with backstep.record() as recording:
        t = torch.empty(3)
        t.fill_(1.0)
    made, filled = events(recording, "forward")
    assert made.outputs[0].values is None and "uninitialised" in made.outputs[0].omitted
    assert filled.outputs[0].values == [1.0, 1.0, 1.0]


def test_an_optimizer_step_that_raises_leaves_the_recording_on() -> None:
    class Failing(torch.optim.SGD):
        def step(self, closure: Any = None) -> Any:
            self.param_groups[0]["params"][0].data.mul_(1.0)
            raise ValueError("no step")

    w = torch.ones(2, requires_grad=True)
    optimizer = Failing([w], lr=0.1)
    with backstep.record() as recording:
        w.sum().backward()
        with pytest.raises(ValueError, match="no step"):
            optimizer.step()
        doubled = w * 2
    last = recording.trace.events[-1]
    assert (last.op, last.phase, last.outputs[0].name) == ("mul", "forward", "doubled")
    assert doubled.requires_grad
    assert not recording.trace.steps


def test_a_step_without_gradients_is_told_too() -> None:
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with backstep.record() as recording:
        optimizer.step()
        model(torch.ones(1, 2)).sum().backward()
        optimizer.step()
    trace = recording.trace
    assert [number for _, number in trace.steps] == [0, 0]
    assert trace.optimizers[0].name == "SGD" and trace.optimizers[0].source.code == "optimizer.step()"
    assert sorted(trace.leaves[leaf] for leaf in trace.optimizers[0].leaves) == ["bias", "weight"]
    assert len(list(trace.find(kind="update"))) == 2


@pytest.mark.parametrize("optimizer_of", [torch.optim.Adam, torch.optim.LBFGS])
def test_all_detail_shows_what_an_optimizer_computes(optimizer_of: Any) -> None:
    def train(options: Options) -> tuple[list[Any], torch.Tensor]:
        w = torch.full((3,), 2.0, requires_grad=True)
        optimizer = optimizer_of([w], lr=0.1)

        def closure() -> torch.Tensor:
            optimizer.zero_grad()
            loss = (w**2).sum()
            loss.backward()
            return loss

        with Recording(None, options, force=False) as recording:
            optimizer.step(closure)
        return list(recording.trace.events), w.detach()

    events, w = train(Options())
    detailed, same = train(Options(detail="full"))
    assert torch.equal(w, same)
    inner = [event for event in detailed if event.kind == "forward" and event.phase == "update"]
    assert inner and not [event for event in events if event.kind == "forward" and event.phase == "update"]
    assert [e.kind for e in detailed if e not in inner] == [e.kind for e in events]


ALONE = """
import os, sys
import torch
import backstep

with backstep.record() as recording:
    w = torch.ones(2, requires_grad=True)
    (w * 2).sum().backward()
child = os.fork()
if not child:
    sys.exit()
os.waitpid(child, 0)
print(len(recording.trace.events), recording.path)
"""


def test_a_recording_without_a_path_goes_without_a_word(tmp_path: Path) -> None:
    """Not with a forked child, only with the process; whose end says nothing, with all warnings on."""
    script = tmp_path / "alone.py"
    script.write_text(ALONE)
    done = python(script, cwd=tmp_path, PYTHONWARNINGS="error::ResourceWarning")
    assert (done.stderr, done.code) == ("", 0)
    count, path = done.stdout.split()
    assert int(count) == 8 and not Path(path).parent.exists()


def test_a_program_that_goes_to_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with backstep.record("here.backstep") as recording:
        (tmp_path / "there").mkdir()
        monkeypatch.chdir(tmp_path / "there")
        torch.ones(2) + 1
    assert len(recording.trace) == len(backstep.load(tmp_path / "here.backstep")) == 2
