"""The traces that a command is about, and where what it says goes."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from backstep.trace.trace import Trace
    from backstep.view.rows import Row

PIPE_WIDTH = 1000
"""How long a line of `info` may be where no terminal crops it."""


@contextlib.contextmanager
def traces_of(path: str, *, patience: float | None = None) -> Iterator[list[Trace]]:
    """The trace, or those of a folder by rank. A trace may lie: what stumbles over it becomes one line."""
    from backstep.trace.file import DAMAGE, TraceError
    from backstep.trace.ranks import opened

    with opened(path, patience=patience) as traces:
        try:
            yield traces
        except DAMAGE as error:
            if os.environ.get("BACKSTEP_DEBUG"):
                raise
            what = f"{type(error).__name__}: {error}"
            raise TraceError(f"{path}: cannot be shown: {what} (BACKSTEP_DEBUG=1 says where)") from None


@contextlib.contextmanager
def one_trace(path: str) -> Iterator[Trace]:
    """One trace. TraceError for a folder of them."""
    if Path(path).is_dir():
        raise click.UsageError(f"{path}: is a folder; name one of the traces in it", click.get_current_context())
    with traces_of(path) as traces:
        yield traces[0]


def position_in(trace: Trace, text: str) -> int:
    from backstep.replay.position import PositionError, parse_position

    try:
        return parse_position(trace, text)
    except PositionError as error:
        raise click.UsageError(str(error), click.get_current_context()) from None


def print_rows(rows: Callable[[int], list[Row]]) -> None:
    """The rows for so many cells: in colour on a terminal, else as plain text."""
    from rich.console import Console
    from rich.segment import Segment, Segments

    from backstep.view.rows import text_of

    if not has_terminal(sys.stdout):
        print(text_of(rows(PIPE_WIDTH)))
        return
    console = Console()
    for row in rows(console.width):
        console.print(Segments([*row, Segment.line()]), end="", soft_wrap=True)


def has_terminal(stream: Any) -> bool:
    return stream is not None and not stream.closed and bool(stream.isatty())
