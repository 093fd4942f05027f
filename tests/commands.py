"""Runs backstep's commands in this process: for tests that run very many of them."""

from __future__ import annotations

import contextlib
import io
import os

from backstep.cli import main
from tests.processes import Outcome


def command(*arguments: str | os.PathLike[str]) -> Outcome:
    """What `backstep ARGUMENTS` does, without a terminal; whatever it raises goes on, as a traceback would."""
    out, err = _stream(), _stream()
    code = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main([os.fspath(argument) for argument in arguments])
        except SystemExit as left:
            code = left.code if isinstance(left.code, int) else 1
    return Outcome(code, _text(out), _text(err))


def _stream() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), "utf-8", newline="\n")


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue().decode("utf-8", "replace")
