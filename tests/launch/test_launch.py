"""`backstep run` in a real terminal: the screen, then the script's output and exit code."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backstep.trace.trace import load
from tests.handmade import ols_trace
from tests.processes import ROOT

STARTED: list[subprocess.Popen[bytes]] = []


@pytest.fixture(autouse=True)
def nothing_left_running() -> Iterator[None]:
    """However a test ends, its processes do too."""
    yield
    for process in STARTED:
        process.terminate()
        process.wait(timeout=SECONDS)
    STARTED.clear()


SCRIPT = """\
import sys
import torch
w = torch.tensor(2.0, requires_grad=True)
(w ** 2).backward()
print("printed", w.grad.item(), sys.stdout.isatty())
print("warned", file=sys.stderr)
sys.exit(7)
"""

WAITING = """\
import os, sys, time
import torch
x = torch.ones(1)
print("be" + "gun", flush=True)
while not os.path.exists("go"):
    time.sleep(0.01)
print("en" + "ded")
sys.exit(3)
"""

SECONDS = 60


class Terminal:
    """A program in a pseudo-terminal of 120x40."""

    def __init__(self, command: list[str], cwd: Path) -> None:
        self._end, child = pty.openpty()
        import termios

        termios.tcsetwinsize(child, (40, 120))
        env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        self.process = subprocess.Popen(command, stdin=child, stdout=child, stderr=child, cwd=cwd, env=env)
        STARTED.append(self.process)
        os.close(child)
        self.seen = ""

    def until(self, words: str) -> None:
        """Reads on until the words have been written."""
        deadline = time.monotonic() + SECONDS
        while words not in self.seen:
            assert time.monotonic() < deadline, self.seen[-2000:]
            if not self._read():
                assert words in self.seen, self.seen[-2000:]

    def _read(self) -> bool:
        ready, _, _ = select.select([self._end], [], [], 0.1)
        if not ready:
            return True
        try:
            data = os.read(self._end, 65536)
        except OSError:
            return False
        self.seen += data.decode(errors="replace")
        return bool(data)

    def press(self, keys: str) -> None:
        os.write(self._end, keys.encode())

    def finish(self) -> int:
        while self._read() or self.process.poll() is None:
            if self.process.poll() is not None and not select.select([self._end], [], [], 0)[0]:
                break
        return self.process.wait(timeout=SECONDS)


def waiting(folder: Path, *options: str) -> Terminal:
    """A script that waits for the file `go`, on the screen."""
    (folder / "s.py").write_text(WAITING)
    terminal = Terminal([sys.executable, "-m", "backstep", "run", *options, "s.py"], folder)
    terminal.until("#0 of")
    return terminal


def test_the_screen_then_the_output_and_the_exit_code(tmp_path: Path) -> None:
    (tmp_path / "s.py").write_text(SCRIPT)
    terminal = Terminal([sys.executable, "-m", "backstep", "run", "s.py"], tmp_path)
    terminal.until("#0 of")
    terminal.press("\x1b[C\x1b[C")
    terminal.until("#2 of")
    terminal.press("q")
    assert terminal.finish() == 7
    # The script had a terminal of its own; what it wrote is repeated when the screen is gone.
    assert "printed 4.0 True" in terminal.seen and "warned" in terminal.seen
    assert "backstep: trace in s.backstep" in terminal.seen
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.backstep", "s.py"]


def test_stopping_a_running_script(tmp_path: Path) -> None:
    terminal = waiting(tmp_path)
    terminal.press("q")
    terminal.until("still running")
    terminal.press("s")
    assert terminal.finish() == 130
    assert "begun" in terminal.seen and "KeyboardInterrupt" in terminal.seen


def test_a_signal_to_backstep_ends_the_script_and_the_screen(tmp_path: Path) -> None:
    terminal = waiting(tmp_path)
    terminal.process.terminate()
    assert terminal.finish() == 128 + signal.SIGTERM
    assert "begun" in terminal.seen and "\x1b[?1049l" in terminal.seen


def test_force_shows_the_new_trace_and_never_the_old_one(tmp_path: Path) -> None:
    old = ols_trace(tmp_path / "s.backstep", 50)
    with load(old) as trace:
        count = len(trace)
    terminal = waiting(tmp_path, "--force", "-o", "s.backstep")
    assert f"of {count}" not in terminal.seen
    terminal.process.terminate()
    terminal.finish()


def test_a_script_that_fails_before_anything_is_recorded(tmp_path: Path) -> None:
    (tmp_path / "s.py").write_text("def broken(:\n")
    terminal = Terminal([sys.executable, "-m", "backstep", "run", "s.py"], tmp_path)
    terminal.until("stopped before any tensor operation")
    terminal.press("q")
    assert terminal.finish() == 1
    assert "SyntaxError" in terminal.seen
