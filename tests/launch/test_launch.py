"""`backstep run` in a real terminal: the screen, then the script's output and exit code."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyte
import pytest

from backstep.trace.trace import load
from tests.handmade import ols_trace
from tests.processes import ROOT

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
LEFT = "\x1b[?1049l"
"""What a program writes when it leaves the alternate screen."""
RIGHT, BACK = "\x1b[C", "\x1b[D"


class Terminal:
    """A program in a pseudo-terminal, whose screen can be read."""

    def __init__(self, command: list[str], cwd: Path, *, size: tuple[int, int] = (120, 40)) -> None:
        self._end, child = pty.openpty()
        columns, lines = size
        termios.tcsetwinsize(child, (lines, columns))
        env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        self.process = subprocess.Popen(command, stdin=child, stdout=child, stderr=child, cwd=cwd, env=env)
        os.close(child)
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self._written = b""

    @property
    def screen(self) -> str:
        """What stands on the screen now."""
        return "\n".join(self._screen.display)

    @property
    def afterwards(self) -> str:
        """What was written when the app's screen was gone."""
        _, left, after = self._written.decode(errors="replace").rpartition(LEFT)
        return after if left else ""

    def read(self, seconds: float = 0.1) -> bool:
        """Takes in what comes within some time; False when nothing will come any more."""
        if not select.select([self._end], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self._end, 65536)
        except OSError:
            return False
        self._written += data
        self._stream.feed(data)
        return bool(data)

    def until(self, shown: Callable[[], bool]) -> None:
        """Reads on until it is so."""
        deadline = time.monotonic() + SECONDS
        open_ = True
        while not shown():
            assert open_ and time.monotonic() < deadline, self.screen
            open_ = self.read()

    def settled(self) -> str:
        """The screen when nothing more has come for a while."""
        before = None
        while before != self._written:
            before = self._written
            self.read(0.3)
        return self.screen

    def shows(self, words: str) -> None:
        self.until(lambda: words in self.screen)

    def says(self, words: str) -> None:
        """As `shows`, of what comes after the app."""
        self.until(lambda: words in self.afterwards)

    def press(self, *keys: str) -> None:
        for key in keys:
            os.write(self._end, key.encode())

    def finish(self) -> int:
        """Reads to the end; the exit code."""
        deadline = time.monotonic() + SECONDS
        while self.process.poll() is None or select.select([self._end], [], [], 0)[0]:
            assert time.monotonic() < deadline, self.screen
            if not self.read():
                break
        return self.process.wait(timeout=SECONDS)

    def close(self) -> None:
        """Nothing of it stays, however the test ended."""
        self.process.terminate()
        deadline = time.monotonic() + 10
        while self.process.poll() is None and time.monotonic() < deadline:
            self.read()  # a program that waits to be read cannot end
        self.process.kill()
        self.process.wait()
        os.close(self._end)


