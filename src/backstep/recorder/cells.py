"""Cells of a notebook: code whose file exists only in the interpreter's memory."""

from __future__ import annotations

import linecache
import sys
from types import CodeType

TIMED = "<timed "
"""How the names of code under `%time` begin."""


def text_of(path: str) -> str | None:
    """The text of code that was never in a file, where the interpreter kept it for tracebacks."""
    lines = linecache.getlines(path)
    return "".join(lines) or None


def name_of(path: str) -> str | None:
    """`In[3]`, as IPython calls the cell in its own tracebacks; None for what is no cell."""
    number = getattr(getattr(_shell(), "compile", None), "_filename_map", {}).get(path)
    return None if number is None else f"In[{number}]"


def timed(code: CodeType) -> tuple[str, str] | None:
    """A name and the text of what `%time` or `%%time` runs now, if this code is part of it.

    IPython keeps that text nowhere but in the frame of the magic; its lines count from the one after `%%time`.
    """
    if not code.co_filename.startswith(TIMED):
        return None
    frame = sys._getframe(1)
    while frame.f_back is not None:
        frame = frame.f_back
        kept = frame.f_locals if frame.f_code.co_name == "time" else {}
        if any(_holds(kept.get(name), code) for name in ("code", "code_2")):
            return f"<timed In[{getattr(_shell(), 'execution_count', '')}]>", str(kept.get("expr", ""))
    return None


def _holds(outer: object, code: CodeType) -> bool:
    """Whether a piece of code is another one, or is defined in it."""
    return outer is code or (isinstance(outer, CodeType) and any(_holds(one, code) for one in outer.co_consts))


def _shell() -> object:
    return getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
