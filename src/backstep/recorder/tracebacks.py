"""Tracebacks as `python` would show them: without our frames, and without torch's detours to them.

Nothing here imports torch.
"""

from __future__ import annotations

import dis
import linecache
import os
import sys
import types

OWN = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
DISPATCHING = tuple(
    os.path.join("torch", *path) for path in (("_compile.py",), ("_dynamo", "eval_frame.py"), ("_ops.py",))
)


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
    callers = sys.modules.get("backstep.recorder.callers")
    if callers is None or code.co_varnames != ("func", "args", "kwargs"):
        return False
    return bool(code.co_code == callers.STAND_IN.co_code)
