"""Runs a user's script as `python` would, recorded from its first line.

`python -m backstep.recorder OPTIONS TARGET [ARGS...]`: OPTIONS is one JSON object. Torch is not imported here:
the hooks go in when the script's own `import torch` has finished.
"""

from __future__ import annotations

import atexit
import dis
import importlib.abc
import importlib.machinery
import importlib.util
import json
import linecache
import os
import signal
import sys
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from backstep.recorder.options import Options, parse_iterations
from backstep.recorder.recording import exit_of, header_of


class Run:
    """One run of a script: its trace from before its first line to after its last."""

    def __init__(self, settings: dict[str, Any], target: str, args: list[str]) -> None:
        self.settings = settings
        self.target = target
        self.args = args
        self.path = Path(settings["output"])
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
            settings.get("detail") or "normal",
        )
        self.session: Any = None
        self.exit: dict[str, Any] = {"status": "ok", "code": 0, "exception": None}
        self._remove: list[Callable[[], None]] = []
        self._folder = os.path.dirname(os.path.abspath(target)) if not settings.get("module") else os.getcwd()
        self._pid = os.getpid()

    def start(self) -> None:
        """Makes the trace file: it exists before the script's first line runs."""
        from backstep.trace.file import TraceWriter

        if self.path.exists():
            if not self.settings.get("force"):
                raise FileExistsError(f"{self.path} exists already (--force replaces it)")
            for suffix in ("", "-wal", "-shm"):
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        self._writer = TraceWriter(self.path)
        script = self.target if self.settings.get("module") else os.path.basename(self.target)
        self._header = header_of(script, self.args, self.options, None)
        self._writer.write_header(self._header)
        sys.meta_path.insert(0, TorchWatcher(self.torch_imported))
        # Registered first, so run last: what the script does at exit is recorded too.
        atexit.register(self.finish)
        os.register_at_fork(after_in_child=self._forked)

    def _forked(self) -> None:
        if self.session is not None:
            self.session.after_fork()

    def torch_imported(self) -> None:
        """The script's own `import torch` has finished. Whatever is wrong with us, the script goes on."""
        try:
            self._hook()
        except Exception as error:
            print(f"backstep: cannot record: {error}", file=sys.stderr)

    def _hook(self) -> None:
        import torch

        from backstep.recorder.install import install_torch
        from backstep.recorder.recording import _current
        from backstep.recorder.session import Session
        from backstep.recorder.streams import Streams

        self._writer.write_header({"torch": str(torch.__version__)})
        self.session = Session(self._writer, self.options, self._folder)
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
        if os.getpid() != self._pid:
            return
        while self._remove:
            self._remove.pop()()
        if self.session is None:
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
        count = self.session.scribe.position if self.session is not None else 0
        failure = self.session.scribe.failure if self.session is not None else None
        ended = {"ok": "", "exception": f", ended by {self.exit['exception']}", "interrupted": ", interrupted"}
        kept = f", the first iteration and the last {keep} kept" if (keep := self.options.keep_last) else ""
        said = f"backstep: {count} events recorded{kept}{ended.get(self.exit['status'], '')}"
        if self.session is None:
            said = "backstep: the script did not import torch; there is nothing to replay"
        if failure is not None:
            said = f"backstep: recording stopped early: {failure}"
        stream = sys.__stderr__
        if stream is not None:
            print(said, f"backstep: trace in {self.path}", sep="\n", file=stream, flush=True)


class _Outer:
    """What a `backstep.record()` inside the script records into."""

    def __init__(self, run: Run) -> None:
        self._session = run.session
        self.path = run.path
        self._folder = None


