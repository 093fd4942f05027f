"""Tables for pandas, where it is installed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from backstep.trace.event import values_of

if TYPE_CHECKING:
    from backstep.trace.event import Event
    from backstep.trace.trace import Trace

COLUMNS = ("position", "kind", "phase", "iteration", "module", "op", "tensor", "value", "norm", "file", "line")


def table(rows: Sequence[tuple[Any, ...]], columns: Sequence[str]) -> Any:
    """A `pandas.DataFrame`. ImportError in one line where there is no pandas."""
    try:
        import pandas  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        raise ImportError("this needs pandas, which is not installed: pip install pandas") from None
    return pandas.DataFrame(rows, columns=list(columns))


def events_table(trace: Trace) -> Any:
    """A row an event, with its first value: the number, where it is one, and the norm."""
    return table([_row(event) for event in trace.events], COLUMNS)


def _row(event: Event) -> tuple[Any, ...]:
    value = next(values_of(event), None)
    summary = None if value is None else value.summary
    names = event.field_names()
    tensor = event["tensor"] if "tensor" in names else value.name if value is not None else None
    source = event.source
    return (
        event.position, event.kind, event.phase, event.iteration, event.module, event["op"] if "op" in names else None,
        tensor, None if value is None else value.scalar, None if summary is None else summary.norm,
        None if source is None else source.file, None if source is None else source.line,
    )  # fmt: skip
