"""Reading a trace in a program: histories, iterations, passes and the loss are what torch itself says they are."""

from __future__ import annotations

import builtins
import doctest
import math
import pydoc
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import backstep
import backstep.trace
from backstep.trace.event import Omitted
from backstep.trace.trace import Trace

STEPS = 4


class Run:
    """A small training, with what torch had in its hands at every step."""

    def __init__(self, path: Path) -> None:
        torch.manual_seed(0)
        self.losses: list[float] = []
        self.weights: list[Any] = []
        self.grads: list[Any] = []
        fc = nn.Linear(3, 1)
        optimizer = torch.optim.SGD(fc.parameters(), lr=0.1)
        x, y = torch.randn(8, 3), torch.randn(8, 1)
        with backstep.record(path):
            for _ in range(STEPS):
                optimizer.zero_grad()
                for half in (slice(0, 4), slice(4, 8)):
                    loss = (fc(x[half]) - y[half]).square().mean()
                    loss.backward()
                    self.losses.append(loss.item())
                self.grads.append(fc.weight.grad.tolist())
                optimizer.step()
                self.weights.append(fc.weight.tolist())
        self.trace = backstep.load(path)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run(tmp_path_factory.mktemp("api") / "run.backstep")


def test_the_history_of_a_weight_is_what_it_was_after_each_step(run: Run) -> None:
    history = run.trace.tensor("weight").history()
    written = [point for point in history if point.event.kind == "update"]
    assert [point.values for point in written] == run.weights
    assert [point.iteration for point in written] == list(range(STEPS))
    assert {point.by for point in written} == {"SGD.step"} and history[0].by == "seen", "it is older than the recording"
    assert history[-1].position == written[-1].position and len(history[1:]) == len(history) - 1


def test_the_history_of_a_gradient_has_every_write_and_every_zeroing(run: Run) -> None:
    points = run.trace.tensor("weight").grad_history()
    assert [point.event.kind for point in points if point.iteration == 2] == ["zero_grad", "accumulate", "accumulate"]
    last = [[p for p in points if p.iteration == step][-1].values for step in range(STEPS)]
    assert last == run.grads
    assert [p.values for p in points if p.event.kind == "zero_grad"] == [None] * (STEPS - 1)
    assert [p.position for p in run.trace.tensor("weight.grad").history()] == [p.position for p in points]
    with pytest.raises(ValueError, match=r"loss is no leaf: it has no \.grad"):
        run.trace.tensor("loss").grad_history()


def test_iterations_have_their_passes_and_those_their_nodes(run: Run) -> None:
    iterations = run.trace.iterations
    assert [iteration.number for iteration in iterations] == list(range(STEPS))
    first = iterations[0].backward_passes[0]
    assert first.nodes[0].op == "MeanBackward0"
    assert {event.tensor for event in first.accumulations} == {"bias", "weight"}
    passes = [one for iteration in iterations for one in iteration.backward_passes]
    assert [one.loss for one in passes] == run.losses and [one.number for one in passes] == list(range(2 * STEPS))
    assert [iteration.loss for iteration in iterations] == run.losses[1::2]
    assert all(node.pass_ == one.number for one in passes for node in one.nodes)
    assert {event.tensor for event in iterations[1].updates} == {"weight", "bias"}
    assert sum(len(iteration.events) for iteration in iterations) <= len(run.trace)
    assert iterations.numbered(3).positions.tolist() == iterations[-1].positions.tolist()
    with pytest.raises(IndexError, match=f"no iteration {STEPS}: {STEPS} were recorded"):
        iterations[STEPS]
    with pytest.raises(KeyError):
        iterations.numbered(99)


def test_a_window_has_the_iterations_that_were_recorded(tmp_path: Path) -> None:
    w = torch.ones((), requires_grad=True)
    with backstep.record(tmp_path / "w.backstep", iterations="2:4"):
        for _ in range(6):
            (w * 2).backward()
            with torch.no_grad():
                w -= 0.1 * w.grad
    iterations = backstep.load(tmp_path / "w.backstep").iterations
    assert [iteration.number for iteration in iterations] == [2, 3] and iterations.numbered(3) is not None


def test_the_loops_of_an_iteration_are_those_around_it(tmp_path: Path) -> None:
    w = torch.tensor(1.0, requires_grad=True)

    def batches() -> Any:
        for number in range(3):
            for _ in range(2):
                made = torch.ones(()) * number
            yield made

    with backstep.record(tmp_path / "l.backstep"):
        for batch, x in enumerate(batches()):
            (w * x * batch).backward()
            with torch.no_grad():
                w -= 0.1
    iterations = backstep.load(tmp_path / "l.backstep").iterations
    assert [iteration.loops for iteration in iterations] == [{"batch": at} for at in range(3)]
    assert "_" in iterations[1].events[0].loops, "which is in a loop of its own"


def test_a_pass_inside_a_pass_is_one_of_its_own(tmp_path: Path) -> None:
    x = torch.tensor(3.0, requires_grad=True)
    with backstep.record(tmp_path / "p.backstep"):
        (gradient,) = torch.autograd.grad(x**3, x, create_graph=True)
        gradient.backward()
    first, second = backstep.load(tmp_path / "p.backstep").iterations[0].backward_passes
    assert [node.op for node in first.nodes] == ["PowBackward0"] and second.accumulations[0].after.values == 18.0


