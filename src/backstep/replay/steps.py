"""Which events a step stops at: all but those at which nothing is computed. Events shows the others too."""

from __future__ import annotations

from backstep.trace.batch import KIND_CODE
from backstep.trace.trace import Trace

PASSED_OVER = (KIND_CODE["output"], KIND_CODE["backward_end"])
"""What a step goes over."""


def step_from(trace: Trace, position: int, direction: int) -> int | None:
    """The next event forward (1) or back (-1) that a step stops at; None at the end."""
    position += direction
    while 0 <= position < len(trace) and trace.kind_at(position) in PASSED_OVER:
        position += direction
    return position if 0 <= position < len(trace) else None


def first_step(trace: Trace, first: int, last: int) -> int | None:
    """The first event between two positions, both included, that a step stops at."""
    found = step_from(trace, first - 1, 1)
    return found if found is not None and found <= last else None


def last_step(trace: Trace, first: int, last: int) -> int | None:
    """The last one."""
    found = step_from(trace, last + 1, -1)
    return found if found is not None and found >= first else None
