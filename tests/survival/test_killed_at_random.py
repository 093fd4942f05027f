"""SIGKILL at random moments: the trace opens, holds together, and lacks the last second at most."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import backstep
from backstep.trace.trace import Trace
from backstep.trace.verify import verify
from tests.processes import python

NURSERY = Path(__file__).parent / "nursery.py"


def kill(count: int, folder: Path, *, seed: int) -> None:
    ran = python(NURSERY, folder, str(count), "4", str(seed), cwd=folder)
    assert (ran.code, ran.stderr) == (0, "")
    lines = [line.split() for line in ran.stdout.splitlines()]
    assert len(lines) == count
    told = [(Path(path), int(steps)) for path, steps in lines]
    assert max(steps for _, steps in told) > 0, "some lived long enough for something to be asked of them"
    for path, steps in told:
        check(path, steps)


def check(path: Path, steps: int) -> None:
    """A child that was killed before there was a trace left none; every other left a good one."""
    try:
        trace = backstep.load(path)
    except backstep.TraceError as error:
        assert steps == 0, (path, steps, error)
        return
    with trace:
        assert when_over(trace)["exit"]["status"] == "killed"
        assert not trace.header["complete"]
        assert len(list(trace.find(kind="accumulate"))) >= steps, path
        assert not verify(trace).failures
        for event in trace.events:
            event.as_dict()


def when_over(trace: Trace) -> dict[str, object]:
    """The header, once nobody holds the file any more."""
    deadline = time.monotonic() + 10
    while trace.running and time.monotonic() < deadline:
        time.sleep(0.05)
    trace.refresh()
    return trace.header


def test_killed_a_few_times(tmp_path: Path):
    kill(6, tmp_path, seed=6)


@pytest.mark.slow
def test_killed_a_hundred_times(tmp_path: Path):
    kill(100, tmp_path, seed=100)
