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
from collections.abc import Callable, Iterator
from types import CodeType, FrameType
from typing import Any

from backstep.recorder.callers import Callers
from backstep.recorder.derivatives import derivative
from backstep.recorder.frames import TORCH, Frames, Loops, Pass, Where
from backstep.recorder.options import Options
from backstep.recorder.outlet import Elsewhere
from backstep.recorder.scribe import BACKWARD_START, EXCEPTION, IN_OTHER, NOTE, UPDATE, Scribe, fit
from backstep.recorder.snapshot import Camera, first_line, unseen
from backstep.recorder.syntax import SourceFile
from backstep.recorder.tensors import Tensors
from backstep.recorder.window import Wanted, Window
from backstep.trace.file import TraceWriter

NOTES = 200
"""Notes of one recording; a hook that fails at every op must not fill the disk."""


class ThreadState(threading.local):
    """What belongs to one thread of the user's program."""

    def __init__(self) -> None:
        self.loops: Loops | None = None
        self.modules: list[int] = []
        """The dotted paths of the modules that are running, as texts' numbers, innermost last."""
        self.backward: Any = None
        """The backward pass under way, innermost."""
        self.step: Any = None
        """The optimizer step under way, whose inner ops are not recorded."""
        self.busy = False
        """Inside a hook of ours."""
        self.differentiable_passes: deque[tuple[int, int]] = deque(maxlen=64)
        """The sequence numbers that the nodes made by the last such passes have: from, to."""
        self.transformed: deque[tuple[int, int]] = deque(maxlen=64)
        """The same of the nodes made while the last calls on wrappers of torch.func ran."""


