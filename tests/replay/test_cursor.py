"""The laws of moving: every way back undoes the way there, and a moment does not know how it was reached."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstep.replay.cursor import Cursor
from backstep.replay.moment import GradKind, Moment
from backstep.replay.position import PositionError, parse_position
from backstep.replay.steps import PASSED_OVER
from backstep.trace.trace import Trace
from backstep.view.text import moment_text
from tests.handmade import ols_trace
from tests.view.traces import nested_trace


@pytest.fixture(scope="module")
def ols(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    return Trace(ols_trace(tmp_path_factory.mktemp("cursor") / "ols.backstep"))


@pytest.fixture(scope="module")
def nested(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    return Trace(nested_trace(tmp_path_factory.mktemp("cursor") / "nested.backstep"))


MOVES = ["step", "phase", "iteration", "epoch"]


@given(data=st.data())
def test_a_step_and_back_is_where_one_was(ols: Trace, data: st.DataObject) -> None:
    stops = [p for p in range(len(ols)) if ols.kind_at(p) not in PASSED_OVER]
    cursor = Cursor(ols, data.draw(st.sampled_from(stops)))
    start = cursor.position
    direction = data.draw(st.sampled_from([1, -1]))
    if cursor.step(direction) is None:
        assert cursor.position != start
        assert cursor.step(-direction) is None
    assert cursor.position == start


@pytest.mark.parametrize("unit", ["iteration", "epoch"])
@given(data=st.data())
def test_back_after_forward_is_the_start_of_where_one_was(unit: str, nested: Trace, data: st.DataObject) -> None:
    cursor = Cursor(nested, data.draw(st.integers(0, len(nested) - 1)))
    move = getattr(cursor, unit)
    if move(1) is None and move(-1) is None:
        start = cursor.position
        assert move(1) is None and move(-1) is None
        assert cursor.position == start


@given(data=st.data())
def test_a_motion_moves_the_right_way_or_says_why_not(nested: Trace, data: st.DataObject) -> None:
    cursor = Cursor(nested, data.draw(st.integers(0, len(nested) - 1)))
    start, direction = cursor.position, data.draw(st.sampled_from([1, -1]))
    reason = getattr(cursor, data.draw(st.sampled_from(MOVES)))(direction)
    if reason is None:
        assert (cursor.position - start) * direction > 0
    else:
        assert reason and "\n" not in reason
        assert cursor.position == start


@given(data=st.data())
def test_the_twin_of_the_twin_is_where_one_was(ols: Trace, data: st.DataObject) -> None:
    cursor = Cursor(ols, data.draw(st.integers(0, len(ols) - 1)))
    start = cursor.position
    if cursor.twin() is None:
        assert cursor.position != start
        assert cursor.twin() is None
    assert cursor.position == start


@given(moves=st.lists(st.tuples(st.sampled_from(MOVES), st.sampled_from([1, -1])), max_size=12))
def test_a_moment_is_the_same_whichever_way_one_came(ols: Trace, moves: list[tuple[str, int]]) -> None:
    cursor = Cursor(ols)
    for name, direction in moves:
        getattr(cursor, name)(direction)
    straight = Moment(ols, cursor.position)
    assert cursor.moment() == straight
    assert moment_text(cursor.moment()) == moment_text(straight)


def test_steps_go_over_output_and_the_end_of_a_pass(ols: Trace) -> None:
    cursor = Cursor(ols)
    seen = [0]
    while cursor.step(1) is None:
        seen.append(cursor.position)
    assert seen == [p for p in range(len(ols)) if ols.kind_at(p) not in PASSED_OVER]


def test_the_ends_say_so(ols: Trace) -> None:
    cursor = Cursor(ols)
    assert cursor.step(-1) == "first event recorded"
    cursor.last()
    assert cursor.step(1) == "last event recorded: the script finished"
    assert cursor.goto(len(ols)) == f"there is no event {len(ols)}"


def states(trace: Trace, kind: str) -> list[tuple[GradKind, int]]:
    """The state of w's gradient after each event of a kind."""
    leaf = next(iter(trace.leaves))
    found = [Moment(trace, e.position).grad_state(leaf) for e in trace.find(kind=kind)]
    return [(state.kind, state.count) for state in found]


def test_a_gradient_is_fresh_then_zeroed(ols: Trace) -> None:
    assert states(ols, "accumulate") == [(GradKind.FRESH, 1)] * 3
    assert states(ols, "zero_grad") == [(GradKind.ZEROED, 0)] * 3


def test_a_gradient_that_is_not_zeroed_is_a_sum_and_then_stale(tmp_path: Path) -> None:
    trace = Trace(ols_trace(tmp_path / "sum.backstep", zero=False))
    assert states(trace, "accumulate") == [(GradKind.FRESH, 1), (GradKind.SUM, 2), (GradKind.SUM, 3)]
    leaf = next(iter(trace.leaves))
    second = next(p for p in range(3, len(trace)) if trace.iteration_at(p) == 1)
    assert Moment(trace, second).grad_state(leaf).kind is GradKind.STALE


@pytest.mark.parametrize("text", ["", "x", "999", "-1", "i99", "e99", "e1i", "101%"])
def test_a_position_that_is_none_is_refused_in_one_line(ols: Trace, text: str) -> None:
    with pytest.raises(PositionError) as error:
        parse_position(ols, text)
    assert str(error.value) and "\n" not in str(error.value)


def test_positions(ols: Trace) -> None:
    assert parse_position(ols, "first") == 0
    assert parse_position(ols, "last") == len(ols) - 1
    assert parse_position(ols, "7") == 7
    assert ols.iteration_at(parse_position(ols, "i1")) == 1