def test_what_a_composite_made_is_told_once(tmp_path: Path) -> None:
    x = torch.randn(3, 4, requires_grad=True)
    with backstep.record(tmp_path / "c.backstep"):
        for _ in range(3):
            loss = nn.functional.cross_entropy(x, torch.tensor([0, 1, 2]))
            loss.backward()
    trace = backstep.load(tmp_path / "c.backstep")
    history = trace.tensor("loss").history()
    assert [point.values for point in history] == trace.loss.values.tolist()
    assert {point.event["op"] for point in history} == {"cross_entropy"}  # type: ignore[index]


def test_what_is_not_there_is_said_in_words(run: Run) -> None:
    weight = run.trace.tensor("weight")
    with pytest.raises(IndexError, match=f"no index 99 among {len(weight.history())} points"):
        weight.history()[99]
    with pytest.raises(IndexError, match=f"no index -99 among {2 * STEPS} losses"):
        run.trace.loss[-99]
    with pytest.raises(TypeError, match=r"by its name or its number, not by 3\.5"):
        run.trace.tensor(3.5)  # type: ignore[arg-type]
    with pytest.raises(KeyError, match="nearest: weight"):
        run.trace.tensor("wieght")


def test_the_loss_is_a_curve(run: Run) -> None:
    curve = run.trace.loss
    assert [point.value for point in curve] == run.losses and curve.values.tolist() == run.losses
    assert [point.iteration for point in curve] == [step for step in range(STEPS) for _ in range(2)]


def test_reprs_are_a_line_and_say_what_matters(run: Run) -> None:
    trace = run.trace
    told = {event.kind: repr(event) for event in trace.events}
    assert told["update"].startswith("<#") and "by SGD.step" in told["update"]
    assert "MeanBackward0" in repr(trace.iterations[0].backward_passes[0].nodes[0])
    assert repr(trace.iterations) == f"<{STEPS} iterations, 0 to {STEPS - 1}>"
    assert repr(trace.loss).startswith(f"<loss over {2 * STEPS} backward passes: ")
    things: list[Any] = [
        *trace.events, *trace.iterations, *trace.iterations[0].backward_passes, trace, trace.loss,
        trace.tensor("weight"), *trace.tensor("weight").history(), *next(trace.find(kind="forward")).outputs,
        *next(trace.find(kind="backward")).edges, next(trace.find(kind="backward")).edges[0].local,
    ]  # fmt: skip
    for thing in things:
        assert "\n" not in repr(thing) and len(repr(thing)) < 400 and repr(thing).isprintable()
    assert repr(trace.events) == f"<{len(trace)} events, #0 to #{len(trace) - 1}>"
    history = repr(trace.tensor("weight").grad_history())
    assert history.startswith("<History of weight.grad, ") and history.count("\n") <= 7


def test_the_package_says_what_is_in_it() -> None:
    assert [name for name in dir(backstep) if not name.startswith("_")] == sorted(backstep.__all__)
    told = pydoc.render_doc(backstep, renderer=pydoc.plaintext)
    assert "trace.find(kind=" in told and re.search(r"record\(\s*path: ", told)


def test_a_recording_says_how_far_it_is() -> None:
    recording = backstep.record()
    assert repr(recording) == "<Recording into recording.backstep: not begun>"
    with recording:
        assert repr(recording).endswith(": recording>")
    assert repr(recording).endswith(": finished>")


def test_a_hostile_name_does_nothing_in_a_repr() -> None:
    w = torch.ones(2, requires_grad=True)
    with backstep.record() as recording:
        (w * 2).sum().backward()
    event = next(recording.trace.find(kind="accumulate"))
    object.__setattr__(event, "tensor", "\x1b[2J\u202e" + "w" * 500)
    assert "\x1b" not in repr(event) and len(repr(event)) < 400


def test_tables_for_pandas_or_a_plain_word(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *given: Any, **named: Any) -> Any:
        if name == "pandas":
            raise ImportError(name)
        return real(name, *given, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match="needs pandas, which is not installed"):
        run.trace.loss.to_pandas()
    monkeypatch.undo()
    pandas = pytest.importorskip("pandas")
    frame = run.trace.tensor("weight").grad_history().to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.columns) == ["position", "iteration", "by", "value", "norm"]
    assert run.trace.loss.to_pandas()["loss"].tolist() == run.losses
    events = run.trace.to_pandas()
    assert len(events) == len(run.trace) and set(events["kind"]) == {event.kind for event in run.trace.events}
    assert str(events["iteration"].dtype) == "Int64", "iteration 0 is not 0.0"
    arrived = events[events["kind"] == "accumulate"].groupby("tensor")["norm"].last()
    assert arrived["weight.grad"] == pytest.approx(np.linalg.norm(run.grads[-1]))
    loop = next(iter(run.trace.iterations[0].loops))
    assert events.groupby(loop)["position"].min().tolist() == [int(it.positions[0]) for it in run.trace.iterations]


def test_what_was_not_kept_is_falsy_and_says_why(tmp_path: Path) -> None:
    w = torch.ones(50, requires_grad=True)
    with backstep.record(tmp_path / "o.backstep", max_elements=8):
        (w * 2).sum().backward()
    (point,) = backstep.load(tmp_path / "o.backstep").tensor("w").grad_history()
    assert isinstance(point.values, Omitted) and not point.values and math.isclose(point.value.summary.norm, 200**0.5)  # type: ignore[union-attr]


def test_the_examples_of_the_docstrings_run(run: Run) -> None:
    import backstep.trace.trace as room

    found = doctest.DocTestFinder(recurse=True).find(room.Trace, globs={"trace": run.trace, "np": np})
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    for test in found:
        runner.run(test)
    assert runner.tries > 5 and runner.failures == 0
    assert isinstance(run.trace, Trace)
