"""Where two recordings first differ: exactly the one thing that was changed in a copy, and nothing in none."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import backstep
from backstep.replay.difference import Tolerance, first_difference
from backstep.trace.trace import Trace
from tests.commands import command
from tests.handmade import ols_trace


def trained(path: Path, *, seed: int = 0, nudge: int = -1, by: float = 1e-3, steps: int = 5, extra: int = -1) -> Trace:
    """A few steps of a small network; at step `nudge` a weight is moved, at step `extra` one op more is done."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(3, 40), nn.Tanh(), nn.Linear(40, 1))
    optimizer = torch.optim.Adam(model.parameters())
    x, y = torch.randn(60, 3), torch.randn(60, 1)
    with backstep.record(path, max_elements=64):
        for step in range(steps):
            if step == nudge:
                with torch.no_grad():
                    model[0].weight[0, 0] += by
            else:
                with torch.no_grad():
                    model[0].weight[0, 0] += 0.0
            out = model(x)
            if step == extra:
                out = out.relu()
            loss = (out - y).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return backstep.load(path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    return trained(tmp_path_factory.mktemp("diff") / "whole.backstep")


def test_a_trace_does_not_differ_from_itself_or_from_the_same_run(whole: Trace, tmp_path: Path) -> None:
    assert first_difference(whole, whole) is None
    with trained(tmp_path / "again.backstep") as again:
        assert first_difference(whole, again) is None


@pytest.mark.parametrize("step", [0, 3])
def test_a_number_that_was_changed_is_found_where_it_was(whole: Trace, tmp_path: Path, step: int) -> None:
    with trained(tmp_path / "nudged.backstep", nudge=step) as nudged:
        found = first_difference(whole, nudged)
        assert found is not None and found.is_of_numbers
        event, other = whole.event(found.position), nudged.event(found.position)
        assert event.iteration == other.iteration == step
        assert event.as_dict()["source"]["line"] != other.as_dict()["source"]["line"], "the two branches of the script"
        assert found.position == min(at for at in range(len(whole)) if values(whole, at) != values(nudged, at))


def values(trace: Trace, position: int) -> str:
    """The numbers of an event: an independent and slow way to compare."""
    told = trace.event(position).as_dict()
    return str([told.get(name) for name in ("outputs", "after", "upstream", "edges", "arrived", "kind")])


def test_a_tolerance_lets_small_differences_be(whole: Trace, tmp_path: Path) -> None:
    with trained(tmp_path / "nudged.backstep", nudge=2, by=1e-7) as nudged:
        assert first_difference(whole, nudged) is not None
        assert first_difference(whole, nudged, Tolerance(absolute=1e-2)) is None
        assert first_difference(whole, nudged, Tolerance(relative=1e-12)) is not None


def test_an_op_more_is_found_where_it_was_done(whole: Trace, tmp_path: Path) -> None:
    with trained(tmp_path / "extra.backstep", extra=3) as extra:
        found = first_difference(whole, extra)
        assert found is not None and not found.is_of_numbers
        assert extra.event(found.position)["op"] == "relu" and extra.iteration_at(found.position) == 3


def test_one_that_ends_before_the_other(tmp_path: Path) -> None:
    short, long = Trace(ols_trace(tmp_path / "s", epochs=2)), Trace(ols_trace(tmp_path / "l", epochs=3))
    found = first_difference(short, long)
    assert found is not None and (found.position, found.field) == (len(short), "")


def test_the_command_says_where_and_what(tmp_path: Path) -> None:
    trained(tmp_path / "a.backstep").close()
    trained(tmp_path / "b.backstep", nudge=1).close()
    same = command("diff", tmp_path / "a.backstep", tmp_path / "a.backstep")
    assert same.code == 0 and same.stdout.startswith("no difference: the same events")
    told = command("diff", tmp_path / "a.backstep", tmp_path / "b.backstep")
    assert told.code == 1 and told.stdout.startswith("first difference at #")
    assert ", iteration 1\n" in told.stdout and "  A " in told.stdout and "  B " in told.stdout
    wide = command("diff", tmp_path / "a.backstep", tmp_path / "b.backstep", "--atol", "1")
    assert wide.code == 0
    gone = command("diff", tmp_path / "a.backstep", tmp_path / "none.backstep")
    assert gone.code == 2 and gone.stderr.count("\n") == 1
