"""What a trace answers, on the lecture's trace by hand: 3 events, then 13 in each epoch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import backstep
from backstep.trace.owners import Owners
from backstep.trace.trace import Trace
from tests.handmade import HandmadeTrace, ols_trace

ACCUMULATE, UPDATE, ZERO = 10, 13, 14
"""Positions in epoch 0; the same in epoch 1 are 13 later."""


@pytest.fixture
def trace(tmp_path: Path) -> Iterator[Trace]:
    with backstep.load(ols_trace(tmp_path / "ols.backstep", epochs=3)) as trace:
        yield trace


def test_events_are_a_sequence(trace: Trace) -> None:
    events = trace.events
    assert (len(events), len(trace)) == (42, 42)
    assert events[-1].position == 41
    assert [event.position for event in events[3:6]] == [3, 4, 5]
    assert [event.position for event in events[::20]] == [0, 20, 40]
    assert [event.position for event in events] == list(range(42))
    for outside in (42, -43):
        with pytest.raises(IndexError):
            events[outside]


def test_a_field_is_an_attribute_an_item_and_a_key(trace: Trace) -> None:
    start = trace.events[6]
    assert start.kind == start["kind"] == start.as_dict()["kind"] == "backward_start"
    assert getattr(start, "pass") == start["pass"] == start.as_dict()["pass"] == 0
    assert list(start.as_dict()) == list(start.keys())
    with pytest.raises(AttributeError):
        _ = start.nonsense
    with pytest.raises(KeyError):
        start["nonsense"]


def test_events_are_found_by_their_fields(trace: Trace) -> None:
    assert [event.position for event in trace.find(kind="accumulate")] == [10, 23, 36]
    assert [event.position for event in trace.find(kind="update", tensor="w")] == [13, 26, 39]
    assert [event.position for event in trace.find(op="mul", iteration=1)] == [16, 25]
    assert [event.position for event in trace.find(tensor="w", iteration=0)] == [10, 13, 14]
    assert list(trace.find(kind="nonsense")) == []
    assert list(trace.find(nonsense=1)) == []


def test_events_are_found_by_what_they_mention(trace: Trace) -> None:
    assert [event.position for event in trace.find(mentions="loss", kind="forward")] == [5, 18, 31]
    assert [event.kind for event in trace.find(mentions="w", iteration=0)] == ["forward", "accumulate", "update"]


def test_a_tensor_then(trace: Trace) -> None:
    w = trace.tensor("w")
    assert w.at(2) == w.at(UPDATE - 1) == 1.0
    assert w.at(UPDATE) == pytest.approx(1.02)
    assert trace.tensor(2).at(UPDATE) == w.at(UPDATE)
    gradient = trace.tensor("w.grad")
    assert (gradient.at(ACCUMULATE), gradient.at(ZERO), gradient.at(ZERO + 9)) == (-2.0, 0.0, pytest.approx(-1.96))
    assert "None" in gradient.at(ACCUMULATE - 1).reason
    assert [trace.tensor("loss").at(position) for position in (5, 17)] == [1.0, 1.0]
    assert trace.tensor("loss").at(18) == pytest.approx(0.9604)


def test_a_tensor_before_it_was_seen_is_omitted_with_the_reason(trace: Trace) -> None:
    missing = trace.tensor("loss").at(4)
    assert isinstance(missing, backstep.Omitted)
    assert not missing
    assert "loss" in missing.reason


def test_values_that_were_not_kept_are_omitted_with_the_reason(tmp_path: Path) -> None:
    t = HandmadeTrace(tmp_path / "t.backstep")
    t.forward("randn", (), (t.value(t.tensor(), None, "big", omitted="4,096 elements", shape=(64, 64)),))
    t.close()
    with backstep.load(tmp_path / "t.backstep") as trace:
        missing = trace.tensor("big").at(0)
        assert (bool(missing), missing.reason) == (False, "4,096 elements")


def test_an_unknown_tensor_names_the_nearest(trace: Trace) -> None:
    with pytest.raises(KeyError, match="y_hat"):
        trace.tensor("yhat")
    for unknown in (999, "nothing like it"):
        with pytest.raises(KeyError):
            trace.tensor(unknown)


def test_a_node_knows_its_op_and_its_runs(trace: Trace) -> None:
    for position in (7, 8, 9, 20, 21, 22):
        event = trace.events[position]
        assert trace.forward_of(event.node) == event.forward
        assert trace.backwards_of(event.node) == [position]
    assert trace.forward_of(9999) is None
    assert trace.backwards_of(9999) == []


def test_a_part_of_a_trace_keeps_the_positions(tmp_path: Path) -> None:
    path = ols_trace(tmp_path / "ols.backstep", epochs=3)
    with Trace(path, first=16, last=28) as part:
        assert len(part) == 13
        assert [part.events[0].position, part.events[-1].position] == [16, 28]
        assert [event.position for event in part.find(kind="accumulate")] == [23]


def test_loading_needs_no_recorder(tmp_path: Path) -> None:
    with pytest.raises(backstep.TraceError, match="no such file"):
        backstep.load(tmp_path / "none.backstep")


def test_whose_gradient_a_tensor_is_whatever_the_order() -> None:
    pairs = [(4, 1), (9, 1), (12, 2), (7, 2), (9, 3), (30, 1), (4, 1)]
    owners, expected = Owners(), dict(pairs)
    owners.update(pairs[:3])
    owners.update(pairs[3:])
    assert {tensor: owners.get(tensor) for tensor in range(-1, 40) if tensor in owners} == expected
    for leaf in (0, 1, 2, 3):
        assert sorted(owners.of(leaf)) == sorted(t for t, owner in expected.items() if owner == leaf)
