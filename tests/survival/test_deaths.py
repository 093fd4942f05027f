"""Whatever ends a script ends it as without backstep, and leaves a trace with all but its last moment."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

import backstep
from tests.commands import command
from tests.processes import TRACE, python, record

DIES = Path(__file__).parent / "scripts" / "dies.py"
STEPS = 10


def look(trace: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    exported = command("export", trace, "--format", "jsonl")
    assert (exported.code, exported.stderr) == (0, "")
    header, *events = map(json.loads, exported.stdout.splitlines())
    return header, events


def assert_good(trace: Path) -> None:
    """The numbers are those of the script, and hold together."""
    _, events = look(trace)
    arrived = [event["arrived"]["values"] for event in events if event["kind"] == "accumulate"]
    expected, w = [], 1.0
    for _ in range(STEPS):
        expected.append(2 * (w - 2.0))
        w -= 0.1 * expected[-1]
    assert arrived[:STEPS] == pytest.approx(expected, rel=1e-5)
    assert command("verify", trace).code == 0


@pytest.mark.parametrize(
    ("way", "number"),
    [("terminated", signal.SIGTERM), ("killed", signal.SIGKILL), ("aborted", signal.SIGABRT),
     ("segfault", signal.SIGSEGV)],
)  # fmt: skip
def test_killed(way: str, number: int, tmp_path: Path):
    ran = record(DIES, way, cwd=tmp_path)
    assert (ran.code, ran.stdout, ran.stderr) == (128 + number, "trained\n", "")
    header, _ = look(tmp_path / TRACE)
    assert (header["exit"], header["complete"]) == ({"status": "killed", "code": None, "exception": None}, False)
    assert "last moment is not recorded" in command("info", tmp_path / TRACE).stdout
    assert_good(tmp_path / TRACE)


def test_left_without_a_word(tmp_path: Path):
    ran = record(DIES, "left_at_once", cwd=tmp_path)
    assert (ran.code, ran.stdout, ran.stderr) == (3, "trained\n", "")
    assert look(tmp_path / TRACE)[0]["exit"]["status"] == "killed"
    assert_good(tmp_path / TRACE)


def test_interrupted_by_a_signal(tmp_path: Path):
    ran = record(DIES, "interrupted", cwd=tmp_path)
    assert (ran.code, ran.stdout) == (130, "trained\n")
    header, _ = look(tmp_path / TRACE)
    assert (header["exit"]["status"], header["exit"]["code"], header["complete"]) == ("interrupted", 130, True)
    assert_good(tmp_path / TRACE)


@pytest.mark.parametrize("way", ["exception", "in_hook", "in_module_hook", "in_backward"])
def test_ended_by_an_exception(way: str, tmp_path: Path):
    ran, plain = record(DIES, way, cwd=tmp_path), python(DIES, way, cwd=tmp_path)
    assert (ran.code, ran.stdout) == (plain.code, plain.stdout) == (1, "trained\n")
    assert without_summary(ran.stderr) == plain.stderr
    header, events = look(tmp_path / TRACE)
    assert header["exit"] == {"status": "exception", "code": 1, "exception": "ArithmeticError: refused"}
    assert header["complete"] is True
    assert [event["caught"] for event in events if event["kind"] == "exception"] == [False]
    assert_good(tmp_path / TRACE)


def test_exception_in_a_thread(tmp_path: Path):
    ran, plain = record(DIES, "in_thread", cwd=tmp_path), python(DIES, "in_thread", cwd=tmp_path)
    assert (ran.code, ran.stdout) == (plain.code, plain.stdout) == (0, "trained\n")
    assert without_summary(ran.stderr) == plain.stderr
    assert look(tmp_path / TRACE)[0]["exit"]["status"] == "ok", "the script itself ended well"
    assert_good(tmp_path / TRACE)


def test_the_summary_is_plain_text(tmp_path: Path):
    """The traceback is the script's own; what we say of it stays on its line."""
    ran = record(DIES, "escapes", cwd=tmp_path)
    said = [line for line in ran.stderr.splitlines() if line.startswith("backstep: ")]
    assert len(said) == 2 and all(line.isprintable() for line in said)
    assert said[0].endswith("ended by ArithmeticError: refused �[2J�")


def without_summary(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("backstep: "))


def test_a_recording_in_process_that_raises_is_whole(tmp_path: Path):
    torch = pytest.importorskip("torch")
    w = torch.tensor(3.0, requires_grad=True)
    with pytest.raises(LookupError), backstep.record(tmp_path / TRACE):
        (w * w).backward()
        raise LookupError("no update today")
    with backstep.load(tmp_path / TRACE) as trace:
        assert trace.header["exit"]["exception"] == "LookupError: no update today"
        assert [event.arrived.values for event in trace.find(kind="accumulate")] == [6.0]
