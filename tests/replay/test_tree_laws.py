"""The laws of motion along the tree of scopes, on traces of random structure."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backstep.replay.cursor import Cursor
from backstep.replay.nodes import Node
from backstep.replay.steps import PASSED_OVER
from backstep.replay.tree import Scope, ScopeKind, parent_of, scopes_around
from backstep.trace.trace import Trace
from tests.replay.random_traces import random_trace
from tests.view.traces import composite_trace

FOLDER = tempfile.TemporaryDirectory()
SEEDS = range(60)
LAWS = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@functools.cache
def made(seed: int) -> Trace:
    return Trace(random_trace(Path(FOLDER.name) / f"{seed}.backstep", seed))


@st.composite
def cursors(draw: st.DrawFn) -> Cursor:
    """A cursor at any event, or at any scope as a whole."""
    trace = made(draw(st.sampled_from(SEEDS)))
    cursor = Cursor(trace, draw(st.sampled_from(steps(trace))))
    ending = [s for s in scopes_around(trace, cursor.position) if s.last_step == cursor.position]
    cursor.node = Node(cursor.position, draw(st.integers(0, len(ending))))
    return cursor


def steps(trace: Trace) -> list[int]:
    return [p for p in range(len(trace)) if trace.kind_at(p) not in PASSED_OVER]


def spans(scopes: tuple[Scope, ...]) -> list[tuple[int, int]]:
    return [(scope.first_step, scope.last_step) for scope in scopes]


@pytest.mark.parametrize("seed", SEEDS)
def test_all_positions_agree_on_one_tree(seed: int) -> None:
    """Each scope that is seen from one position is seen from all that lie in it; any two are apart or nested."""
    trace = made(seed)
    seen: set[tuple[int, int]] = set()
    for position in range(len(trace)):
        seen |= set(spans(scopes_around(trace, position)))
    for position in steps(trace):
        assert spans(scopes_around(trace, position)) == sorted(
            (span for span in seen if span[0] <= position <= span[1]), key=lambda span: span[0] - span[1]
        )


@pytest.mark.parametrize("seed", list(SEEDS)[:20])
def test_how_a_trace_was_written_does_not_show(seed: int, tmp_path: Path) -> None:
    """Iterations, scopes and facts are the same, read from one batch or from many."""
    whole = made(seed)
    with Trace(random_trace(tmp_path / "pieces.backstep", seed, batch=3)) as pieces:
        assert len(whole) == len(pieces)
        for position in range(len(whole)):
            assert whole.event(position).as_dict() == pieces.event(position).as_dict()
            assert spans(scopes_around(whole, position)) == spans(scopes_around(pieces, position))


@LAWS
@given(cursors())
def test_previous_undoes_next_within_a_parent(cursor: Cursor) -> None:
    node, whole = cursor.node, cursor.whole
    if cursor.over(1) is None:
        there = cursor.whole
        around = [s for s in scopes_around(cursor.trace, node.position) if s.first_step <= node.position]
        parent = next(
            s
            for s in reversed(around)
            if whole is None or (s.last_step - s.first_step > whole.last_step - whole.first_step)
        )
        if cursor.position <= parent.last_step and (there is None or there.first_step > node.position):
            assert cursor.over(-1) is None
            assert cursor.node == node


@LAWS
@given(cursors())
def test_next_misses_nothing(cursor: Cursor) -> None:
    """What `n` goes over begins with the very next step."""
    expected = next((p for p in steps(cursor.trace) if p > cursor.position), None)
    reason = cursor.over(1)
    whole = cursor.whole
    if expected is None:
        assert reason is not None
    else:
        assert (cursor.position if whole is None else whole.first_step) == expected


@LAWS
@given(cursors())
def test_into_goes_no_further_than_over(cursor: Cursor) -> None:
    start = cursor.node
    if cursor.over(1) is not None:
        return
    whole, over = cursor.whole, cursor.node
    cursor.node = start
    assert cursor.into(1) is None
    assert start.position < cursor.position <= over.position
    if whole is None:
        assert cursor.node == over
    else:
        assert cursor.node != over and (cursor.whole is None or cursor.whole.first_step == whole.first_step)


@LAWS
@given(cursors())
def test_going_into_what_ran_stays_and_going_out_comes_back(cursor: Cursor) -> None:
    node, whole = cursor.node, cursor.whole
    if whole is None:
        return
    assert cursor.into(-1) is None
    assert cursor.position == node.position and cursor.node.depth < node.depth
    assert cursor.out(1) is None
    assert cursor.node == node


@LAWS
@given(cursors())
def test_out_ends_at_the_whole_run_and_back_at_its_start(cursor: Cursor) -> None:
    back = Cursor(cursor.trace, cursor.position)
    depth = 0
    while cursor.out(1) is None:
        depth += 1
        assert depth <= 20 and cursor.whole is not None
    if cursor.whole is not None:
        assert cursor.whole.kind is ScopeKind.RUN
    while back.out(-1) is None:
        assert back.node.depth == 0
    assert back.position == steps(back.trace)[0]


@LAWS
@given(cursors(), st.lists(st.sampled_from(["over", "into", "out", "phase", "iteration", "epoch"]), max_size=6))
def test_jumps_are_taken_back_one_by_one(cursor: Cursor, moves: list[str]) -> None:
    places = [cursor.node]
    for move in moves:
        before = cursor.node
        getattr(cursor, move)(1)
        if abs(cursor.position - before.position) > 1:
            places.append(cursor.node)
    seen = []
    while cursor.back() is None:
        seen.append(cursor.position)
    assert len(seen) == len(places) - 1
    again = []
    while cursor.again() is None:
        again.append(cursor.node)
    assert len(again) == len(seen)


def test_an_op_made_of_parts_is_one_node(tmp_path: Path) -> None:
    """`linear` (event 2) is made of `t` and `addmm`; `relu` is event 3."""
    with Trace(composite_trace(tmp_path / "t.backstep")) as trace:
        assert [parent_of(trace, p) for p in range(len(trace))] == [2, 2, -1, -1]
        (run, op) = scopes_around(trace, 1)
        assert (op.kind, op.first_step, op.last_step) == (ScopeKind.OP, 0, 2)
        cursor = Cursor(trace, 3)
        assert cursor.over(-1) is None and cursor.node == Node(2, 1) and cursor.whole == op
        assert cursor.into(-1) is None and cursor.node == Node(2)
        assert cursor.into(-1) is None and cursor.node == Node(1)
        assert cursor.out(1) is None and cursor.node == Node(2, 1)
        assert cursor.out(1) is None and cursor.whole == run
        assert cursor.out(1) == "nothing is around the whole run"
