"""Where the parcels of a recording go: to a process that writes the trace, or to this one."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from backstep.recorder.options import Options
from backstep.trace.file import TraceWriter
from backstep.trace.held import Held
from backstep.writer.intake import Intake
from backstep.writer.process import DONE, FAILED, LENGTH, OPEN, READY
from backstep.writer.ring import Ring

ROOT = str(Path(__file__).parents[2])
# It forks at once: a child of the script's would be seen by a script that waits for its own.
START = f"""
import os
if os.fork(): os._exit(0)
import sys
sys.path.append({ROOT!r})
from backstep.writer.process import main
main()
"""
KEPT_AWAY = ("PYTHONINSPECT", "PYTHONSTARTUP", "PYTHONWARNINGS", "PYTHONDEVMODE", "PYTHONPROFILEIMPORTTIME")
"""What the user's environment may say to Python and the writer must not hear."""
SECONDS_TO_START = 20


class WriterError(Exception):
    """Why nothing is written any more; one line."""


class Here:
    """Parcels are taken in by whoever sends them, in this process."""

    def __init__(self, writer: TraceWriter, ring: Ring, options: Options) -> None:
        self._writer = writer
        self._intake = Intake(
            writer, ring, keep_last=options.keep_last, max_size=options.max_size, stop_when=options.stop_when
        )

    def send(self, parcel: bytes) -> None:
        self._writer.lock.check()
        self._intake.take(parcel)

    def rest(self) -> None:
        """Nothing more is there for now."""
        if not self._intake.finished:
            self._writer.lock.check()
            self._intake.rest()

    def wait_for_end(self) -> None:
        """The last words have been taken in, and the file is closed."""

    def abandon(self) -> None:
        """In a forked child: nothing of it is ours."""


class Elsewhere:
    """A process of its own. It starts in a fraction of a second; meanwhile the script runs on."""

    def __init__(self, path: Path, lock: int, ring: Ring, options: Options) -> None:
        if ring.descriptor is None:
            raise OSError("no memory can be shared")
        self.ring = ring
        theirs, parcels = os.pipe()
        replies, ours = os.pipe()
        self._parcels, self._replies = Held(parcels), Held(replies)
        handed = {"lock": lock, "ring": ring.descriptor.number, "parcels": theirs, "replies": ours}
        settings = {
            "path": str(path.absolute()), **handed,
            "keep_last": options.keep_last, "max_size": options.max_size, "stop_when": options.stop_when,
        }  # fmt: skip
        environment = {name: value for name, value in os.environ.items() if name not in KEPT_AWAY}
        environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        quiet = None if os.environ.get("BACKSTEP_DEBUG") else subprocess.DEVNULL
        try:
            subprocess.run(
                [sys.executable, "-P", "-c", START, json.dumps(settings)], env=environment, check=True,
                pass_fds=tuple(handed.values()), stdin=subprocess.DEVNULL, stdout=quiet, stderr=quiet,
            )  # fmt: skip
        except BaseException:
            self.close()
            raise
        finally:
            os.close(theirs)
            os.close(ours)
        self._path = path
        self._said = b""
        self._ended = False
        self._pid = os.getpid()

    def takes_over(self, meanwhile: Callable[[], None]) -> bool:
        """Waits until it has opened the file; whether it has. Only then may others close it: where a trace is open
        nowhere, a reader that comes sees no more than a copy."""
        deadline = time.monotonic() + SECONDS_TO_START
        while not select.select([self._replies.number], [], [], 0.01)[0] and time.monotonic() < deadline:
            meanwhile()
        if next(self._lines(SECONDS_TO_START), "") != READY:
            return False
        self.send(b"")
        return next(self._lines(SECONDS_TO_START), "") == OPEN

    def _lines(self, seconds: float | None) -> Iterator[str]:
        """What it says, until it says nothing for so long, or no more."""
        self._replies.check()
        while select.select([self._replies.number], [], [], seconds)[0]:
            some = os.read(self._replies.number, 4096)
            if not some:
                return
            self._said += some
            *lines, self._said = self._said.split(b"\n")
            yield from (line.decode(errors="replace") for line in lines)

    def send(self, parcel: bytes) -> None:
        self._look_for_failure(0)
        self._parcels.check()
        try:
            for data in (LENGTH.pack(len(parcel)), parcel):
                view = memoryview(data)
                while view:
                    view = view[os.write(self._parcels.number, view) :]
        except BrokenPipeError:
            self._look_for_failure(None)
            raise WriterError("the process that writes has gone") from None

    def rest(self) -> None:
        self._look_for_failure(0)

    def _look_for_failure(self, seconds: float | None) -> None:
        for line in self._lines(seconds):
            self._heed(line)

    def _heed(self, line: str) -> None:
        """It may have ended before anybody waits for that."""
        self._ended = self._ended or line == DONE
        if line.startswith(FAILED):
            raise WriterError(line.removeprefix(FAILED).replace(str(self._path.absolute()), str(self._path)))

    def wait_for_end(self) -> None:
        """Returns when the file is closed."""
        self._look_for_failure(None)
        self.close()
        if not self._ended:
            raise WriterError("the process that writes has gone")

    def close(self) -> None:
        """It gets no more."""
        self._parcels.close()
        self._replies.close()

    def abandon(self) -> None:
        """In a forked child: as long as it had the pipe open, the writer would not see that the script has gone."""
        self.close()
