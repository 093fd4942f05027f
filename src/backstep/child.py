"""The command line of the process that records: the same interpreter, the same flags, another `__main__`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any


def recorder_command(options: Mapping[str, Any], target: Sequence[str]) -> list[str]:
    """What to execute so that `target` (a script or a module, then its arguments) runs recorded."""
    return [sys.executable, *interpreter_flags(), "-m", "backstep.recorder", json.dumps(options), *target]


def interpreter_flags() -> list[str]:
    """The flags that this interpreter was started with, so that `-W`, `-X` and `-O` reach the script as well."""
    # The one place that knows it; multiprocessing starts its children by the same function.
    return subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined,no-any-return]
