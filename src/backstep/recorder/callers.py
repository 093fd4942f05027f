"""Frames that stand for the user's: what torch warns of is blamed on the line of the program that called it.

A handler of ours lies between the program and torch, and Python takes the innermost frame for the one to blame.
"""

from __future__ import annotations

from types import FrameType, FunctionType
from typing import Any

from backstep.recorder.frames import HIDDEN, Frames


class Callers:
    """Functions that call what they are given, each looking like one place of the program."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        self._callers: dict[tuple[int, int], FunctionType] = {}

    def of(self, frame: FrameType) -> FunctionType:
        """`call(func, args, kwargs)`, which looks like this frame, or the one that has called torch's handler."""
        while frame.f_code.co_name == "handle_torch_function" and frame.f_back is not None and frame.f_back.f_back:
            frame = frame.f_back.f_back
        code = frame.f_code
        key = (id(code), frame.f_lasti)
        caller = self._callers.get(key)
        if caller is None or caller.__globals__ is not frame.f_globals:
            self._frames.kind(code)  # which keeps it alive, and its id its own
            code = STAND_IN.replace(
                co_filename=code.co_filename, co_firstlineno=frame.f_lineno, co_name=code.co_name
            )
            caller = self._callers[key] = FunctionType(code, frame.f_globals)
            self._frames.hide(code)
        return caller

    def outside(self, frame: FrameType) -> FunctionType:
        """The same for the innermost frame that is not ours."""
        while self._frames.kind(frame.f_code) == HIDDEN and frame.f_back is not None:
            frame = frame.f_back
        return self.of(frame)


def strip(traceback: Any) -> Any:
    """A traceback without our handler and the frame that stands for the user's."""
    traceback = traceback.tb_next
    if traceback is not None and traceback.tb_frame.f_code.co_code == STAND_IN.co_code:
        traceback = traceback.tb_next
    return traceback


STAND_IN = (lambda func, args, kwargs: func(*args, **kwargs)).__code__
