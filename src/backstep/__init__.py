"""backstep: see backpropagation happen. Importing this loads neither torch nor textual.

PYTEST_DONT_REWRITE: under `backstep run -m pytest` this is imported before pytest, which would warn of it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backstep.recorder import record
    from backstep.trace.event import Omitted
    from backstep.trace.file import TraceError
    from backstep.trace.trace import Trace, load

__all__ = ["Omitted", "Trace", "TraceError", "load", "record", "tui"]


def __getattr__(name: str) -> Any:
    # Each name is fetched when it is first used: `backstep open` must not wait for torch, nor a test for textual.
    import importlib

    rooms = {
        "Omitted": "trace.event",
        "Trace": "trace.trace",
        "TraceError": "trace.file",
        "load": "trace.trace",
        "record": "recorder",
    }
    if name == "tui":
        return importlib.import_module("backstep.tui")
    if name in rooms:
        if "IPython" in sys.modules:
            importlib.import_module("backstep.notebook").install()
        return getattr(importlib.import_module(f"backstep.{rooms[name]}"), name)
    raise AttributeError(f"module 'backstep' has no attribute {name!r}")