Start = Callable[..., Terminal]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a command in a terminal: `backstep run` of a script that is written to `s.py`, unless it is given."""
    with contextlib.ExitStack() as stack:

        def start(script: str, *options: str, command: list[str] | None = None, **size: tuple[int, int]) -> Terminal:
            (tmp_path / "s.py").write_text(script)
            command = command or [sys.executable, "-m", "backstep", "run", *options, "s.py"]
            terminal = Terminal(command, tmp_path, **size)
            stack.callback(terminal.close)
            return terminal

        yield start


def test_the_screen_then_the_output_and_the_exit_code(start: Start, tmp_path: Path) -> None:
    terminal = start(SCRIPT)
    terminal.shows("#0 of")
    terminal.shows("paused")  # before that there may be no second event to go to
    terminal.press(RIGHT, RIGHT)
    terminal.shows("#2 of")
    assert not terminal.afterwards
    terminal.press("q")
    assert terminal.finish() == 7
    # The script had a terminal of its own; what it wrote is repeated when the screen is gone.
    assert "printed 4.0 True" in terminal.afterwards and "warned" in terminal.afterwards
    assert "backstep: trace in s.backstep" in terminal.afterwards
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.backstep", "s.py"]


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=str)
def test_twelve_steps_forward_and_twelve_back(start: Start, size: tuple[int, int]) -> None:
    terminal = start((ROOT / "scenarios" / "ols.py").read_text(), size=size)
    terminal.shows("#0 of")
    terminal.shows("paused")
    screens = [terminal.settled()]
    for _ in range(12):
        terminal.press(RIGHT)
        terminal.until(lambda: terminal.screen != screens[-1])
        screens.append(terminal.settled())
    assert len(set(screens)) == 13
    for screen in reversed(screens[:-1]):
        terminal.press(BACK)
        terminal.until(lambda: terminal.screen == screen)  # noqa: B023 - called at once
    terminal.press("q")
    assert terminal.finish() == 0


def test_stopping_a_running_script(start: Start) -> None:
    terminal = start(WAITING)
    terminal.shows("#0 of")
    terminal.press("q")
    terminal.shows("still running")
    terminal.press("s")
    assert terminal.finish() == 130
    assert "begun" in terminal.afterwards and "KeyboardInterrupt" in terminal.afterwards


def test_letting_a_running_script_run_on(start: Start, tmp_path: Path) -> None:
    terminal = start(WAITING)
    terminal.shows("#0 of")
    terminal.press("q")
    terminal.shows("still running")
    terminal.press("c")
    terminal.until(lambda: "still running" not in terminal.screen)
    terminal.press("q")
    terminal.shows("still running")
    terminal.press("r")
    terminal.says("runs on")
    terminal.says("begun")
    assert "ended" not in terminal.afterwards
    (tmp_path / "go").touch()
    assert terminal.finish() == 3
    assert "ended" in terminal.afterwards
    assert {path.name for path in tmp_path.iterdir()} == {"s.backstep", "s.py", "go"}
    with load(tmp_path / "s.backstep") as trace:
        assert trace.header["exit"]["code"] == 3


def test_the_question_goes_when_the_script_has_ended(start: Start, tmp_path: Path) -> None:
    terminal = start(WAITING)
    terminal.shows("#0 of")
    terminal.press("q")
    terminal.shows("still running")
    (tmp_path / "go").touch()
    terminal.until(lambda: "still running" not in terminal.screen)
    terminal.press("q")
    assert terminal.finish() == 3


def test_a_signal_to_backstep_ends_the_script_and_the_screen(start: Start) -> None:
    terminal = start(WAITING)
    terminal.shows("#0 of")
    terminal.process.terminate()
    assert terminal.finish() == 128 + signal.SIGTERM
    assert "begun" in terminal.afterwards


def test_force_shows_the_new_trace_and_never_the_old_one(start: Start, tmp_path: Path) -> None:
    old = ols_trace(tmp_path / "s.backstep", 50)
    with load(old) as trace:
        count = len(trace)
    terminal = start(WAITING, "--force", "-o", "s.backstep")
    terminal.shows("#0 of")
    assert f"of {count}" not in terminal.screen


def test_a_pipe_is_the_scripts_input_and_the_keys_come_from_the_terminal(start: Start) -> None:
    piped = f"echo typed | {sys.executable} -m backstep run s.py"
    # A session of its own, whose terminal this is: without one there is no /dev/tty to read keys from.
    owning = "import os, fcntl, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0)"
    session = f"{owning}; os.execvp('sh', ['sh', '-c', {piped!r}])"
    terminal = start(
        "import sys, torch\nx = torch.ones(1)\nprint('read', sys.stdin.read())\n",
        command=[sys.executable, "-c", session],
    )
    terminal.shows("paused")
    terminal.press("q")
    assert terminal.finish() == 0
    assert "read typed" in terminal.afterwards


def test_a_script_that_fails_before_anything_is_recorded(start: Start) -> None:
    terminal = start("def broken(:\n")
    terminal.shows("stopped before any tensor operation")
    terminal.press("q")
    assert terminal.finish() == 1
    assert "SyntaxError" in terminal.afterwards
