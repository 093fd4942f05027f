"""Cells of a notebook: code whose file exists only in the interpreter's memory."""

from __future__ import annotations

import linecache
import sys


def text_of(path: str) -> str | None:
    """The text of code that was never in a file, where the interpreter kept it for tracebacks."""
    lines = linecache.getlines(path)
    return "".join(lines) or None


def name_of(path: str) -> str | None:
    """`In[3]`, as IPython calls the cell in its own tracebacks; None for what is no cell."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    number = getattr(getattr(shell, "compile", None), "_filename_map", {}).get(path)
    return None if number is None else f"In[{number}]"
