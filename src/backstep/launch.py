"""`backstep run` with the screen: the script in a process and a terminal of its own, the app in this one.

What the script prints goes to its own pseudo-terminals, is kept, and is repeated when the screen is gone.
"""

from __future__ import annotations

import contextlib
import os
import pty
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import IO, Any

from backstep.child import recorder_command
from backstep.trace.file import TraceError, fold
from backstep.trace.trace import Trace, load

PATIENCE = 0.02
"""Seconds between two looks for the trace of a script that has just been started."""


class Spool:
    """One stream of the script: a pseudo-terminal whose other end is read into a file."""

    def __init__(self, target: IO[bytes]) -> None:
        self._target = target
        self._kept: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - read as long as the stream lives
        self._end, self.child_end = pty.openpty()
        self._through = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._drain, daemon=True)
        _like_ours(self.child_end)

    def start(self) -> None:
        """To be called when the script has its end: ours is closed, so that its last word ends the reading."""
        os.close(self.child_end)
        self._thread.start()

    def _drain(self) -> None:
        while True:
            try:
                data = os.read(self._end, 65536)
            except OSError:  # what Linux gives at the end of a pseudo-terminal
                return
            if not data:
                return
            with self._lock:
                (self._target if self._through else self._kept).write(data.replace(b"\r\n", b"\n"))
                if self._through:
                    self._target.flush()

    def repeat(self) -> None:
        """Writes what was kept to the real stream; from now on everything goes there at once."""
        with self._lock, contextlib.suppress(OSError):
            self._kept.seek(0)
            shutil.copyfileobj(self._kept, self._target)
            self._target.flush()
            self._through = True

    def finish(self) -> None:
        """Waits for the last word."""
        self._thread.join(timeout=5)


class Child:
    """The script that is being recorded."""

    def __init__(self, command: list[str]) -> None:
        self.streams = [Spool(sys.stdout.buffer), Spool(sys.stderr.buffer)]
        out, err = self.streams
        redirected = not sys.stdin.isatty()
        self._process = subprocess.Popen(
            command,
            stdin=None if redirected else subprocess.DEVNULL,
            stdout=out.child_end,
            stderr=err.child_end,
            start_new_session=True,
        )
        for stream in self.streams:
            stream.start()

    def running(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        """As Ctrl+C does."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGINT)

    def wait(self) -> int:
        """Its exit code; 128+n when signal n ended it. Ctrl+C goes to the script."""
        while True:
            try:
                code = self._process.wait()
                break
            except KeyboardInterrupt:
                self.stop()
        for stream in self.streams:
            stream.finish()
        return code if code >= 0 else 128 - code


def run_with_tui(options: dict[str, Any], script: str, args: list[str]) -> int:
    """Records the script and shows it while it runs; returns the script's exit code."""
    path = Path(options["output"])
    child = Child(recorder_command({**options, "quiet": True}, [script, *args]))
    try:
        trace = first_look(path, child)
        if trace is not None:
            show(trace, child)
    finally:
        for stream in child.streams:
            stream.repeat()
        code = child.wait()
        if path.exists():
            fold(path)
            print(f"backstep: trace in {path}", file=sys.stderr)
    return code


def first_look(path: Path, child: Child) -> Trace | None:
    """The trace as soon as it can be read; None when the script ended without one."""
    while True:
        running = child.running()
        if path.exists():
            with contextlib.suppress(TraceError):
                return load(path)
        if not running:
            return None
        time.sleep(PATIENCE)


def show(trace: Trace, child: Child) -> None:
    """The screen, until it is left."""
    from backstep.tui.app import App

    with trace:
        app = App(trace, live=child)
        decision = app.run()
        if decision == "stop":
            child.stop()


def _like_ours(descriptor: int) -> None:
    """Gives the script's terminal our size, and no second carriage return."""
    import termios

    size = shutil.get_terminal_size()
    with contextlib.suppress(OSError, termios.error):
        termios.tcsetwinsize(descriptor, (size.lines, size.columns))
