"""Runs a user's script as `python` would, recorded from its first line.

`python -m backstep.recorder OPTIONS TARGET [ARGS...]`: OPTIONS is one JSON object. Torch is not imported here:
the hooks go in when the script's own `import torch` has finished.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import signal
import sqlite3
import subprocess
import sys
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from backstep.recorder import children
from backstep.recorder.options import Options, parse_iterations
from backstep.recorder.recording import exit_of, header_of
from backstep.recorder.tracebacks import clean
from backstep.trace.file import one_line


class Run:
    """One run of a script: its trace from before its first line to after its last."""

    def __init__(self, settings: dict[str, Any], target: str, args: list[str]) -> None:
        if settings.get("children"):  # wherever the script goes
            settings = {**settings, "children": os.path.abspath(settings["children"])}
        self.settings = settings
        self.target = target
        self.args = args
        self._shown = settings["output"]
        self.path = Path(self._shown).absolute()  # wherever the script goes
        self.options = Options(
            settings.get("values", "auto"),
            settings.get("max_elements", 1024),
            settings.get("local", "auto"),
            settings.get("source", True),
            settings.get("output_events", True),
            parse_iterations(settings["iterations"]) if settings.get("iterations") else None,
            settings.get("every") or 1,
            settings.get("keep_last"),
            settings.get("max_size"),
            settings.get("stop_when"),
            settings.get("detail") or "normal",
        )
        self.session: Any = None
        self.exit: dict[str, Any] = {"status": "ok", "code": 0, "exception": None}
        self._remove: list[Callable[[], None]] = []
        self._folder = os.path.dirname(os.path.abspath(target)) if not settings.get("module") else os.getcwd()
        self._pid = os.getpid()
        self._finished = False

    def start(self) -> None:
        """Makes the trace file: it exists before the script's first line runs."""
        from backstep.trace.file import create

        self._writer = create(self.path, force=bool(self.settings.get("force")))
        self._process: Any = None
        script = self.target if self.settings.get("module") else os.path.basename(self.target)
        self._header = header_of(script, self.args, self.options, None)
        if "child" in self.settings:
            self._header["child"] = self.settings["child"]
        self._writer.write_header(self._header)
        if "torch" in sys.modules:
            self.torch_imported()
        else:
            sys.meta_path.insert(0, TorchWatcher(self.torch_begins, self.torch_imported))
        self._remove.append(children.install(self._as_child if self.settings.get("children") else None, self._note))
        # Registered first, so run last: what the script does at exit is recorded too.
        atexit.register(self.finish)
        os.register_at_fork(after_in_child=self._forked)

    def _as_child(self, process: Any) -> children.ChildRun:
        """What a child process runs, which it records as this run is."""
        return children.ChildRun(process, self.settings, self.target, self.args)

    def _note(self, text: str) -> None:
        if self.session is not None and self.session.enabled:
            with self.session.guarded("a child process"):
                self.session.note(text)

    def leave(self) -> None:
        """In a forked child: takes out the hooks that it has inherited."""
        while self._remove:
            with contextlib.suppress(Exception):
                self._remove.pop()()

    def _forked(self) -> None:
        sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, TorchWatcher)]
        if self.session is not None:
            self.session.after_fork()
        else:
            self._writer.abandon()
            if self._process is not None:
                self._process.abandon()

    def torch_begins(self) -> None:
        """The script imports torch, which takes a second: time in which the process that writes can start."""
        from backstep.recorder.outlet import Elsewhere
        from backstep.writer.ring import Ring

        with contextlib.suppress(OSError, ValueError, subprocess.SubprocessError):
            self._process = Elsewhere(self.path, self._writer.lock.number, Ring(), self.options)

    def torch_imported(self) -> None:
        """The script's own `import torch` has finished. Whatever is wrong with us, the script goes on."""
        try:
            self._hook()
        except Exception as error:
            print(f"backstep: cannot record: {error}", file=sys.stderr)

    def _hook(self) -> None:
        import torch

        from backstep.recorder.versions import warn_if_untried

        warn_if_untried(str(torch.__version__))

        from backstep.recorder.install import install_torch
        from backstep.recorder.recording import _current
        from backstep.recorder.session import Session
        from backstep.recorder.streams import Streams

        self._writer.write_header({"torch": str(torch.__version__)})
        self.session = Session(self._writer, self.options, self._folder, self._process)
        self.session.scribe.start()
        self._remove.append(install_torch(self.session))
        if self.options.output:
            self._remove.append(Streams(self.session).install())
        _current.append(_Outer(self))  # type: ignore[arg-type]

    def died(self, error: BaseException) -> None:
        """What ended the script, before its traceback is printed."""
        self.exit = exit_of(error)
        if self.session is not None and self.exit["status"] != "ok" and os.getpid() == self._pid:
            self.session.ended_by(error)

    def finish(self) -> None:
        """Writes the last words, whatever way the script ended."""
        if os.getpid() != self._pid or self._finished:
            return
        self._finished = True
        while self._remove:
            self._remove.pop()()
        if self.session is None:
            if self._process is not None:
                self._process.close()
            self._writer.write_header({"exit": self.exit, "complete": True})
            self._writer.close()
        else:
            self.session.finish({"exit": self.exit})
        if not self.settings.get("quiet"):
            self._summary()
        if self.exit["status"] == "interrupted":
            # As `python` does, so that the shell sees what ended it. Nothing runs after this.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGINT)

    def _summary(self) -> None:
        scribe = None if self.session is None else self.session.scribe
        count = 0 if scribe is None else scribe.position if scribe.failure is None else scribe.written
        ended = {"ok": "", "exception": f", ended by {self.exit['exception']}", "interrupted": ", interrupted"}
        kept = f", the first iteration and the last {keep} kept" if (keep := self.options.keep_last) else ""
        stopped = f" before it stopped: {scribe.failure}" if scribe is not None and scribe.failure else ""
        if scribe is not None and scribe.stopped_at is not None:
            count, stopped = scribe.stopped_at + 1, f", to where {self.options.stop_when} held"
        said = f"backstep: {count} events recorded{stopped}{kept}{ended.get(self.exit['status'], '')}"
        if self.session is None:
            said = "backstep: the script did not import torch; there is nothing to replay"
        shown = self._shown
        where = f"backstep: trace in {shown}" if self.path.exists() else f"backstep: {shown} was removed"
        stream = sys.__stderr__
        if stream is not None:
            print(one_line(said), one_line(where), sep="\n", file=stream, flush=True)


