"""Processes that the script starts by `multiprocessing`: recorded into files of their own where that was asked for.

A process runs what its `run` is. Where children are recorded, that becomes an object that records around the
process's own `run`; it is pickled with the process, so that fork, spawn and forkserver do alike, and so does what is
built on them: pools, executors, loaders, `torch.multiprocessing`. Where they are not, a note says so.
"""

from __future__ import annotations

import contextlib
import multiprocessing.process
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

NOT_RECORDED = "child processes are not recorded (backstep run --children does)"
UNFIT = re.compile(r"[^\w.-]+")
"""What does not go into a file's name."""


def folder_of(trace: Path) -> Path:
    """Where the traces of the children go: `run.children` beside `run.backstep`."""
    return trace.with_suffix(".children")


class ChildRun:
    """What a child runs in place of its own `run`, which it records."""

    def __init__(self, process: Any, settings: dict[str, Any], target: str, args: list[str]) -> None:
        self._process, self._settings, self._target, self._args = process, settings, target, args

    def __call__(self) -> None:
        """In the child. Whatever is wrong with us, it runs."""
        run = begun(self._settings, self._target, self._args, self._process.name)
        own = type(self._process).run
        if run is None:
            own(self._process)
            return
        end = End(run)
        try:
            own(self._process)
        except BaseException as error:
            run.died(error)
            raise
        finally:
            end.come()


def begun(settings: dict[str, Any], target: str, args: list[str], name: str) -> Any:
    """The recording of this process, with its trace in the folder of the children; None where it cannot be had."""
    import sys

    from backstep.recorder.__main__ import Run
    from backstep.recorder.recording import _current

    for outer in [*_current]:  # a fork has inherited its parent's hooks
        outer.leave()
    _current.clear()
    try:
        folder = Path(settings["children"])
        folder.mkdir(exist_ok=True)
        path = folder / f"{UNFIT.sub('-', name)}.backstep"
        run = Run({**settings, "output": str(path), "quiet": True, "child": name}, target, args)
        run.start()
    except Exception as error:
        print(f"backstep: {name} is not recorded: {error}", file=sys.stderr)
        return None
    return run


class End:
    """The last words of a child. A pool ends its workers by SIGTERM, often as soon as they are done: those that do
    nothing else about it write their last words before they die of it."""

    def __init__(self, run: Any) -> None:
        self._run = run
        self._coming = False
        self._signal = 0
        with contextlib.suppress(ValueError):  # not in the main thread
            if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
                signal.signal(signal.SIGTERM, self._terminated)

    def come(self) -> None:
        self._coming = True
        self._run.finish()
        if self._signal:
            signal.signal(self._signal, signal.SIG_DFL)
            os.kill(os.getpid(), self._signal)

    def _terminated(self, number: int, _: Any) -> None:
        self._signal = number
        if not self._coming:
            self._run.exit = {"status": "killed", "code": 128 + number, "exception": None}
            self.come()


def install(start_as: Callable[[Any], Any] | None, note: Callable[[str], None]) -> Callable[[], None]:
    """Follows what processes are started. `start_as` makes what a process runs instead, if children are recorded;
    `note` takes what is said in the trace. Call what is returned to undo it."""
    base = multiprocessing.process.BaseProcess
    original = base.start
    here = os.getpid()

    def start(self: Any) -> None:
        if os.getpid() != here:
            return original(self)
        if start_as is None:
            note(NOT_RECORDED)
            return original(self)
        note(f"the child process {self.name} has a trace of its own")
        self.run = start_as(self)
        try:
            return original(self)
        finally:
            del self.run

    base.start = start  # type: ignore[method-assign]

    def remove() -> None:
        if base.start is start:
            base.start = original  # type: ignore[method-assign]

    return remove
