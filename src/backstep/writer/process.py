"""The writer's process, started by a recorder, which talks to it through two pipes.

When the recorder's end of the pipe closes with no last words, the script was killed; what has come by then is written
all the same.
"""

from __future__ import annotations

import json
import os
import select
import signal
import struct
import sys
from pathlib import Path
from typing import Any

LENGTH = struct.Struct("<Q")
"""In front of each parcel."""
READY, OPEN, DONE, FAILED = "ready", "open", "done", "failed "
"""What the writer says, a line each; what failed follows."""


class Pipe:
    """Where the parcels come from."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def waiting(self, seconds: float) -> bool:
        """Whether something comes in this time."""
        return bool(select.select([self._descriptor], [], [], seconds)[0])

    def parcel(self) -> bytes | None:
        """The next parcel; None when the recorder has gone."""
        head = self._exactly(LENGTH.size)
        if head is None:
            return None
        return self._exactly(LENGTH.unpack(head)[0])

    def _exactly(self, size: int) -> bytes | None:
        data = bytearray()
        while len(data) < size:
            some = os.read(self._descriptor, min(size - len(data), 1 << 20))
            if not some:
                return None
            data += some
        return bytes(data)


def serve(pipe: Pipe, settings: dict[str, Any], say: Any) -> None:
    """Writes what comes until the recorder has no more."""
    from backstep.trace.file import TraceWriter, reason
    from backstep.writer.intake import INTERVAL, Intake
    from backstep.writer.ring import Ring

    say(READY)
    parcel = pipe.parcel()
    if parcel is None:
        return  # the recorder needs no process
    ring = Ring(settings["ring"])
    writer = TraceWriter(Path(settings["path"]), lock=settings["lock"])
    say(OPEN)
    bounds = {name: settings[name] for name in ("keep_last", "max_size", "stop_when")}
    intake = Intake(writer, ring, **bounds)
    try:
        while parcel is not None:
            intake.take(parcel)
            if intake.finished:
                return
            if not pipe.waiting(INTERVAL):
                intake.flush()
            intake.rest()
            parcel = pipe.parcel()
        intake.finish()
    except Exception as error:
        why = reason(error)
        writer.stop({"stopped": why})
        raise OSError(why) from error


def main() -> None:
    os.setsid()
    os.chdir("/")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    settings = json.loads(sys.argv[1])

    def say(line: str) -> None:
        os.write(settings["replies"], (line + "\n").encode())

    try:
        serve(Pipe(settings["parcels"]), settings, say)
        say(DONE)
    except Exception as error:
        say(FAILED + " ".join(str(error).split()))