class Session:
    """What is recorded goes through here: places, shots, positions."""

    def __init__(
        self, writer: TraceWriter, options: Options, folder: str, process: Elsewhere | None = None
    ) -> None:
        self.options = options
        self.local_entries = options.local_entries
        self.scribe = Scribe(writer, options, process)
        self.text = self.scribe.text
        self.tensors = Tensors(self.scribe.tell, self.text, self.scribe.text_of)
        self.camera = Camera(options, self.tensors, self.scribe)
        self.frames = Frames(folder, self._source_read, self.scribe.place, keeps_source=options.source)
        self.callers = Callers(self.frames)
        self.thread = ThreadState()
        self.enabled = True
        self.adopt: Callable[[list[Any]], None] = lambda parameters: None
        """Names parameters whose modules nobody was seen to call; `Modules` knows how."""
        self.passes = itertools.count()
        self.nodes = itertools.count()
        self.gradient_names: dict[int, int] = {}
        """What the gradient of a value of some name is called; both as numbers of texts."""
        self._derived: set[str] = set()
        """The kinds of node whose derivative has been told."""
        self._contexts = itertools.count(1)
        self._notes: set[str] = set()
        self._raised: tuple[BaseException, int, Where] | None = None
        self.window = None if options.wants_all else Window(wanted_by(options))
        self.closed = False
        """Between two windows: nothing is hooked, and only the loops are followed."""
        self.rank: tuple[int, int] | None = None
        """Which of how many processes this is, once `torch.distributed` has begun."""
        self._ended_early = False
        self.pid = os.getpid()

    def _source_read(self, file: SourceFile) -> None:
        if file.lines:
            self.scribe.source(file.shown, file.text)

    # places

    def where(self, depth: int = 2) -> Where:
        """The place of what happens now, `depth` frames above this call."""
        return self.where_from(sys._getframe(depth))

    def where_from(self, frame: FrameType | None) -> Where:
        loops = self.thread.loops
        if loops is None:
            loops = self.thread.loops = Loops(self._begin, self._bind)
        return self.frames.where(frame, loops)

    def _begin(self, parent: int, loop: int, head: int, index: int, name: str, value: int | None, pending: bool) -> int:
        number = next(self._contexts)
        # Activations are counted a thread; two threads must not share one.
        activation = (threading.get_native_id() << 32) + loop
        self.scribe.tell("begin", parent, activation, head, index, self.text(name), fit(value), pending)
        if self.window is not None:
            if not pending:
                self._begun(self.window, head)
            elif self.options.keep_last is not None and self.window.is_training(head):
                self.scribe.tell("fetch")
        return number

    def _bind(self, context: int, head: int, name: str, value: int | None) -> None:
        self.scribe.tell("bind", context, self.text(name), fit(value))
        if self.window is not None:
            self._begun(self.window, head)

    def _begun(self, window: Window, head: int) -> None:
        """A pass of a loop has begun; with a flight recorder the writer must know where iterations begin."""
        window.begun(head)
        keep = self.options.keep_last
        if keep is not None and window.is_training(head):
            if window.count % keep == 0:
                self.camera.epoch += 1  # nothing is taken over from iterations that are gone
            if window.wants(window.count - 1):
                self.scribe.tell("iteration", window.count - 1)

    @property
    def loop_passes(self) -> list[Pass]:
        """The passes of loops that this thread is in, outermost first."""
        return [] if self.thread.loops is None else self.thread.loops.passes()

    @property
    def module(self) -> int:
        """The dotted path of the module that is running, as a text's number; 0 outside of any."""
        modules = self.thread.modules
        return modules[-1] if modules else 0

    # events

    def emit(
        self, kind: int, phase: int, where: Where, row: tuple[Any, ...], *, module: int = 0, subject: int = -1,
        extent: int = 0,
    ) -> int:  # fmt: skip
        """Hands an event to the writer; returns its position.

        `row` is its `trace.records` row as a tuple; `subject` and `extent` are what `trace.batch.COLUMNS` says.
        """
        if self._raised is not None and kind != EXCEPTION:
            self.settle_exception()
        if self.window is not None and not self._is_wanted(self.window, kind):
            return -1
        if self.scribe.full and not self._ended_early:
            self._end_early()
        spot = where.spot
        return self.scribe.hand_over(kind, phase, extent, spot.place, where.context, module, subject, row)

    def _is_wanted(self, window: Window, kind: int) -> bool:
        passes = self.loop_passes
        if kind == BACKWARD_START and self.thread.backward is None:
            window.backward(passes)
        elif kind == UPDATE:
            window.updated(passes)
        return kind in (EXCEPTION, NOTE) or window.keeps(passes)

    def _end_early(self) -> None:
        """The file is as large as it may be, or a stop has held: then nothing from here on is part of the trace."""
        self._ended_early = True
        self.note(f"the recording ended here: the file has reached {self.options.max_size} bytes (--max-size)")
        self.enabled = False

    def node_name(self, name: str) -> int:
        """The number of the name of a node that runs; when the first of its kind does, PyTorch's formula is told."""
        if name not in self._derived:
            self._derived.add(name)
            known = derivative(name)
            if known is not None:
                schema, formulas = known
                told = tuple((self.text(argument), self.text(formula)) for argument, formula in formulas)
                self.scribe.tell("derivative", self.text(name), self.text(schema), told)
        return self.text(name)

    # between two windows

    def close(self) -> None:
        """Nothing is recorded until `reopen`."""
        self.closed, self.enabled = True, False
        self.thread.modules.clear()
        if self.thread.loops is not None:
            self.thread.loops.sparse = True

    def reopen(self) -> None:
        self.closed, self.enabled = False, True
        self.camera.forget()
        if self.thread.loops is not None:
            self.thread.loops.sparse = False

    def note(self, text: str) -> None:
        """Says once what could not be captured."""
        if text not in self._notes and len(self._notes) < NOTES:
            self._notes.add(text)
            self.emit(NOTE, IN_OTHER, self.where(3), ("note", text))

    def failed(self, what: str, error: Exception) -> None:
        """A hook of ours failed: that becomes a note, and the user's program goes on."""
        if os.environ.get("BACKSTEP_DEBUG"):
            raise error
        with contextlib.suppress(Exception):
            self.note(f"{what} could not be captured: {first_line(error)}")

    @contextlib.contextmanager
    def guarded(self, what: str) -> Iterator[None]:
        """What goes wrong inside becomes a note. The hottest hooks spell this out: a `with` costs a microsecond."""
        state = self.thread
        busy, state.busy = state.busy, True
        try:
            with unseen():
                yield
        except Exception as error:
            self.failed(what, error)
        finally:
            state.busy = busy

    def raised(self, error: BaseException, phase: int, where: Where) -> None:
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
            phase = IN_OTHER
            where = Where(self.frames.raised_at(list(frames_of(error))), self._context_of(error))
        self._exception(error, phase, where, caught=False)

    def _context_of(self, error: BaseException) -> int:
        """The pass of the loops that an exception came out of, by the frames in its traceback."""
        context = 0
        traceback = error.__traceback__
        while traceback is not None and self.thread.loops is not None:
            frame = traceback.tb_frame
            if self.frames.kind(frame.f_code) < TORCH:
                site = self.frames.site(frame.f_code, traceback.tb_lasti)
                depth = len(site.loops) - self.frames.around(frame)
                context = self.thread.loops.context_at(frame.f_trace, depth, context)
            traceback = traceback.tb_next
        return context

    def _exception(self, error: BaseException, phase: int, where: Where, *, caught: bool) -> None:
        self.emit(EXCEPTION, phase, where, ("exception", type(error).__name__, str(error), caught))

    # life

    def after_fork(self) -> None:
        """In a forked child nothing is recorded and nothing written."""
        self.enabled = self.closed = False
        self.scribe.abandon()

    def finish(self, header: dict[str, Any]) -> None:
        """Writes the rest; nothing is recorded any more."""
        self.settle_exception()
        self.enabled = self.closed = False
        if os.getpid() == self.pid:
            self.scribe.finish(header)
            self.camera.numbers.close()


def wanted_by(options: Options) -> Wanted:
    """The iterations that the options ask for."""
    first, end = options.iterations or (0, None)
    return Wanted(first, end, options.every)


def frames_of(error: BaseException) -> Iterator[tuple[CodeType, int]]:
    """The code and instruction of each frame of a traceback, outermost first."""
    traceback = error.__traceback__
    while traceback is not None:
        yield traceback.tb_frame.f_code, traceback.tb_lasti
        traceback = traceback.tb_next
