"""The Loss pane: the curves are those of the numbers that the script itself computed."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch

import backstep
from backstep.replay.moment import Moment
from backstep.trace.trace import Trace
from backstep.view import loss
from backstep.view.rows import Row
from backstep.view.theme import DARK
from tests.handmade import ols_trace

STEPS = 24


class Run:
    """A perceptron with a schedule; what is drawn is noted by the loop itself."""

    def __init__(self, path: Path) -> None:
        torch.manual_seed(0)
        x = torch.randn(8, 20)
        model = torch.nn.Sequential(torch.nn.Linear(20, 80), torch.nn.Tanh(), torch.nn.Linear(80, 1))
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
        schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
        self.losses: list[float] = []
        self.rates: list[float] = []
        self.norms: list[float] = []
        with backstep.record(path):
            for _ in range(STEPS):
                value = model(x).square().mean()
                optimizer.zero_grad()
                value.backward()
                gradients = torch.cat([one.grad.flatten() for one in model.parameters() if one.grad is not None])
                self.losses.append(value.item())
                self.rates.append(optimizer.param_groups[0]["lr"])
                self.norms.append(float(gradients.double().norm()))
                optimizer.step()
                schedule.step()
        self.trace = backstep.load(path)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run(tmp_path_factory.mktemp("loss") / "run.backstep")


def text_of(rows: list[Row]) -> list[str]:
    return ["".join(segment.text for segment in row) for row in rows]


def drawn(trace: Trace, position: int, width: int = 60, height: int = 16) -> str:
    moment = Moment(trace, position)
    rows = text_of([loss.title(moment, width, DARK), *loss.build(moment, width, height, DARK)])
    assert len(rows) == height + 1 and {len(row) for row in rows} == {width}
    return "\n".join(rows)


def test_learning_rate_and_norm_of_all_gradients_are_those_of_the_script(run: Run) -> None:
    """Of weights that are kept, of a larger one that is only summed up, and of a single number."""
    assert run.trace.rates.values.tolist() == run.rates
    np.testing.assert_allclose(run.trace.norms.values, run.norms, rtol=1e-6)
    assert [run.trace.iteration_at(position) for position in run.trace.norms.positions] == list(range(STEPS))


def test_what_is_known_now_is_told_and_every_iteration_can_be_pointed_at(run: Run) -> None:
    for update in itertools.islice(run.trace.find(kind="update", tensor="2.bias"), 0, STEPS, 7):
        step = update.iteration
        assert step is not None
        shown = drawn(run.trace, update.position)
        assert f"iteration {step}" in shown and "▲" in shown
        for number in (run.losses[step], run.norms[step]):
            assert f"{number:.4g}" in shown
    columns = range(loss.LABEL, 60 - loss.RIGHT)
    pointed = {run.trace.iteration_at(loss.position_at(Moment(run.trace, 0), 60, x)) for x in columns}
    assert pointed == set(range(STEPS))


def test_the_scale_is_that_of_the_losses(run: Run) -> None:
    shown = drawn(run.trace, len(run.trace) - 1)
    high, low = max(run.losses), min(run.losses)
    assert f"{high:.4g} ┤" in shown
    assert (" 0 ┤" if low < high / 2 else f"{low:.4g} ┤") in shown


def test_losses_far_apart_are_drawn_by_their_logarithms_and_those_that_are_no_number_are_marked(tmp_path: Path) -> None:
    w = torch.ones(1, requires_grad=True)
    with backstep.record(tmp_path / "t.backstep"):
        for step in range(9):
            w.grad = None
            (w * (math.nan if step == 4 else 10.0**-step)).backward()
    shown = drawn(backstep.load(tmp_path / "t.backstep"), 0, height=7)
    curve = [row[loss.LABEL : -loss.RIGHT] for row in shown.split("\n")[1:7]]
    heights = [sum(row[x] not in "⠀│" for row in curve) for x in (2, 18, 28, 36)]
    assert "logarithmic" in shown and "✗" in shown.split("\n")[7]
    assert heights == sorted(heights, reverse=True) and len(set(heights)) > 2, "a line that falls evenly"


def test_a_run_without_a_loop_is_drawn_by_its_backward_passes_and_one_without_a_loss_says_so(tmp_path: Path) -> None:
    w = torch.ones(1, requires_grad=True)
    with backstep.record(tmp_path / "two.backstep"):
        (w * 3).backward()
        (w * 5).backward()
    shown = drawn(backstep.load(tmp_path / "two.backstep"), 0)
    assert "by backward pass" in shown and "5 ┤" in shown
    with backstep.record(tmp_path / "none.backstep"):
        (w * torch.ones(2)).backward(torch.ones(2))
    assert "a curve needs a backward pass" in drawn(backstep.load(tmp_path / "none.backstep"), 0, width=80)


@pytest.mark.parametrize("height", range(1, 20))
def test_it_has_just_the_room_it_is_given(tmp_path: Path, height: int) -> None:
    trace = backstep.load(ols_trace(tmp_path / "ols.backstep", epochs=3))
    for width in (24, 38, 64, 199):
        drawn(trace, len(trace) - 1, width, height)