class _Outer:
    """What a `backstep.record()` inside the script records into."""

    def __init__(self, run: Run) -> None:
        self._session = run.session
        self.path = run.path
        self._folder = None
        self.leave = run.leave


class TorchWatcher(importlib.abc.MetaPathFinder):
    """Tells when torch has been imported, and leaves the import as it was."""

    def __init__(self, begins: Callable[[], None], imported: Callable[[], None]) -> None:
        self._begins = begins
        self._imported = imported

    def find_spec(self, name: str, path: Sequence[str] | None, target: Any = None) -> Any:
        if name != "torch":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec("torch")
        if spec is None or spec.loader is None:
            return spec
        loader: Any = spec.loader
        begins, imported = self._begins, self._imported

        class Loader(importlib.abc.Loader):
            def create_module(self, spec: Any) -> Any:
                return loader.create_module(spec)

            def exec_module(self, module: Any) -> None:
                module.__spec__.loader = module.__loader__ = loader
                begins()
                loader.exec_module(module)
                imported()

        spec.loader = Loader()
        return spec


def run_script(run: Run) -> None:
    """`python SCRIPT` or `python -m MODULE`, in this process."""
    main = types.ModuleType("__main__")
    main.__dict__["__builtins__"] = __builtins__
    sys.argv = [run.target, *run.args]
    if run.settings.get("module"):
        # runpy finds the module, sets argv[0] and `__spec__` as `python -m` does.
        import runpy

        sys.path[0] = os.getcwd()
        runpy._run_module_as_main(run.target)  # type: ignore[attr-defined]
        return
    path = run.target
    if os.path.isdir(path) or path.endswith((".zip", ".pyz")):
        import runpy

        sys.path[0] = path
        runpy._run_module_as_main("__main__", alter_argv=False)  # type: ignore[attr-defined]
        return
    sys.path[0] = os.path.dirname(os.path.realpath(path))
    if getattr(sys.flags, "safe_path", False):
        del sys.path[0]
    path = os.path.abspath(path)  # as `python` does for its main module; argv[0] stays as it was given
    main.__file__ = path
    main.__dict__["__cached__"] = None
    main.__loader__ = importlib.machinery.SourceFileLoader("__main__", path)
    main.__annotations__ = {}
    sys.modules["__main__"] = main
    with open(path, "rb") as stream:
        source = stream.read()
    code = compile(source, path, "exec", dont_inherit=True)
    exec(code, main.__dict__)


def report(error: BaseException) -> int:
    """Ends as `python` does: the traceback through the script's own hook; returns the exit code."""
    if isinstance(error, SystemExit):
        code = error.code
        if code is None:
            return 0
        if isinstance(code, int):
            return code
        print(code, file=sys.stderr)
        return 1
    error = clean(error)
    try:
        sys.excepthook(type(error), error, error.__traceback__)
    except BaseException as second:
        sys.__excepthook__(type(second), second, second.__traceback__)
    return 130 if isinstance(error, KeyboardInterrupt) else 1


def main(argv: list[str]) -> int:
    settings = json.loads(argv[0])
    run = Run(settings, argv[1], argv[2:])
    if not settings.get("module") and not os.path.exists(argv[1]):
        print(f"backstep: {argv[1]}: no such file", file=sys.stderr)
        return 2
    try:
        run.start()
    except (OSError, ValueError, sqlite3.Error) as error:
        where = f"{run.path}: " if isinstance(error, sqlite3.Error) else ""
        print(one_line(f"backstep: {where}{error}"), file=sys.stderr)
        return 2
    code = 0
    try:
        run_script(run)
    except BaseException as error:
        run.died(error)
        code = report(error)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
