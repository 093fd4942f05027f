"""The event of another iteration that does the same."""

from __future__ import annotations

from pathlib import Path

from backstep.replay.alike import alike
from backstep.replay.moment import Moment
from backstep.trace.trace import Trace
from tests.handmade import ols_trace


def test_each_event_of_an_iteration_is_found_in_another_one(tmp_path: Path) -> None:
    trace = Trace(ols_trace(tmp_path / "ols.backstep", epochs=4))
    first, last = Moment(trace, 10).iteration_span
    length = last - first + 1
    for position in range(first, last + 1):
        for pinned in (first, last):
            found = alike(Moment(trace, position + 2 * length), Moment(trace, pinned))
            assert found is not None and found.position == position


def test_what_is_a_little_elsewhere_is_found_and_what_is_nowhere_is_not(tmp_path: Path) -> None:
    whole = Trace(ols_trace(tmp_path / "ols.backstep"))
    without = Trace(ols_trace(tmp_path / "no_zero.backstep", zero=False))
    zeroing = next(event.position for event in whole.find(kind="zero_grad", iteration=1))
    update = next(event.position for event in whole.find(kind="update", iteration=1))
    there = next(event.position for event in without.find(kind="update", iteration=1))
    pinned = Moment(without, Moment(without, there).iteration_span[0])
    assert alike(Moment(whole, zeroing), pinned) is None
    found = alike(Moment(whole, update), pinned)
    assert found is not None and found.position == there
