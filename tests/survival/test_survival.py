"""What was recorded survives: however a run ends its trace opens and says so, and what is no trace is refused."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.commands import command
from tests.processes import ROOT, TRACE, backstep, record
from tests.schema import parse_export

SCRIPTS = Path(__file__).parent / "scripts"
COMMANDS = (("info",), ("show", "--at", "first"), ("export", "--format", "jsonl"), ("verify",), ("open",))


def export(folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    exported = command("export", folder / TRACE, "--format", "jsonl")
    assert (exported.code, exported.stderr) == (0, "")
    return parse_export(exported.stdout.encode())


def assert_opens(folder: Path, status: str) -> None:
    """The commands that read it work, and `info` says how the run ended."""
    told = command("info", folder / TRACE)
    assert (told.code, told.stderr) == (0, "")
    assert status in told.stdout.lower()
    assert command("verify", folder / TRACE).code == 0
    shown = command("show", folder / TRACE, "--at", "last")
    assert shown.code == 0 and shown.stdout


def accumulated(events: list[dict[str, Any]]) -> list[float]:
    return [event["arrived"]["values"] for event in events if event["kind"] == "accumulate"]


@pytest.fixture
def training(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A recorded run that has trained a while and is still at it."""
    command = [sys.executable, "-m", "backstep", "run", "--headless", "-o", TRACE, SCRIPTS / "trains_for_ever.py"]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT / "src")}, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "trained a while\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_killed_in_mid_run(training: subprocess.Popen[str], tmp_path: Path):
    running, so_far = export(tmp_path)
    assert (running["exit"]["status"], running["complete"]) == ("running", False)
    assert len(accumulated(so_far)) >= 50

    training.kill()
    training.wait()
    header, events = export(tmp_path)
    assert (header["exit"]["status"], header["complete"]) == ("killed", False)
    assert len(events) >= len(so_far)
    assert events[: len(so_far) // 2] == so_far[: len(so_far) // 2]
    assert accumulated(events)[0] == -2.0
    assert_opens(tmp_path, "killed")


def test_left_with_a_number(tmp_path: Path):
    ran = record(SCRIPTS / "leaves.py", cwd=tmp_path)
    assert ran.code == 7
    header, events = export(tmp_path)
    assert (header["exit"]["code"], header["exit"]["status"], header["complete"]) == (7, "ok", True)
    assert accumulated(events) == [6.0]
    assert_opens(tmp_path, "exit code 7")


def test_exception_is_the_last_fact(tmp_path: Path):
    record(SCRIPTS / "raises_between.py", cwd=tmp_path)
    header, events = export(tmp_path)
    (died,) = [event for event in events if event["kind"] == "exception"]
    assert (died["type"], died["message"], died["caught"]) == ("LookupError", "no update today", False)
    assert died["source"]["line"] == 7
    assert "LookupError" in header["exit"]["exception"]
    assert_opens(tmp_path, "lookuperror")


def write_text(path: Path) -> None:
    path.write_text("loss 0.3\n")


def write_nothing(path: Path) -> None:
    path.write_bytes(b"")


def write_noise(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 16)


def write_other_database(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("create table songs (title text)")
    connection.close()


def write_half_a_header(path: Path) -> None:
    write_other_database(path)
    path.write_bytes(path.read_bytes()[:100])


def write_folder(path: Path) -> None:
    path.mkdir()


def write_no_file(path: Path) -> None:
    assert not path.exists()


@pytest.mark.parametrize(
    "write",
    [write_text, write_nothing, write_noise, write_other_database, write_half_a_header, write_folder, write_no_file],
)
def test_no_trace_is_refused_in_one_line(write: Any, tmp_path: Path):
    write(tmp_path / "notes.backstep")
    before = sorted(tmp_path.rglob("*"))
    for name, *options in COMMANDS:
        refused = command(name, tmp_path / "notes.backstep", *options)
        assert refused.code == 2, (name, refused)
        assert refused.stdout == ""
        assert refused.stderr.count("\n") == 1 and refused.stderr.endswith("\n"), refused.stderr
        assert "notes.backstep" in refused.stderr
    assert sorted(tmp_path.rglob("*")) == before, "looking at a file leaves nothing beside it"


def test_trace_is_not_overwritten_unasked(tmp_path: Path):
    script = SCRIPTS / "leaves.py"
    record(script, cwd=tmp_path)
    first = (tmp_path / TRACE).read_bytes()
    refused = record(script, cwd=tmp_path)
    assert (refused.code, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
    assert (tmp_path / TRACE).read_bytes() == first
    forced = backstep("run", "--headless", "--force", "-o", TRACE, script, cwd=tmp_path)
    assert forced.code == 7
    assert_opens(tmp_path, "exit code 7")
