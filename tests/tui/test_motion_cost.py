"""A step costs the same in a short run and in a long one: counted in calls, which a busy machine does not change."""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType
from typing import Any

from backstep.replay.cursor import Cursor
from backstep.trace.trace import Trace
from backstep.tui.picture import View, picture
from backstep.view.theme import DARK
from tests.handmade import ols_trace

STEPS = 120
MOTIONS = ("step", "over", "phase", "iteration", "epoch")


def calls_of_a_walk(trace: Trace) -> int:
    """Calls of Python functions in a walk through the middle of a trace, each place drawn; what is worked out once for
    a trace is worked out before."""
    cursor = Cursor(trace, len(trace) // 2)
    walk(cursor, 30)
    counted = 0

    def count(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal counted
        counted += event == "call"

    sys.setprofile(count)
    try:
        walk(cursor, STEPS)
    finally:
        sys.setprofile(None)
    return counted


def walk(cursor: Cursor, count: int) -> None:
    for number in range(count):
        assert getattr(cursor, MOTIONS[number % len(MOTIONS)])(1) is None
        picture(cursor.moment(), 120, 40, View(whole=cursor.whole), DARK)


def test_a_step_costs_the_same_in_a_long_run(tmp_path: Path) -> None:
    short, long = (ols_trace(tmp_path / f"{epochs}.backstep", epochs, batch=500) for epochs in (400, 4000))
    with Trace(short) as few, Trace(long) as many:
        assert len(many) > 9 * len(few)
        assert calls_of_a_walk(many) < 1.1 * calls_of_a_walk(few)
