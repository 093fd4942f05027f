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
import termios
import threading
import time
from collections.abc import Callable, Iterator
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
                self._keep(data)

    def _keep(self, data: bytes) -> None:
        """Into the file, or through to the real stream; one that has gone away stops nobody."""
        if not self._through:
            self._kept.write(data)
            return
        with contextlib.suppress(OSError):
            self._target.write(data)
            self._target.flush()

    def repeat(self) -> None:
        """Writes what was kept to the real stream; from now on everything goes there at once."""
        with self._lock:
            self._kept.seek(0)
            with contextlib.suppress(OSError):
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
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL if typed() else None,
            stdout=out.child_end,
            stderr=err.child_end,
            start_new_session=True,
        )
        for stream in self.streams:
            stream.start()

    def running(self) -> bool:
        return self._process.poll() is None

    def stop(self, number: int = signal.SIGINT) -> None:
        """As Ctrl+C does, or another signal."""
        if self.running():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

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


def run_with_tui(options: dict[str, Any], script: str, args: list[str], look: dict[str, Any]) -> int:
    """Records the script and shows it while it runs, drawn as `look` asks; returns the script's exit code."""
    path = Path(options["output"])
    if options["force"]:
        remove(path)  # so that the trace that is waited for is the new one
    child = Child(recorder_command({**options, "quiet": True}, [script, *args]))
    try:
        if keyboard():
            watch(path, child, look)
    except KeyboardInterrupt:
        child.stop()
    finally:
        for stream in child.streams:
            stream.repeat()
        code = child.wait()
        if path.exists():
            fold(path)
            print(f"backstep: trace in {path}", file=sys.stderr)
    return code


def remove(path: Path) -> None:
    """An old trace with what belongs to it."""
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(OSError):  # the recorder will say what is wrong
            path.with_name(path.name + suffix).unlink(missing_ok=True)


def typed() -> bool:
    """Whether our stdin is the keyboard."""
    return sys.stdin is not None and sys.stdin.isatty()


def keyboard() -> bool:
    """Whether there are keys to read; where stdin is the script's input, they come from the terminal itself."""
    if typed():
        return True
    with contextlib.suppress(OSError):
        terminal = os.open("/dev/tty", os.O_RDWR)
        os.dup2(terminal, 0)
        os.close(terminal)
        return True
    return False


def watch(path: Path, child: Child, look: dict[str, Any]) -> None:
    """The screen, from when there is a trace until it is left."""
    trace = first_look(path, child)
    if trace is None:
        return
    from backstep.screen import screen

    with trace:
        app = screen(trace, look, live=child)
        with passed_on(child, app.leave_at_once):
            decision = app.run()
    if decision == "stop":
        child.stop()
    elif child.running():
        print(f"backstep: {path.stem} runs on; Ctrl+C stops it", file=sys.stderr)


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


@contextlib.contextmanager
def passed_on(child: Child, leave: Callable[[], object]) -> Iterator[None]:
    """While the screen is up, a signal that would end this process ends the script, and then the screen."""

    def handle(number: int, _: object) -> None:
        child.stop(number)
        leave()

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _like_ours(descriptor: int) -> None:
    """Gives the script's terminal our size, and lets it leave line ends alone: ours makes them."""
    size = shutil.get_terminal_size()
    with contextlib.suppress(OSError, termios.error):
        termios.tcsetwinsize(descriptor, (size.lines, size.columns))
        modes = termios.tcgetattr(descriptor)
        modes[1] &= ~termios.OPOST
        termios.tcsetattr(descriptor, termios.TCSANOW, modes)