class TorchWatcher(importlib.abc.MetaPathFinder):
    """Tells when torch has been imported, and leaves the import as it was."""

    def __init__(self, imported: Callable[[], None]) -> None:
        self._imported = imported

    def find_spec(self, name: str, path: Sequence[str] | None, target: Any = None) -> Any:
        if name != "torch":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec("torch")
        if spec is None or spec.loader is None:
            return spec
        loader: Any = spec.loader
        imported = self._imported

        class Loader(importlib.abc.Loader):
            def create_module(self, spec: Any) -> Any:
                return loader.create_module(spec)

            def exec_module(self, module: Any) -> None:
                module.__spec__.loader = module.__loader__ = loader
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


def clean(error: BaseException) -> BaseException:
    """The exception as `python` would show it: our frames out of every traceback of its chain."""
    seen: set[int] = set()
    todo: list[BaseException | None] = [error]
    while todo:
        current = todo.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        current.__traceback__ = without_ours(current.__traceback__)
        todo += [current.__cause__, current.__context__]
        if isinstance(current, BaseExceptionGroup):
            todo += current.exceptions
    return error


OWN = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


DISPATCHING = tuple(
    os.path.join("torch", *path) for path in (("_compile.py",), ("_dynamo", "eval_frame.py"), ("_ops.py",))
)


def without_ours(traceback: types.TracebackType | None) -> types.TracebackType | None:
    """A traceback without our frames, and without torch's detour over a function mode."""
    kept: list[types.TracebackType] = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        name = code.co_filename
        detour = code.co_name == "handle_torch_function" and name.endswith(os.path.join("torch", "overrides.py"))
        if kept and detour:
            kept.pop()  # the function that went round is there again after the detour
        if code.co_name == "__torch_dispatch__" and name.startswith(OWN):
            # Our dispatch mode is reached and left through frames of torch's own.
            while kept and kept[-1].tb_frame.f_code.co_filename.endswith(DISPATCHING):
                kept.pop()
            traceback = traceback.tb_next
            if traceback is not None and traceback.tb_frame.f_code.co_filename.endswith(DISPATCHING):
                traceback = traceback.tb_next
            continue
        hooked = fast_path(traceback)
        if hooked is not None:
            kept.append(hooked)
            traceback = traceback.tb_next
            if traceback is not None and traceback.tb_frame.f_code.co_name == "inner":
                traceback = traceback.tb_next
            continue
        if not (name.startswith(OWN) or detour or name.startswith("<frozen runpy") or is_stand_in(code)):
            kept.append(traceback)
        traceback = traceback.tb_next
    result: types.TracebackType | None = None
    for item in reversed(kept):
        result = types.TracebackType(result, item.tb_frame, item.tb_lasti, item.tb_lineno)
    return result


def fast_path(traceback: types.TracebackType) -> types.TracebackType | None:
    """Of a module without hooks: the entry that `python` shows, where ours made torch take its path for hooks."""
    code = traceback.tb_frame.f_code
    if code.co_name != "_call_impl" or not code.co_filename.endswith(os.path.join("nn", "modules", "module.py")):
        return None
    module = traceback.tb_frame.f_locals.get("self")
    hooks = ("_backward_hooks", "_backward_pre_hooks", "_forward_hooks", "_forward_pre_hooks")
    if module is None or any(getattr(module, name, None) for name in hooks):
        return None
    for instruction in dis.get_instructions(code):
        # The first call of `forward_call` in the function is the one without hooks.
        if instruction.opname in ("CALL_FUNCTION_EX", "CALL") and instruction.positions is not None:
            line = instruction.positions.lineno
            if line is not None and "forward_call(*args" in linecache.getline(code.co_filename, line):
                return types.TracebackType(None, traceback.tb_frame, instruction.offset, line)
    return None


def is_stand_in(code: types.CodeType) -> bool:
    mode = sys.modules.get("backstep.recorder.mode")
    return mode is not None and code.co_code == mode.STAND_IN.co_code and code.co_varnames == ("func", "args", "kwargs")


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
    except (OSError, ValueError) as error:
        print(f"backstep: {error}", file=sys.stderr)
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
