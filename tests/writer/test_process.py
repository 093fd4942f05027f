"""The process that writes: nobody's child, and whatever happens to it or to the script, both are told the truth."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import backstep
from backstep.recorder import numbers, scribe
from backstep.recorder.outlet import Elsewhere
from backstep.trace.verify import verify
from tests.processes import ROOT, TRACE, record

SLOW = """
import os, sys, time
import torch
w = torch.tensor(1.0, requires_grad=True)
with __import__("contextlib").suppress(ChildProcessError):
    print("a child", os.waitpid(-1, os.WNOHANG))
for step in range(40):
    (w * 2).backward()
    time.sleep(0.01)
print("done", w.grad.item())
"""

ENDLESS = """
import itertools
import torch
w = torch.tensor(1.0, requires_grad=True)
for step in itertools.count():
    (w * 2).backward()
    print(step, flush=True)
"""


def writers_of(path: Path) -> set[int]:
    """The processes that write this trace."""
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
            if b"backstep.writer" in line and str(path).encode() in line:
                found.add(int(entry.name))
        except OSError:
            continue
    return found


def train_until(reached: Callable[[], bool]) -> None:
    """Trains until it is so."""
    w = torch.tensor(1.0, requires_grad=True)
    end = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < end
        (w * 2).backward()
        time.sleep(0.005)


def readable(path: Path) -> bool:
    """Whether some events have been written."""
    with backstep.load(path) as trace:
        return len(trace) > 0


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_long_recording_is_written_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "t.backstep"
    with backstep.record(path) as recording:
        train_until(lambda: bool(writers_of(path)) and readable(path))
        with pytest.raises(ChildProcessError):
            os.waitpid(writers_of(path).pop(), os.WNOHANG)  # it is nobody's child
    trace = recording.trace
    assert trace.header["complete"] and not verify(trace).failures
    assert not path.with_name("t.backstep-wal").exists()
    deadline = time.monotonic() + 10
    while writers_of(path):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_short_recording_starts_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a process for so little")

    monkeypatch.setattr(Elsewhere, "__init__", refuse)
    with backstep.record() as recording:
        torch.ones(2)
    assert len(recording.trace) == 1


def test_where_no_process_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    begin = time.monotonic()
    with backstep.record() as recording:
        train_until(lambda: time.monotonic() - begin > 2 * scribe.PATIENCE)
    assert recording.trace.header["complete"] and not verify(recording.trace).failures


def test_the_script_has_no_child(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    ran = record("slow.py", cwd=tmp_path)
    assert (ran.code, ran.stdout) == (0, "done 80.0\n")


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_writer_that_is_killed_ends_the_recording_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "t.backstep"
    with backstep.record(path):
        train_until(lambda: bool(writers_of(path)) and readable(path))
        os.kill(writers_of(path).pop(), signal.SIGKILL)
        train_until(lambda: not writers_of(path))
    assert capfd.readouterr().err == "backstep: recording stopped: the process that writes has gone\n"
    with backstep.load(path) as trace:
        assert not trace.header["complete"] and trace.header["exit"]["status"] == "ok"
        assert len(trace) > 0


def test_the_users_modules_are_not_the_writers(tmp_path: Path) -> None:
    """A file beside the script that is called like a library of ours."""
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "msgspec.py").write_text("raise RuntimeError('not for you')\n")
    (tmp_path / "there" / "slow.py").write_text(SLOW)
    ran = record("there/slow.py", cwd=tmp_path)
    assert (ran.code, ran.stdout) == (0, "done 80.0\n")
    assert "recording stopped" not in ran.stderr
    with backstep.load(tmp_path / TRACE) as trace:
        assert trace.header["complete"] and len(list(trace.find(kind="accumulate"))) == 40


def test_a_tensor_larger_than_a_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numbers, "LARGEST", 1 << 12)
    big = torch.randn(3, 5000, dtype=torch.float64)
    with backstep.record() as recording:
        torch.clone(big)
    with backstep.record(values="all") as whole:
        torch.clone(big.t())
    (summed,) = recording.trace.find(op="clone")
    (kept,) = whole.trace.find(op="clone")
    assert kept.outputs[0].array.tolist() == big.t().tolist()
    summary = summed.outputs[0].summary
    assert summary.mean == pytest.approx(big.mean().item()) and summary.norm == pytest.approx(big.norm().item())
    assert summary.std == pytest.approx(big.std(correction=0).item())


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_nothing_is_left_open(tmp_path: Path) -> None:
    """Neither of a short recording nor of one that a process wrote, nor where that was killed."""
    torch.ones(1)
    before = descriptors()
    for _ in range(5):
        with backstep.record():
            torch.ones(2)
    for kill in (False, True):
        path = tmp_path / f"{kill}.backstep"
        with backstep.record(path):
            train_until(lambda path=path: bool(writers_of(path)) and readable(path))  # type: ignore[misc]
            if kill:
                os.kill(writers_of(path).pop(), signal.SIGKILL)
                train_until(lambda path=path: not writers_of(path))  # type: ignore[misc]
    assert descriptors() - before == set()


def descriptors() -> set[str]:
    """What this process has open."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.add(f"{name} {os.readlink(f'/proc/self/fd/{name}')}")
    return found


def test_a_killed_script_is_told_at_once(tmp_path: Path) -> None:
    """Its writer has some milliseconds of work left when the script has gone; who opens the trace then waits for it."""
    (tmp_path / "endless.py").write_text(ENDLESS)
    command = [sys.executable, "-m", "backstep", "run", "--headless", "-o", TRACE, "endless.py"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    script = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True)
    assert script.stdout is not None
    told = [int(script.stdout.readline()) for _ in range(2000)]
    script.kill()
    script.wait()
    script.stdout.close()
    with backstep.load(tmp_path / TRACE) as trace:
        assert trace.header["exit"]["status"] == "killed"
        assert len(list(trace.find(kind="accumulate"))) > told[-1] // 4


def test_an_end_that_comes_before_it_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer can be done before the script, on a busy machine, looks at what it says."""
    monkeypatch.setattr(scribe, "PATIENCE", 0.0)
    look = Elsewhere.rest

    def late(self: Elsewhere) -> None:
        time.sleep(0.5)
        look(self)

    path = tmp_path / "t.backstep"
    with backstep.record(path) as recording:
        train_until(lambda: readable(path))
        monkeypatch.setattr(Elsewhere, "rest", late)
    assert recording.trace.header["complete"] and recording.trace.stopped is None
