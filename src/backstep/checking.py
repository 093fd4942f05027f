"""What `backstep check` does around the rules: records a script for them, or opens the traces that it was given."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from backstep.child import recorder_command
from backstep.trace.file import TraceError, fold
from backstep.trace.trace import Trace, load

SQLITE = b"SQLite format 3\x00"
RECORDED: Mapping[str, Any] = {
    "values": "auto", "max_elements": 4096, "local": "none", "keep_last": 1000, "quiet": True,
}  # fmt: skip
"""What the rules need: the values of small tensors and summaries of the others, no local gradients; of a long run
the first iteration and the last thousand, so that it fits on the disk and what ended it is there."""


def is_trace(target: str) -> bool:
    """Whether this is a trace, or a folder of them, and no script."""
    path = Path(target)
    if path.is_dir():
        return not (path / "__main__.py").exists()
    if path.suffix == ".backstep":
        return True
    if not path.is_file():  # to look into a pipe would take from it what the script is
        return False
    with contextlib.suppress(OSError), open(path, "rb") as stream:
        return stream.read(len(SQLITE)) == SQLITE
    return False


@contextlib.contextmanager
def recorded(script: str, arguments: Sequence[str], *, module: bool, output: Path | None) -> Iterator[list[Trace]]:
    """Runs a script to its end, however that comes, and opens what was recorded of it.

    What the script prints goes to stderr. Without `output` the trace is gone afterwards.
    """
    with tempfile.TemporaryDirectory(prefix="backstep-") as folder:
        path = output or Path(folder) / "check.backstep"
        options = {**RECORDED, "output": str(path.absolute()), "force": True, "module": module}
        run(recorder_command(options, [script, *arguments]))
        if not path.exists():
            raise TraceError(f"{script}: could not be recorded")
        fold(path)
        with load(path) as trace:
            if not len(trace):
                raise TraceError(f"{script}: {why_empty(trace)}")
            yield [trace]


def run(command: Sequence[str]) -> None:
    """Waits for the script, also through a Ctrl+C, which it gets as well."""
    with subprocess.Popen(command, stdout=sys.stderr.fileno()) as process:
        while process.poll() is None:
            with contextlib.suppress(KeyboardInterrupt):
                process.wait()


def why_empty(trace: Trace) -> str:
    ended = trace.header["exit"]["exception"]
    if trace.header["exit"]["status"] == "killed":
        return "nothing was recorded: it was killed before anything could be written"
    return f"nothing was recorded: it ended by {ended}" if ended else "nothing was recorded: it did not use torch"
