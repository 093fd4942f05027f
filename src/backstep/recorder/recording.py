"""`backstep.record()`: records what a block of one's own program does, in this process."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

from backstep.recorder.options import Options, bounds_of, rank_of
from backstep.trace.file import create
from backstep.trace.trace import Trace, load

_current: list[Recording] = []


class TemporaryFolder:
    """A folder that goes with the last reference to it, and without a word."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="backstep-"))
        weakref.finalize(self, remove_in, os.getpid(), self.path)


def remove_in(process: int, folder: Path) -> None:
    """Removes a folder, unless this is a forked child: the folder is its parent's."""
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)


class Recording:
    """A recording in this process. `trace` can be read inside the block and after it."""

    def __init__(self, path: str | os.PathLike[str] | None, options: Options, *, force: bool) -> None:
        self._options = options
        self._force = force
        self._folder: TemporaryFolder | None = None
        if path is None:
            self._folder = TemporaryFolder()
            path = self._folder.path / "recording.backstep"
        self.path = Path(path).absolute()  # wherever the program goes
        self._session: Any = None
        self._outer: Recording | None = None
        self._first, self._last = 0, -1
        self._remove: Callable[[], None] = lambda: None
        if not _current and self.path.exists() and not force:
            raise FileExistsError(f"{path} exists already")

    def __enter__(self) -> Recording:
        if _current:
            self._outer = _current[-1]
            self._session = self._outer._session
            self.path = self._outer.path
            self._first = self._session.scribe.position
        else:
            self._start()
        _current.append(self)
        return self

    def _start(self) -> None:
        import torch

        from backstep.recorder.versions import warn_if_untried

        warn_if_untried(str(torch.__version__))

        from backstep.recorder import cells, children
        from backstep.recorder.install import install_torch
        from backstep.recorder.session import Session
        from backstep.recorder.streams import Streams

        frame = sys._getframe(2)
        script = frame.f_code.co_filename
        shown = cells.name_of(script) or os.path.basename(script)
        writer = create(self.path, force=self._force)
        writer.write_header(header_of(shown, sys.argv[1:], self._options, str(torch.__version__)))
        folder = os.path.dirname(os.path.abspath(script)) if not script.startswith("<") else os.getcwd()
        self._session = Session(writer, self._options, folder)
        session = weakref.ref(self._session)
        os.register_at_fork(after_in_child=lambda: s.after_fork() if (s := session()) is not None else None)
        self._session.frames.begin_at(frame)
        self._session.scribe.start()
        removals = [install_torch(self._session), children.install(None, self._session.note)]
        if self._options.output:
            removals.append(Streams(self._session).install())

        def remove() -> None:
            for removal in reversed(removals):
                removal()

        self._remove = remove

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        _current.remove(self)
        self._last = self._session.scribe.position - 1
        if self._outer is not None:
            return
        self._remove()
        self._session.frames.end()
        if error is not None:
            self._session.ended_by(error)
        self._session.finish({"exit": exit_of(error)})
        self._last = self._session.scribe.position - 1

    def leave(self) -> None:
        """In a forked child: takes out the hooks that it has inherited."""
        self._remove()

    def __repr__(self) -> str:
        state = "not begun" if self._session is None else "recording" if self in _current else "finished"
        return f"<Recording into {self.path.name}: {state}>"

    @property
    def trace(self) -> Trace:
        """What has been recorded so far: the part between the first and the last position of this block."""
        if self._session is None:
            raise RuntimeError("nothing has been recorded yet: enter the block first")
        if any(other._session is self._session for other in _current):
            self._session.scribe.flush()
        trace = load(self.path)
        if self._outer is not None:
            last = self._last if self not in _current else self._session.scribe.position - 1
            trace.close()
            trace = Trace(self.path, first=self._first, last=last)
        # A temporary file goes with the last reference to it.
        trace.keep = self._folder or (self._outer._folder if self._outer else None)
        return trace


def record(
    path: str | os.PathLike[str] | None = None,
    *,
    values: str = "auto",
    max_elements: int = 1024,
    local: str = "auto",
    iterations: str | tuple[int, int | None] | range | None = None,
    every: int = 1,
    keep_last: int | None = None,
    stop_when: str | None = None,
    force: bool = False,
) -> Recording:
    """Records a block: `with backstep.record("run.backstep") as recording: ...`.

    `values` is auto, all or summary; of a tensor with more than `max_elements` elements a summary is kept
    (auto). `local` is auto, all or none. `iterations` is `"A:B"`, `(A, B)` or `range(A, B)`, half open; `every` takes
    one in so many of them; `keep_last` keeps the first and so many of the last; the recording ends where `stop_when`
    first holds (`loss < 0.1`, `nan`, `op relu`: the forms of a stop on the screen), and the script runs on. Without a
    path the trace is a temporary file that goes with the last reference. Inside another recording it records into that
    one, with its options.

    An existing path raises FileExistsError unless `force`; what no option can be raises ValueError.
    """
    bounds = None if iterations is None else bounds_of(iterations)
    options = Options(
        values, max_elements, local, iterations=bounds, every=every, keep_last=keep_last, stop_when=stop_when
    )
    return Recording(path, options, force=force)


def header_of(script: str, argv: list[str], options: Options, torch_version: str | None) -> dict[str, Any]:
    """What the header says when a recording starts."""
    return {
        "script": script,
        "argv": argv,
        "torch": torch_version,
        "python": platform.python_version(),
        "options": options.as_dict(),
        "exit": {"status": "running", "code": None, "exception": None},
        "complete": False,
        "process": os.getpid(),
        **rank_of(os.environ),
    }


def exit_of(error: BaseException | None) -> dict[str, Any]:
    """How it ended, as the header has it."""
    if error is None:
        return {"status": "ok", "code": 0, "exception": None}
    if isinstance(error, SystemExit):
        code = error.code
        number = 0 if code is None else code if isinstance(code, int) else 1
        return {"status": "ok", "code": number, "exception": None}
    if isinstance(error, KeyboardInterrupt):
        return {"status": "interrupted", "code": 130, "exception": "KeyboardInterrupt"}
    text = str(error)
    name = type(error).__name__
    return {"status": "exception", "code": 1, "exception": f"{name}: {text}" if text else name}
