"""The commands that read a trace, from outside: stdout, stderr and the exit code, each asserted."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from backstep.trace import records as r
from tests.handmade import HandmadeTrace, ols_trace
from tests.processes import ROOT, Outcome, backstep, python

READERS = [["info"], ["verify"], ["export", "--format", "jsonl"], ["show", "--at", "first"], ["open"]]


@pytest.fixture
def ols(tmp_path: Path) -> Path:
    return ols_trace(tmp_path / "ols.backstep", epochs=3)


def assert_refused(outcome: Outcome) -> None:
    assert (outcome.code, outcome.stdout) == (2, "")
    assert len(outcome.stderr.splitlines()) == 1, outcome.stderr
    assert outcome.stderr.startswith("backstep")
    assert outcome.stderr.strip().isprintable()


@pytest.mark.parametrize("command", READERS, ids=lambda command: command[0])
@pytest.mark.parametrize("content", [None, b"", b"no trace\n" * 3000], ids=["missing", "empty", "text"])
def test_a_file_that_is_no_trace_is_one_line_and_exit_code_2(
    tmp_path: Path, command: list[str], content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "x.backstep").write_bytes(content)
    assert_refused(backstep(*command, "x.backstep", cwd=tmp_path))


def test_a_later_format_is_refused_naming_both(ols: Path) -> None:
    with sqlite3.connect(ols) as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    outcome = backstep("info", ols, cwd=ols.parent)
    assert_refused(outcome)
    assert "99" in outcome.stderr and "format 1" in outcome.stderr


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["nonsense"],
        ["--nonsense"],
        ["info"],
        ["info", "a", "b"],
        ["export", "ols.backstep"],
        ["export", "ols.backstep", "--format", "xml"],
        ["export", "ols.backstep", "--format", "jsonl", "-o", "no/folder/x"],
        ["export", "ols.backstep", "--format", "jsonl", "-o", "ols.backstep"],
        ["show", "ols.backstep"],
        ["show", "ols.backstep", "--at", "nowhere"],
        ["show", "ols.backstep", "--at", "4000"],
        ["open", "ols.backstep", "--at", "i99"],
        ["open", "ols.backstep"],
    ],
    ids=" ".join,
)
def test_a_usage_error_is_one_line_and_exit_code_2(ols: Path, command: list[str]) -> None:
    before = ols.read_bytes()
    assert_refused(backstep(*command, cwd=ols.parent))
    assert ols.read_bytes() == before


def test_help_and_version_go_to_stdout(tmp_path: Path) -> None:
    outcome = backstep("--help", cwd=tmp_path)
    assert (outcome.code, outcome.stderr) == (0, "")
    for command in ("run", "open", "show", "info", "export", "verify"):
        assert f"\n  {command} " in outcome.stdout
        assert backstep(command, "--help", cwd=tmp_path).code == 0
    version = backstep("--version", cwd=tmp_path)
    assert (version.code, version.stdout.split()[0]) == (0, "backstep")


def test_info_says_what_is_in_the_trace(ols: Path) -> None:
    outcome = backstep("info", ols, cwd=ols.parent)
    assert (outcome.code, outcome.stderr) == (0, "")
    lines = outcome.stdout.splitlines()
    assert len(lines) <= 40
    text = outcome.stdout
    for expected in (
        "ols.py",
        "2.13.0, 3.11.7",
        "complete",
        "42\n",
        "forward 15, backward_start 3",
        "3 iterations (epoch 0 to 2)",
        "3 backward passes",
        "loss 1 -> 0.922368",
        "w []: gradient 3 times, updated 3 times, zeroed 3 times",
        "9 of 9 kept",
        "nothing that backstep knows of",
    ):
        assert expected in text


def test_info_tells_what_went_wrong(tmp_path: Path) -> None:
    path = tmp_path / "bad.backstep"
    t = HandmadeTrace(path)
    t.leaf(t.tensor(), "w")
    for _ in range(2):
        t.add(r.Note("ops of another thread are not recorded"), "other")
    t.close("exception", 1, "ValueError: no more")
    text = backstep("info", path, cwd=tmp_path).stdout
    assert "crashed of ValueError: no more (exit code 1)" in text
    assert "never received a gradient" in text
    assert "ops of another thread are not recorded (2 times)" in text


def test_a_killed_recording_is_said_to_be_good_until_then(tmp_path: Path) -> None:
    program = (
        "import os; from pathlib import Path; from tests.handmade import HandmadeTrace\n"
        "t = HandmadeTrace(Path('k.backstep')); t.batch.flush(); os.kill(os.getpid(), 9)"
    )
    python("-c", program, cwd=tmp_path, PYTHONPATH=f"{ROOT}{os.pathsep}{ROOT / 'src'}")
    assert "killed: what was recorded before is good" in backstep("info", "k.backstep", cwd=tmp_path).stdout


def test_a_hostile_trace_cannot_move_the_cursor(tmp_path: Path) -> None:
    path = tmp_path / "evil.backstep"
    evil = "\x1b[2J\x1b]0;owned\x07\r\x9b31m\u202e"
    t = HandmadeTrace(path, script=evil)
    w = t.tensor()
    t.leaf(w, evil)
    value = t.value(w, 1.0, evil, leaf=True)
    t.forward(evil, (value,), (value,))
    t.add(r.Accumulate(w, None, value, t.value(t.tensor(), 2.0, evil), True), "backward", subject=w)
    t.add(r.Note(evil), "other")
    t.close("exception", 1, evil)
    for command in (["info"], ["verify"], ["show", "--at", "0"], ["show", "--at", "1"], ["show", "--at", "2"]):
        outcome = backstep(*command, path, cwd=tmp_path)
        assert outcome.code == (1 if command == ["verify"] else 0), outcome.stderr
        unsafe = {character for character in outcome.stdout if not character.isprintable()} - {"\n"}
        assert not unsafe, command
    exported = backstep("export", "--format", "jsonl", path, cwd=tmp_path).stdout
    assert "\x1b" not in exported and json.loads(exported.splitlines()[0])["script"] == evil


def test_show_prints_the_moment(ols: Path) -> None:
    outcome = backstep("show", ols, "--at", "#7", cwd=ols.parent)
    assert (outcome.code, outcome.stderr) == (0, "")
    assert "PowBackward0" in outcome.stdout
    assert "-2" in outcome.stdout
    assert outcome.stdout.endswith("\n") and not outcome.stdout.endswith("\n\n")


def test_show_takes_every_kind_of_position(ols: Path) -> None:
    texts = {at: backstep("show", ols, "--at", at, cwd=ols.parent).stdout for at in ("16", "#16", "i1", "e1", "e1i0")}
    assert len(set(texts.values())) == 1 and texts["16"]
    assert backstep("show", ols, "--at", "last", cwd=ols.parent).stdout.count("epoch 2") >= 1


def test_verify_holds_for_the_lecture(ols: Path) -> None:
    outcome = backstep("verify", ols, cwd=ols.parent)
    assert (outcome.code, outcome.stderr) == (0, "")
    assert outcome.stdout.splitlines()[0] == "9 of 9 edges hold (upstream x local = downstream); all exactly"


def test_verify_fails_for_a_wrong_product(tmp_path: Path) -> None:
    path = tmp_path / "wrong.backstep"
    t = HandmadeTrace(path)
    up, down = t.value(t.tensor(), 2.0), t.value(t.tensor(), 7.0)
    t.add(r.BackwardStart(0, "backward", (), (), None, False, False), "backward", subject=0)
    edge = t.edge("x", node=5, local=t.local(3.0), downstream=down)
    name = t.batch.strings.number("MulBackward0")
    t.add(r.Backward(0, 0, name, -1, 0, (up,), (edge,)), "backward", subject=0)
    t.close()
    outcome = backstep("verify", path, cwd=tmp_path)
    assert outcome.code == 1
    assert "FAILS at #1: MulBackward0 -> x: worked out 6, recorded 7" in outcome.stdout


def test_verify_says_when_there_is_nothing_to_check(tmp_path: Path) -> None:
    HandmadeTrace(tmp_path / "empty.backstep").close()
    outcome = backstep("verify", "empty.backstep", cwd=tmp_path)
    assert (outcome.code, outcome.stdout) == (0, "nothing to check: no backward step whose numbers are kept\n")


@pytest.mark.parametrize("command", ["export --format jsonl", "info", "verify", "show --at 0"])
def test_a_reader_that_leaves_early_is_no_error(ols: Path, command: str) -> None:
    program = [sys.executable, "-m", "backstep", *command.split(), str(ols)]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(timeout=60) == 141


def test_a_terminal_without_unicode_gets_stand_ins(ols: Path) -> None:
    outcome = backstep("show", ols, "--at", "7", cwd=ols.parent, PYTHONIOENCODING="ascii")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert outcome.stdout.isascii() and "?" not in outcome.stdout and "dloss/dl = 2*l = 2*(-1)" in outcome.stdout


LOADS_NO_TORCH = """
import sys
from backstep.cli import main
try:
    main(sys.argv[1:])
except SystemExit as exit_:
    assert exit_.code == 0, exit_.code
for name in ("torch", "textual", "backstep.recorder"):
    assert name not in sys.modules, name
"""


@pytest.mark.parametrize(
    "command", ["--help", "--version", "info ols.backstep", "verify ols.backstep", "show ols.backstep --at 5"]
)
def test_reading_a_trace_loads_neither_torch_nor_textual(ols: Path, command: str) -> None:
    outcome = python("-c", LOADS_NO_TORCH, *command.split(), cwd=ols.parent)
    assert (outcome.code, outcome.stderr) == (0, "")
