"""A hook that replaced a gradient shows as a difference between what left and what arrived."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from backstep.trace import records as r
from backstep.trace.trace import load
from tests.handmade import HandmadeTrace


def hooked(path: Path, parts: Sequence[Any], arrived: Any, *, dtype: str = "float32") -> list[bool]:
    """Whether each of the edges into one node counts as hooked, when this arrives there."""
    path = path / "made.backstep"
    path.unlink(missing_ok=True)
    t = HandmadeTrace(path)
    t.add(r.BackwardStart(0, "backward", (), (), None, False, False), "backward", subject=0)
    for node, part in enumerate(parts, start=1):
        sent = None if part is None else t.value(t.tensor(), part, dtype=dtype)
        edge = t.edge("h", node=99, local=t.local(1.0), downstream=sent)
        t.add(r.Backward(0, node, 0, -1, 0, (sent,), (edge,)), "backward", subject=node)
    there = t.value(t.tensor(), arrived, dtype=dtype)
    t.add(r.Backward(0, 99, 0, -1, 0, (there,), ()), "backward", subject=99)
    t.add(r.BackwardEnd(0, ()), "backward", subject=0)
    t.close()
    with load(path) as trace:
        return [edge.hooked for event in trace.events if event.kind == "backward" for edge in event.edges]


@pytest.mark.parametrize(
    ("parts", "arrived", "expected"),
    [
        pytest.param([2.0], 2.0, [False], id="the same"),
        pytest.param([2.0], 2.0000002, [True], id="one part is not rounded"),
        pytest.param([2.0, 3.0], 5.0, [False, False], id="two parts add up"),
        pytest.param([2.0, 3.0], 5.0001, [False, False], id="a sum is rounded"),
        pytest.param([2.0, 3.0], 10.0, [True, True], id="of a sum nobody knows which"),
        pytest.param([2.0, None], 2.0, [False, False], id="autograd passed None"),
        pytest.param([float("nan")], float("nan"), [False], id="NaN stays NaN"),
        pytest.param([[1.0, 2.0]], [1.0, 0.0], [True], id="clipped"),
        pytest.param([3e38, 3e38], float("inf"), [False, False], id="overflow"),
    ],
)
def test_parts_and_what_arrived(tmp_path: Path, parts: list[Any], arrived: Any, expected: list[bool]) -> None:
    assert hooked(tmp_path, parts, arrived) == expected


def test_the_tolerance_of_a_sum_is_that_of_its_dtype(tmp_path: Path) -> None:
    assert hooked(tmp_path, [2.0, 3.0], 5.0001, dtype="float64") == [True, True]
    assert hooked(tmp_path, [2.0, 3.0], 5.05, dtype="float16") == [False, False]


def test_a_leaf_is_a_target_too(tmp_path: Path) -> None:
    path = tmp_path / "leaf.backstep"
    t = HandmadeTrace(path)
    w, grad = t.tensor(), t.tensor()
    t.leaf(w, "w")
    one, ten = t.value(t.tensor(), 1.0), t.value(grad, 10.0)
    t.add(r.BackwardStart(0, "backward", (), (), None, False, False), "backward", subject=0)
    edge = t.edge("w", leaf=w, local=t.local(1.0), downstream=one)
    position = t.add(r.Backward(0, 0, 0, -1, 0, (one,), (edge,)), "backward", subject=0)
    t.add(r.Accumulate(w, None, ten, ten, True), "backward", subject=w)
    t.close()
    with load(path) as trace:
        assert trace.hooked_edges(position) == {(position, 0)}


def span(events: Callable[[HandmadeTrace], None], path: Path) -> list[tuple[int, int]]:
    t = HandmadeTrace(path)
    events(t)
    t.close()
    with load(path) as trace:
        return [trace.span_of_pass(position) for position in range(len(trace))]


def begin(t: HandmadeTrace, number: int) -> None:
    t.add(r.BackwardStart(number, "backward", (), (), None, False, False), "backward", subject=number)


def end(t: HandmadeTrace, number: int) -> None:
    t.add(r.BackwardEnd(number, ()), "backward", subject=number)


def test_a_pass_inside_another_has_a_span_of_its_own(tmp_path: Path) -> None:
    def events(t: HandmadeTrace) -> None:
        t.add(r.Note("before"), "other")
        begin(t, 0)
        begin(t, 1)
        t.add(r.Note("inner"), "backward")
        end(t, 1)
        t.add(r.Note("outer again"), "backward")
        end(t, 0)
        t.add(r.Note("after"), "other")

    outer, inner = (1, 6), (2, 4)
    assert span(events, tmp_path / "t.backstep") == [(0, 0), outer, inner, inner, inner, outer, outer, (7, 7)]


def test_a_pass_that_was_cut_off_ends_before_the_next(tmp_path: Path) -> None:
    def events(t: HandmadeTrace) -> None:
        begin(t, 0)
        t.add(r.Note("it raised here"), "backward")
        begin(t, 1)
        end(t, 1)

    assert span(events, tmp_path / "t.backstep") == [(0, 1), (0, 1), (2, 3), (2, 3)]
