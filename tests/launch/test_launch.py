"""`backstep run` in a real terminal: the screen, then the script's output and exit code."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

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

SECONDS = 60


class Terminal:
    """A program in a pseudo-terminal of 120x40."""

    def __init__(self, command: list[str], cwd: Path) -> None:
        self._end, child = pty.openpty()
        import termios

        termios.tcsetwinsize(child, (40, 120))
        env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        self.process = subprocess.Popen(command, stdin=child, stdout=child, stderr=child, cwd=cwd, env=env)
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


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
def test_the_screen_then_the_output_and_the_exit_code(tmp_path: Path) -> None:
    (tmp_path / "s.py").write_text(SCRIPT)
    terminal = Terminal([sys.executable, "-m", "backstep", "run", "s.py"], tmp_path)
    terminal.until("#0 of 5")
    terminal.press("\x1b[C\x1b[C")
    terminal.until("#2 of 5")
    assert "printed" not in terminal.seen
    terminal.press("q")
    assert terminal.finish() == 7
    # The script had a terminal of its own; what it wrote is repeated when the screen is gone.
    assert "printed 4.0 True" in terminal.seen and "warned" in terminal.seen
    assert "backstep: trace in s.backstep" in terminal.seen
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.backstep", "s.py"]


def test_leaving_a_running_script_asks_what_becomes_of_it(tmp_path: Path) -> None:
    (tmp_path / "s.py").write_text("import time, torch\nx = torch.ones(1)\nprint('begun', flush=True)\ntime.sleep(600)\n")
    terminal = Terminal([sys.executable, "-m", "backstep", "run", "s.py"], tmp_path)
    terminal.until("#0 of")
    terminal.press("q")
    terminal.until("still running")
    terminal.press("s")
    assert terminal.finish() == 130
    assert "begun" in terminal.seen and "KeyboardInterrupt" in terminal.seen


def test_a_script_that_fails_before_anything_is_recorded(tmp_path: Path) -> None:
    (tmp_path / "s.py").write_text("def broken(:\n")
    terminal = Terminal([sys.executable, "-m", "backstep", "run", "s.py"], tmp_path)
    terminal.until("stopped before any tensor operation")
    terminal.press("q")
    assert terminal.finish() == 1
    assert "SyntaxError" in terminal.seen
