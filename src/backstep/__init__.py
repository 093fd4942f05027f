"""See backpropagation happen: record a block of PyTorch, read what happened.

    with backstep.record("run.backstep") as recording:      # options: help(backstep.record)
        train()

    trace = recording.trace                                 # or, later and without torch: backstep.load("run.backstep")
    trace.events                                            # everything that happened, in order
    trace.find(kind="accumulate", tensor="fc1.weight")      # some of it
    trace.tensor("fc1.weight").grad_history()               # every .grad that it had, and what wrote it
    trace.iterations[3].backward_passes[0].nodes            # the training, taken apart
    trace.loss                                              # the curve

Each of them prints as a line or a few; in a notebook a trace shows itself as a page to step through.
`backstep.assertions` asserts on a trace in a test. Importing this loads neither torch nor textual.

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


def __dir__() -> list[str]:
    return [*__all__, *(name for name in globals() if name.startswith("__"))]


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
