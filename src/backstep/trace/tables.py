"""Tables for pandas, where it is installed, and what a row of any table says of an event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backstep.trace.event import Event, Value
    from backstep.trace.trace import Trace

COLUMNS = ("position", "kind", "phase", "iteration", "module", "op", "tensor", "value", "norm", "file", "line")
WHOLE = ("iteration", "line")
"""Whole numbers that may be missing."""


def table(rows: Sequence[tuple[Any, ...]], columns: Sequence[str]) -> Any:
    """A `pandas.DataFrame`. ImportError in one line where there is no pandas."""
    try:
        import pandas  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        raise ImportError("this needs pandas, which is not installed: pip install pandas") from None
    frame = pandas.DataFrame(rows, columns=list(columns))
    return frame.astype({name: "Int64" for name in WHOLE if name in columns})


def events_table(trace: Trace) -> Any:
    """A row an event, with the value that it is about: the number, where it is one, and the norm; a column a loop."""
    rows = [(_row(event), event.loops) for event in trace.events]
    loops = dict.fromkeys(name for _, around in rows for name in around)
    cells = [(*row, *map(around.get, loops)) for row, around in rows]
    frame = table(cells, (*COLUMNS, *map(_own, loops)))
    return frame.astype({_own(name): "Int64" for name in loops})


def _own(loop: str) -> str:
    """The column of a loop, which may be called like another one."""
    return f"loop {loop}" if loop in COLUMNS else loop


def _row(event: Event) -> tuple[Any, ...]:
    value = subject(event)
    summary = None if value is None else value.summary
    names = event.field_names()
    source = event.source
    return (
        event.position, event.kind, event.phase, event.iteration, event.module, event["op"] if "op" in names else None,
        tensor_of(event, value), None if value is None else value.scalar, None if summary is None else summary.norm,
        None if source is None else source.file, None if source is None else source.line,
    )  # fmt: skip


def subject(event: Event) -> Value | None:
    """The value that the event is about: its result, or what arrives at a node."""
    found: Value | None = None
    match event.kind:
        case "forward":
            found = next(iter(event["outputs"]), None)
        case "backward":
            found = next((value for value in event["upstream"] if value is not None), None)
        case "backward_start":
            found = next(iter(event["roots"]), None)
        case "accumulate" | "grad_write" | "zero_grad" | "update":
            found = event["after"]
    return found


def tensor_of(event: Event, value: Value | None) -> str | None:
    """The name of what the event is about: `w`, or `w.grad` where its gradient is written."""
    match event.kind:
        case "update":
            name: str = event["tensor"]
            return name
        case "accumulate" | "grad_write" | "zero_grad":
            return f"{event['tensor']}.grad"
    return None if value is None else value.name
