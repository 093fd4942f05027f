"""What the stretches of a run are called, their phases, and their losses."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from backstep.replay.moment import PhaseSpan, phase_spans
from backstep.trace.memo import per_trace
from backstep.trace.trace import Trace
from backstep.view.rows import safe

# names


def context_label(trace: Trace, context: int) -> str:
    """A pass of a loop by its own variable: `epoch 3`."""
    return f"{context_name(trace, context)} {context_value(trace, context)}"


def context_name(trace: Trace, context: int) -> str:
    return safe(trace.strings[trace.iterations.row(context).name]) or "pass"


def context_value(trace: Trace, context: int) -> int:
    row = trace.iterations.row(context)
    return row.index if row.value is None else row.value


def iteration_context(trace: Trace, position: int) -> int | None:
    """The pass of the training loop around a position."""
    number = trace.iterations.number
    context = int(trace.columns["context"][position])
    while context > 0:
        parent = trace.iterations.row(context).parent
        if number(context) is not None and number(context) != number(parent):
            return context
        context = parent
    return None


# phases


@per_trace(64)
def phases_of(trace: Trace, first: int, last: int) -> tuple[PhaseSpan, ...]:
    """The phases between two positions, in order."""
    return phase_spans(trace, first, last)


# the loss


@dataclass(slots=True)
class Losses:
    """The loss of each backward pass, as sorted lists that grow with the trace."""

    positions: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def take(self, losses: list[tuple[int, float]]) -> None:
        for position, value in losses[len(self.positions) :]:
            self.positions.append(position)
            self.values.append(value)

    def upto(self, position: int) -> float | None:
        """The newest loss at a position."""
        at = bisect_right(self.positions, position) - 1
        return None if at < 0 else self.values[at]

    def within(self, first: int, last: int) -> float | None:
        """The last loss between two positions."""
        at = bisect_right(self.positions, last) - 1
        return self.values[at] if at >= bisect_left(self.positions, first) else None


_losses: WeakKeyDictionary[Trace, Losses] = WeakKeyDictionary()


def losses_of(trace: Trace) -> Losses:
    losses = _losses.get(trace)
    if losses is None:
        losses = _losses[trace] = Losses()
    if len(losses.positions) != len(trace.losses):
        losses.take(trace.losses)
    return losses
