"""One recording in progress: what all hooks share, and how their facts reach the writer.

A hook never raises into the user's program: `guarded` turns what went wrong into a note of the trace.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from backstep.recorder.frames import Frames, Loops, Where
from backstep.recorder.options import Options
from backstep.recorder.scribe import Scribe
from backstep.recorder.snapshot import Camera, first_line, unseen
from backstep.recorder.syntax import SourceFile
from backstep.recorder.tensors import Tensors
from backstep.trace.file import TraceWriter

NOTES = 200
"""Notes of one recording; a hook that fails at every op must not fill the disk."""


class ThreadState(threading.local):
    """What belongs to one thread of the user's program."""

    def __init__(self) -> None:
        self.loops: Loops | None = None
        self.modules: list[str] = []
        self.backward: Any = None
        """The backward pass under way, innermost."""
        self.step: Any = None
        """The optimizer step under way, whose inner ops are not recorded."""
        self.busy = False
        """Inside a hook of ours."""
        self.differentiable_passes: deque[tuple[int, int]] = deque(maxlen=64)
        """The sequence numbers that the nodes made by the last such passes have: from, to."""


class Session:
    """What is recorded goes through here: places, snapshots, positions."""

    def __init__(self, writer: TraceWriter, options: Options, folder: str) -> None:
        self.options = options
        self.scribe = Scribe(writer, options)
        self.tensors = Tensors(self.scribe.tell)
        self.camera = Camera(options, self.tensors)
        self.frames = Frames(folder, self._source_read)
        self.thread = ThreadState()
        self.enabled = True
        self.passes = itertools.count()
        self.nodes = itertools.count()
        self._contexts = itertools.count(1)
        self._notes: set[str] = set()
        self._raised: tuple[BaseException, str, Where] | None = None
        self.pid = os.getpid()

    def _source_read(self, file: SourceFile) -> None:
        if file.lines:
            self.scribe.tell(("source", file.shown, file.text))

    # places

    def where(self, depth: int = 2) -> Where:
        """The place of what happens now, `depth` frames above this call."""
        return self.where_from(sys._getframe(depth))

    def where_from(self, frame: FrameType | None) -> Where:
        state = self.thread
        if state.loops is None:
            state.loops = Loops(self._begin, self._bind)
        return self.frames.where(frame, state.loops)

    def _begin(self, parent: int, loop: int, head: int, index: int, name: str, value: int | None, pending: bool) -> int:
        number = next(self._contexts)
        # Activations are counted a thread; two threads must not share one.
        activation = (threading.get_native_id() << 32) + loop
        self.scribe.tell(("begin", parent, activation, head, index, name, value, pending))
        return number

    def _bind(self, context: int, name: str, value: int | None) -> None:
        self.scribe.tell(("bind", context, name, value))

    @property
    def module(self) -> str:
        """The dotted path of the module that is running, or nothing."""
        modules = self.thread.modules
        return modules[-1] if modules else ""

    # events

    def emit(self, kind: str, *fields: Any, size: int = 0) -> int:
        """Hands an event to the writer; returns its position."""
        if self._raised is not None and kind != "exception":
            self.settle_exception()
        return self.scribe.hand_over((kind, *fields), size)

    def note(self, text: str) -> None:
        """Says once what could not be captured."""
        if text not in self._notes and len(self._notes) < NOTES:
            self._notes.add(text)
            self.emit("note", self.where(3), text)

    @contextlib.contextmanager
    def guarded(self, what: str) -> Iterator[None]:
        """What goes wrong inside becomes a note."""
        busy, self.thread.busy = self.thread.busy, True
        try:
            with unseen():
                yield
        except Exception as error:
            if os.environ.get("BACKSTEP_DEBUG"):
                raise
            with contextlib.suppress(Exception):
                self.note(f"{what} could not be captured: {first_line(error)}")
        finally:
            self.thread.busy = busy

    def raised(self, error: BaseException, phase: str, where: Where) -> None:
        """An op raised. Whether somebody catches it shows later."""
        if self._raised is not None and self._raised[0] is error:
            return
        self.settle_exception()
        self._raised = (error, phase, where)

    def settle_exception(self) -> None:
        """The program went on: the last exception was caught."""
        if self._raised is not None:
            error, phase, where = self._raised
            self._raised = None
            self._exception(error, phase, where, caught=True)

    def ended_by(self, error: BaseException) -> None:
        """This exception ended the script."""
        if self._raised is not None and self._raised[0] is error:
            _, phase, where = self._raised
            self._raised = None
        else:
            self.settle_exception()
            phase = "other"
            where = self._where_raised(error)
        self._exception(error, phase, where, caught=False)

    def _where_raised(self, error: BaseException) -> Where:
        where = Where()
        traceback = error.__traceback__
        sites = []
        while traceback is not None:
            code = traceback.tb_frame.f_code
            if self.frames.kind(code) < 2:
                sites.append((self.frames.kind(code), self.frames.site(code, traceback.tb_lasti)))
            traceback = traceback.tb_next
        own = [index for index, (kind, _) in enumerate(sites) if kind == 0]
        where.sites = tuple(site for _, site in sites[own[-1] if own else -1 :])
        return where

    def _exception(self, error: BaseException, phase: str, where: Where, *, caught: bool) -> None:
        self.emit("exception", phase, where, type(error).__name__, str(error), caught)

    # life

    def after_fork(self) -> None:
        """In a forked child nothing is recorded and nothing written."""
        self.enabled = False

    def finish(self, header: dict[str, Any]) -> None:
        """Writes the rest; nothing is recorded any more."""
        self.settle_exception()
        self.enabled = False
        if os.getpid() == self.pid:
            self.scribe.finish({**header, "complete": self.scribe.failure is None})


def open_writer(path: Path, *, force: bool) -> TraceWriter:
    """A new trace file. FileExistsError where one is, unless `force` removes it."""
    if path.exists():
        if not force:
            raise FileExistsError(f"{path} exists already")
        for suffix in ("", "-wal", "-shm", "-journal"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
    return TraceWriter(path)
