"""What each assertion on a trace says, and that it is silent otherwise. The traces are made by hand."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from backstep import assertions
from backstep.trace import records as r
from backstep.trace.trace import Trace, load
from tests.handmade import HandmadeTrace, ols_trace

Make = Callable[[HandmadeTrace], None]
SOURCE = "x = make()\nloss = model(x)\nloss.backward()\n"


@pytest.fixture
def made(tmp_path: Path) -> Callable[[Make], Trace]:
    """`made(make)` is the trace into which `make` has put its events."""

    def build(make: Make) -> Trace:
        t = HandmadeTrace(tmp_path / "made.backstep", "train.py", SOURCE)
        make(t)
        t.close()
        return load(tmp_path / "made.backstep")

    return build


def says(message: str) -> str:
    return f"^{re.escape(message)}$"


def test_a_training_as_it_should_be_passes(tmp_path: Path) -> None:
    with load(ols_trace(tmp_path / "ols.backstep")) as trace:
        assertions.assert_fresh(trace)
        assertions.assert_fresh(trace, "w")
        assertions.assert_received(trace)
        assertions.assert_received(trace, "w")
        assertions.assert_no_nan(trace)
        assert assertions.assert_no_findings(trace) == []


def test_a_gradient_that_is_not_fresh(tmp_path: Path) -> None:
    message = (
        "the gradient of w was not fresh at #22 (iteration 1, ols.py:14, `loss.backward()`):"
        " -1.96 was added to -2, which was still there"
    )
    with (
        load(ols_trace(tmp_path / "stale.backstep", zero=False)) as trace,
        pytest.raises(AssertionError, match=says(message)),
    ):
        assertions.assert_fresh(trace, "w")


def test_a_leaf_that_is_not_in_the_trace_is_no_leaf_without_a_gradient(tmp_path: Path) -> None:
    with load(ols_trace(tmp_path / "ols.backstep")) as trace:
        with pytest.raises(KeyError, match="no tensor named 'ww' in this trace; nearest: w"):
            assertions.assert_fresh(trace, "ww")
        with pytest.raises(KeyError, match="no tensor named 'ww' in this trace; nearest: w"):
            assertions.assert_received(trace, "w", "ww")


def backward_pass(t: HandmadeTrace, number: int, *arrivals: tuple[int, float | None, float]) -> None:
    """A pass that brings each `(leaf, before, arrived)`."""
    root, gradient = t.tensor(), t.tensor()
    loss = t.value(root, 1.0, "loss", requires_grad=True)
    t.add(r.BackwardStart(number, "backward", (loss,), (None,), None, False, False), "backward", 3, subject=number)
    for leaf, before, arrived in arrivals:
        there = None if before is None else t.value(gradient, before)
        value, after = t.value(gradient, arrived), t.value(gradient, (before or 0.0) + arrived)
        t.add(r.Accumulate(leaf, there, value, after, not before), "backward", 3, subject=leaf)
    t.add(r.BackwardEnd(number, ()), "backward", 3, subject=number)


def test_micro_batches_accumulate_and_are_fresh(made: Callable[[Make], Trace]) -> None:
    def make(t: HandmadeTrace) -> None:
        leaf = t.tensor()
        t.leaf(leaf, "w")
        for step in range(2):
            with t.loop_pass("step", step):
                backward_pass(t, 2 * step, (leaf, 0.0, 1.0))
                backward_pass(t, 2 * step + 1, (leaf, 1.0, 1.0))

    with made(make) as trace:
        assertions.assert_fresh(trace, "w")


def test_an_iteration_that_brings_nothing_is_not_fresh(made: Callable[[Make], Trace]) -> None:
    def make(t: HandmadeTrace) -> None:
        w, b = t.tensor(), t.tensor()
        t.leaf(w, "w")
        t.leaf(b, "b")
        for step in range(2):
            with t.loop_pass("step", step):
                backward_pass(t, step, (w, None, 1.0), *([(b, None, 1.0)] if step == 0 else []))

    message = "b received no gradient from the backward pass at #4 (iteration 1, train.py:3, `loss.backward()`)"
    with made(make) as trace:
        assertions.assert_fresh(trace, "w")
        assertions.assert_received(trace, "w", "b")
        with pytest.raises(AssertionError, match=says(message)):
            assertions.assert_fresh(trace)


def test_leaves_without_a_gradient_are_named_with_their_use(made: Callable[[Make], Trace]) -> None:
    def make(t: HandmadeTrace) -> None:
        used, unused, written = t.tensor(), t.tensor(), t.tensor()
        for number, name in ((used, "cut.weight"), (unused, "spare.weight"), (written, "by_hand")):
            t.leaf(number, name)
        weight = t.value(used, [1.0, 2.0], "cut.weight", requires_grad=True, leaf=True)
        t.forward("linear", (weight,), (t.value(t.tensor(), 1.0, "loss"),), 2, "model(x)")
        gradient = t.value(t.tensor(), 1.0)
        t.add(r.GradWrite(written, t.batch.strings.number("assign"), None, gradient), "other", subject=written)

    message = """\
2 of 3 leaves never received a gradient: cut.weight and spare.weight
  cut.weight: used first at #0 (outside of the loop, train.py:2, `model(x)`)
  spare.weight: used by no operation"""
    with made(make) as trace:
        assertions.assert_received(trace, "by_hand")
        with pytest.raises(AssertionError, match=says(message)):
            assertions.assert_received(trace)


def test_without_a_leaf_or_a_backward_pass_nothing_is_proved(made: Callable[[Make], Trace]) -> None:
    def make(t: HandmadeTrace) -> None:
        t.forward("tensor", (), (t.value(t.tensor(), 1.0, "x"),), 1, "make()")

    with made(make) as trace:
        with pytest.raises(AssertionError, match="there was no backward pass"):
            assertions.assert_fresh(trace)
        with pytest.raises(AssertionError, match="there was no leaf"):
            assertions.assert_received(trace)


def test_the_first_nan_is_told(made: Callable[[Make], Trace]) -> None:
    def make(t: HandmadeTrace) -> None:
        x = t.value(t.tensor(), [math.inf, 1.0], "x")
        t.forward("tensor", (), (x,), 1, "make()")
        t.forward("model", (x,), (t.value(t.tensor(), [math.nan, math.nan], "loss"),), 2, "model(x)")

    message = "2 NaNs in loss at #1 (outside of the loop, train.py:2, `model(x)`)"
    with made(make) as trace, pytest.raises(AssertionError, match=says(message)):
        assertions.assert_no_nan(trace)


def test_memory_that_nobody_wrote_yet_is_no_nan_of_the_training(made: Callable[[Make], Trace]) -> None:
    def make(t: HandmadeTrace) -> None:
        weight = t.tensor()
        unwritten = t.value(weight, [math.nan], "weight")
        t.forward("empty", (), (unwritten,), 1, "make()")
        t.forward("uniform_", (unwritten,), (t.value(weight, [0.5], "weight", version=1),), 1, "make()", inplace=True)

    with made(make) as trace:
        assertions.assert_no_nan(trace)
