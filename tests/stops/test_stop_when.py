"""A recording ends at the first event at which a stop holds, exactly, however long it is; the script runs on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import backstep
from backstep.replay.cursor import Cursor
from backstep.stops.search import hits
from backstep.stops.stop import parse_stop
from backstep.trace.trace import Trace
from tests.commands import command
from tests.processes import backstep as run_backstep

SCRIPT = """\
import torch
w = torch.tensor(1.0, requires_grad=True)
x, y = torch.tensor(1.0), torch.tensor(2.0)
for i in range(STEPS):
    loss = (w * x - y) ** 2
    loss.backward()
    with torch.no_grad():
        w -= 0.01 * w.grad
    w.grad.zero_()
print("ran to", i)
"""


def dicts(trace: Trace, count: int) -> list[dict[str, Any]]:
    return [event.as_dict() for event in trace.events[:count]]


@pytest.mark.parametrize("steps", [30, 4000])
def test_nothing_after_it_is_part_of_the_trace(tmp_path: Path, steps: int) -> None:
    """As short as to be over before anything is written, and so long that the recorder hears of it in mid-run."""
    (tmp_path / "s.py").write_text(SCRIPT.replace("STEPS", str(steps)))
    ran = run_backstep("run", "--headless", "-o", "stopped.backstep", "--stop-when", "loss < 0.7", "s.py", cwd=tmp_path)
    assert ran.code == 0 and ran.stdout == f"ran to {steps - 1}\n"
    assert "to where loss < 0.7 held" in ran.stderr
    run_backstep("run", "--headless", "-o", "whole.backstep", "--iterations", "0:30", "s.py", cwd=tmp_path)
    with backstep.load(tmp_path / "stopped.backstep") as stopped, backstep.load(tmp_path / "whole.backstep") as whole:
        first = hits(whole, parse_stop("loss < 0.7"))[0]
        assert len(stopped) == first + 1
        assert dicts(stopped, first + 1) == dicts(whole, first + 1)
        assert stopped.header["complete"] and stopped.stopped == "loss < 0.7 held (--stop-when)"
        assert stopped.header["exit"]["status"] == "ok"
        assert Cursor(stopped, first).step(1) == (
            "last event recorded: the recording stopped, loss < 0.7 held (--stop-when)"
        )  # fmt: skip
    told = command("info", tmp_path / "stopped.backstep")
    assert "recording stopped before the script: loss < 0.7 held" in told.stdout
    assert f"{whole.iteration_at(first) + 1} iterations" in told.stdout  # type: ignore[operator]
    assert command("verify", tmp_path / "stopped.backstep").code == 0


def test_a_block_that_stops_and_one_where_it_never_holds(tmp_path: Path) -> None:
    w = torch.ones(3, requires_grad=True)

    def train(name: str, when: str) -> Trace:
        with backstep.record(tmp_path / name, stop_when=when):
            for step in range(4):
                (w * (torch.nan if step == 2 else 1.0)).sum().backward()
        return backstep.load(tmp_path / name)

    with train("a.backstep", "nan in w.grad") as trace:
        *_, last = trace.events
        assert last.kind == "accumulate" and last.after.summary.nan == 3 and last.iteration == 2
    w.grad = None
    with train("b.backstep", "|w.grad| > 1e9") as trace:
        assert trace.stopped is None and len(list(trace.find(kind="backward_start"))) == 4


def test_with_a_flight_recorder(tmp_path: Path) -> None:
    (tmp_path / "s.py").write_text(SCRIPT.replace("STEPS", "3000"))
    ran = run_backstep(
        "run", "--headless", "-o", "t.backstep", "--keep-last", "3", "--stop-when", "loss < 0.7", "s.py", cwd=tmp_path
    )
    assert ran.code == 0
    with backstep.load(tmp_path / "t.backstep") as trace:
        *_, last = trace.events
        assert last.op == "pow" and last.outputs[0].values < 0.7
        earlier = [event for event in trace.events[:-1] if event.kind == "forward" and event.op == "pow"]
        assert all(event.outputs[0].values >= 0.7 for event in earlier) and earlier


def test_what_is_no_stop_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is no condition"):
        backstep.record(stop_when="loss")
    (tmp_path / "s.py").write_text("print('ran')")
    ran = run_backstep("run", "--headless", "--stop-when", "loss <", "s.py", cwd=tmp_path)
    assert ran.code == 2 and ran.stdout == "" and ran.stderr.count("\n") == 1
