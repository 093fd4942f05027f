"""What the screen costs: `python -m tests.benchmarks.screen_cost [--events N ...] [--trace FILE] [--size 200x60]`.

A real process in a pseudo-terminal, a trace on disk that is in nobody's cache. A latency is from the bytes of a key
going in to the end of the update that comes out. Not run by pytest; the traces are made anew, without torch.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import random
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path

from tests.handmade import ols_trace

END = b"\x1b[?2026l"
"""The end of an update of the screen."""
ASKS, ANSWERS = b"\x1b[?2026$p", b"\x1b[?2026;2$y"
"""The question whether the terminal knows updates, and a terminal's yes."""
RIGHT = b"\x1b[C"
QUIET = 0.15
"""Seconds without output after which nothing more is coming."""
STEPS, JUMPS, BURST = 300, 100, 1000
EVENTS_OF_EPOCH = 13
BUDGET = {
    "first screen": (0.7, "s"), "step p50": (16, "ms"), "step p95": (33, "ms"), "jump p95": (50, "ms"),
    "burst of 1000 keys": (1.0, "s"), "memory": (150, "MB"),
}  # fmt: skip


class Screen:
    """The program in a terminal of its own."""

    def __init__(self, trace: Path, size: tuple[int, int], environment: dict[str, str]) -> None:
        drop_from_cache(trace)
        self.started = time.perf_counter()
        self.pid, self.terminal = pty.fork()
        if not self.pid:
            arguments = [sys.executable, "-m", "backstep", "open", str(trace)]
            os.execve(sys.executable, arguments, environment)
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))

    def read(self, patience: float) -> bytes:
        """What comes within so many seconds, or nothing."""
        ready, _, _ = select.select([self.terminal], [], [], patience)
        data = os.read(self.terminal, 1 << 16) if ready else b""
        if ASKS in data:
            os.write(self.terminal, ANSWERS)
        return data

    def until(self, wanted: bytes, patience: float = 20) -> float:
        """When the wanted bytes had come."""
        seen = b""
        deadline = time.perf_counter() + patience
        while wanted not in seen:
            if time.perf_counter() > deadline:
                raise TimeoutError(f"no {wanted!r} in {seen[-200:]!r}")
            seen = seen[-len(wanted) :] + self.read(0.5)
        return time.perf_counter()

    def settle(self) -> float:
        """When the last output had come."""
        last = time.perf_counter()
        while self.read(QUIET):
            last = time.perf_counter()
        return last

    def key(self, keys: bytes) -> float:
        """Seconds from the keys to the end of the update that they make."""
        before = time.perf_counter()
        os.write(self.terminal, keys)
        return self.until(END) - before

    def memory(self) -> float:
        """The most that the process ever held, in MB."""
        lines = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8").splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024

    def has_torch(self) -> bool:
        return "libtorch" in Path(f"/proc/{self.pid}/maps").read_text(encoding="utf-8")

    def close(self) -> None:
        os.kill(self.pid, signal.SIGTERM)
        while True:
            try:
                if not self.read(1):
                    break
            except OSError:
                break
        os.waitpid(self.pid, 0)


def environment_in(folder: str) -> dict[str, str]:
    """A colour terminal, no settings, and modules that are compiled already, as those of an installed package are."""
    environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "XDG_CONFIG_HOME": folder}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment["PYTHONPYCACHEPREFIX"] = f"{folder}/compiled"
    subprocess.run([sys.executable, "-c", "import backstep.cli, backstep.tui"], env=environment, check=True)
    return environment


def drop_from_cache(file: Path) -> None:
    """As after a reboot: its pages come from the disk."""
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def measured(trace: Path, events: int, size: tuple[int, int], environment: dict[str, str]) -> dict[str, float]:
    """The rows of the table, in the units of `BUDGET`."""
    screen = Screen(trace, size, environment)
    try:
        first = screen.until(b"Tensors") - screen.started
        screen.settle()
        screen.key(b"g50%")
        screen.key(b"\r")
        screen.settle()
        steps = sorted(screen.key(RIGHT) * 1000 for _ in range(STEPS))
        screen.settle()
        draw = random.Random(0)
        jumps = []
        for _ in range(JUMPS):
            os.write(screen.terminal, b"g#%d" % draw.randrange(events))
            screen.settle()
            jumps.append(screen.key(b"\r") * 1000)
        before = time.perf_counter()
        os.write(screen.terminal, RIGHT * BURST)
        screen.until(END)
        burst = screen.settle() - before
        return {
            "first screen": first, "step p50": steps[STEPS // 2], "step p95": steps[STEPS * 95 // 100],
            "jump p95": sorted(jumps)[JUMPS * 95 // 100], "burst of 1000 keys": burst,
            "memory": screen.memory(), "torch loaded": screen.has_torch(),
        }  # fmt: skip
    finally:
        screen.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, nargs="*", default=[10_000, 1_000_000])
    parser.add_argument("--trace", type=Path, help="a trace of your own instead")
    parser.add_argument("--size", default="200x60")
    arguments = parser.parse_args()
    size = tuple(map(int, arguments.size.split("x")))
    with tempfile.TemporaryDirectory() as folder:
        environment = environment_in(folder)
        traces = [arguments.trace] if arguments.trace else []
        for events in [] if arguments.trace else arguments.events:
            file = Path(folder) / f"{events}.backstep"
            traces.append(ols_trace(file, events // EVENTS_OF_EPOCH, batch=1600))
        for trace in traces:
            events = count_of(trace)
            print(f"\n{events:,} events, {trace.stat().st_size / 1e6:.0f} MB, {arguments.size}")
            for name, value in measured(trace, events, (size[0], size[1]), environment).items():
                limit, unit = BUDGET.get(name, (0, ""))
                verdict = "" if not unit else "ok" if value <= limit else f"more than {limit} {unit}"
                print(f"  {name:<20} {value:8.2f} {unit:<3} {verdict}")


def count_of(trace: Path) -> int:
    import backstep

    with backstep.load(trace) as loaded:
        return len(loaded)


if __name__ == "__main__":
    main()
