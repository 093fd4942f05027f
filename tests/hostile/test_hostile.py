"""A trace is untrusted: whatever is in a file, a command shows it or refuses it in one line, within bounds.

Each hostile file is opened by every command and by the screen, in a process that may have one gigabyte of memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import sys
import traceback
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from backstep.trace.file import TraceError
from backstep.trace.trace import load
from backstep.tui import App
from tests.commands import command
from tests.handmade import ols_trace
from tests.hostile.traces import TRACES

POSITIONS = ("first", "1", "8", "50%", "last", "i0")
COMMANDS = (
    ("info",), ("verify",), ("check",), ("export", "--format", "jsonl"), *(("show", "--at", at) for at in POSITIONS),
)  # fmt: skip
LARGE = ("endless_text", "many_batches", "many_leaves", "many_lines", "absurd_contexts", "huge_columns", "huge_source")
MEMORY = 1 << 30
SECONDS = 20
KEYS = "right t p e i o 5 z end left 4".split()


def in_bounds(test: Callable[[], None]) -> None:
    """Runs a test in a process of its own, with so much memory and time; what it says comes back."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(reading)
        resource.setrlimit(resource.RLIMIT_AS, (held() + MEMORY, held() + MEMORY))
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(SECONDS * 3)
        code = 1
        try:
            test()
            code = 0
        except BaseException:
            os.write(writing, traceback.format_exc()[-3000:].encode())
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode(errors="replace")
    _, status = os.waitpid(pid, 0)
    assert status == 0, said or f"ended by {os.waitstatus_to_exitcode(status)}"


def held() -> int:
    """Bytes of address space that this process has already."""
    with contextlib.suppress(OSError):
        return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    return MEMORY


def harmful(text: str) -> set[str]:
    """Characters that act on a terminal instead of standing in a cell."""
    return {c for c in text if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")}


def every_command(path: Path) -> None:
    for name, *options in COMMANDS:
        outcome = command(name, path, *options)
        assert outcome.code in (0, 1, 2), (name, outcome)
        assert not harmful(outcome.stderr), (name, outcome.stderr)
        if name != "export":
            assert not harmful(outcome.stdout), (name, options, harmful(outcome.stdout))
        if outcome.code == 2:
            assert outcome.stderr.count("\n") == 1 and len(outcome.stderr) < 2000, (name, outcome.stderr)
            assert name == "export" or outcome.stdout == "", (name, outcome.stdout)


def the_screen(path: Path, size: tuple[int, int] = (120, 40)) -> None:
    async def run() -> None:
        with load(path) as trace:
            app = App(trace)
            async with app.run_test(size=size) as pilot:
                await pilot.pause()
                for key in KEYS:
                    await pilot.press(key)
                    await pilot.pause()
                    in_its_cells(app, size)

    with contextlib.suppress(TraceError):  # refused when it is opened, as the commands do
        asyncio.run(run())


def in_its_cells(app: Any, size: tuple[int, int]) -> None:
    for strip in app.canvas.strips:
        text = "".join(segment.text for segment in strip)
        assert not harmful(text), harmful(text)
        assert cell_len(text) == size[0], (cell_len(text), text)


@pytest.mark.skipif(sys.platform != "linux", reason="the limits are Linux's")
@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in LARGE else n for n in TRACES])
def test_hostile_trace(name: str, tmp_path: Path):
    path = tmp_path / "trace.backstep"
    TRACES[name](path)
    before = {file: (file.stat().st_size, file.stat().st_mtime_ns) for file in tmp_path.rglob("*")}
    in_bounds(lambda: every_command(path))
    in_bounds(lambda: the_screen(path))
    after = {file: (file.stat().st_size, file.stat().st_mtime_ns) for file in tmp_path.rglob("*")}
    assert after == before, "nothing is written to it, or beside it"


def test_what_is_no_file_is_refused(tmp_path: Path):
    """A pipe would be waited for, a device has no end."""
    os.mkfifo(tmp_path / "pipe.backstep")
    os.symlink("/dev/zero", tmp_path / "endless.backstep")
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "pipe.backstep", tmp_path / "endless.backstep", tmp_path / "empty"):
        for name, *options in COMMANDS:
            outcome = command(name, path, *options)
            assert (outcome.code, outcome.stdout, outcome.stderr.count("\n")) == (2, "", 1), (path, outcome)


def test_hostile_path(tmp_path: Path):
    path = tmp_path / "\x1b[2J\u202e\n重.backstep"
    for missing in (True, False):
        if not missing:
            path.write_bytes(b"SQLite format 3\x00" + bytes(100))
        for name, *options in COMMANDS:
            outcome = command(name, path, *options)
            assert (outcome.code, outcome.stdout, outcome.stderr.count("\n")) == (2, "", 1), outcome
            assert not harmful(outcome.stderr)


@pytest.mark.parametrize("at", ["9" * 400, "-1", "i-1", "e9999999999999999999999", "e0i" + "9" * 99, "1e9", "٣", "%",
                                "101%", "\x1b[2J", "", "first\n", "#", "0x1", "nan"])  # fmt: skip
def test_position_that_is_none(at: str, tmp_path: Path):
    outcome = command("show", ols_trace(tmp_path / "t.backstep"), "--at", at)
    if outcome.code:
        assert (outcome.code, outcome.stdout, outcome.stderr.count("\n")) == (2, "", 1), outcome
        assert not harmful(outcome.stderr)
