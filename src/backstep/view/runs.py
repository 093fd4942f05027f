"""What the stretches of a run are called, and their phases."""

from __future__ import annotations

from backstep.replay.moment import PhaseSpan, phase_spans
from backstep.trace.memo import per_trace
from backstep.trace.trace import Trace
from backstep.view.rows import safe


def context_label(trace: Trace, context: int) -> str:
    """A pass of a loop by its own variable: `epoch 3`."""
    return f"{context_name(trace, context)} {context_value(trace, context)}"


def context_name(trace: Trace, context: int) -> str:
    return safe(trace.strings[trace.contexts.row(context).name]) or "pass"


def context_value(trace: Trace, context: int) -> int:
    row = trace.contexts.row(context)
    return row.index if row.value is None else row.value


def iteration_context(trace: Trace, position: int) -> int | None:
    """The pass of the training loop around a position."""
    number = trace.contexts.number
    context = int(trace.columns["context"][position])
    while context > 0:
        parent = trace.contexts.row(context).parent
        if number(context) is not None and number(context) != number(parent):
            return context
        context = parent
    return None


# phases


@per_trace(64)
def phases_of(trace: Trace, first: int, last: int) -> tuple[PhaseSpan, ...]:
    """The phases between two positions, in order."""
    return phase_spans(trace, first, last)
