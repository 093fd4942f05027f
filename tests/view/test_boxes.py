"""Boxes stand apart, wires run around them and never along each other; what has gone where is seen."""

from __future__ import annotations

from itertools import combinations, pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backstep.replay.moment import Moment
from backstep.trace.trace import Trace
from backstep.view import boxes
from backstep.view.layers import Layout, Node, Wire, lay_out
from backstep.view.rows import text_of, width_of
from backstep.view.theme import DARK
from tests.handmade import ols_trace
from tests.view.traces import GraphTrace

SIZE = (73, 14)


@st.composite
def graphs(draw: st.DrawFn) -> list[Node]:
    """Up to twelve nodes, each taking some of those before it."""
    nodes: list[Node] = []
    flat = draw(st.booleans())
    for index in range(draw(st.integers(1, 12))):
        inputs = draw(st.lists(st.integers(0, index - 1), unique=True, max_size=3)) if index else []
        nodes.append(Node(tuple(inputs), flat))
    return nodes


def cells(wire: Wire) -> dict[tuple[int, int], str]:
    """The cells on a wire's way; which way it runs there, `+` at a corner."""
    found: dict[tuple[int, int], str] = {}
    for (x, y), (to_x, to_y) in pairwise(wire.points):
        assert x == to_x or y == to_y, "a wire runs across or up and down"
        way = "-" if y == to_y else "|"
        for column in range(min(x, to_x), max(x, to_x) + 1):
            for row in range(min(y, to_y), max(y, to_y) + 1):
                found[column, row] = "+" if found.get((column, row), way) != way else way
    return found


def check(nodes: list[Node], layout: Layout, width: int, height: int) -> None:
    inside = [{(x, y) for x in range(b.x, b.x + b.width) for y in range(b.y, b.y + b.height)} for b in layout.boxes]
    assert all(0 <= x < width and 0 <= y < height for box in inside for x, y in box)
    assert all(not one & other for one, other in combinations(inside, 2))
    assert sorted((wire.source, wire.target) for wire in layout.wires) == sorted(
        (one, index) for index, node in enumerate(nodes) for one in node.inputs
    )
    ways = [(wire, cells(wire)) for wire in layout.wires]
    ports = set()
    for wire, way in ways:
        source, target = layout.boxes[wire.source], layout.boxes[wire.target]
        (x, y), (to_x, to_y) = wire.points[0], wire.points[-1]
        assert x == source.x + source.width and source.y < y < source.y + source.height - 1
        assert to_x == target.x - 1 and target.y < to_y < target.y + target.height
        assert not any(cell in box for cell in way for box in inside), "a wire runs through a box"
        ports.add((wire.target, to_y))
    assert len(ports) == len(layout.wires), "each input has a row of its own"
    for (one, way), (other, further) in combinations(ways, 2):
        if one.source != other.source:
            shared = set(way) & set(further)
            assert all({way[cell], further[cell]} == {"-", "|"} for cell in shared), "wires only cross"


@given(graphs())
@settings(max_examples=300, deadline=None)
def test_a_layout_is_readable(nodes: list[Node]) -> None:
    layout = lay_out(nodes, 400, 120)
    if layout is not None:  # two wires that would have to change rows with each other have none
        check(nodes, layout, 400, 120)


@given(graphs(), st.integers(40, 200), st.integers(6, 40))
@settings(max_examples=200, deadline=None)
def test_a_layout_keeps_to_its_room_or_is_none(nodes: list[Node], width: int, height: int) -> None:
    layout = lay_out(nodes, width, height)
    if layout is not None:
        check(nodes, layout, width, height)


@pytest.fixture(scope="module")
def ols(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    return Trace(ols_trace(tmp_path_factory.mktemp("ols") / "ols.backstep"))


def shown(trace: Trace, position: int, width: int = SIZE[0], height: int = SIZE[1]) -> str:
    moment = Moment(trace, position)
    rows = boxes.build(moment, moment.iteration_span, width, height, DARK)
    assert rows is not None and len(rows) == height and {width_of(row) for row in rows} == {width}
    return text_of(rows)


def test_a_gradient_in_transit_is_not_yet_in_grad(ols: Trace) -> None:
    """While `MulBackward0` runs, the gradient is on its way to `w`."""
    (at,) = [event.position for event in ols.find(kind="backward", op="MulBackward0")][:1]
    drawn = shown(ols, at)
    assert "∇ None ← -2" in drawn or "∇ 0 ← -2" in drawn
    assert "◀━" in drawn and "◀─" in drawn and "─▶" in drawn
    after = shown(ols, at + 1)
    assert "∇ -2" in after and "←" not in after and "━◀" not in after.rsplit("\n", 1)[0]


def test_what_is_to_come_is_not_told(ols: Trace) -> None:
    (at,) = [event.position for event in ols.find(kind="forward", op="mul")][:1]
    drawn = shown(ols, at)
    assert "y_hat 1" in drawn and "loss ·" in drawn and "◀─" not in drawn


def test_where_there_are_few_rows_boxes_are_flat(ols: Trace) -> None:
    (at,) = [event.position for event in ols.find(kind="backward", op="MulBackward0")][:1]
    drawn = shown(ols, at, 80, 7)
    assert "y_hat = w*x" in drawn and "∇ ← -2│" in drawn and "no grad" in drawn


def test_a_value_used_far_away_runs_around_what_is_between(tmp_path: Path) -> None:
    t = GraphTrace(tmp_path / "t", "residual.py", "\n")
    x = t.input("x", 1.0, leaf=True)
    one = t.op("exp", "a", x)
    two = t.op("neg", "b", one)
    t.op("add", "c", two, x)
    t.close()
    drawn = shown(Trace(tmp_path / "t"), 2)
    assert [word in drawn for word in ("x", "eˣ exp", "- neg", "+ add")] == [True] * 4


def test_too_many_or_too_little_room_is_for_the_spine(ols: Trace) -> None:
    moment = Moment(ols, 3)
    assert boxes.build(moment, moment.iteration_span, 50, 14, DARK) is None
    assert boxes.build(moment, moment.iteration_span, 73, 4, DARK) is None


def test_odd_names_stay_in_their_box(tmp_path: Path) -> None:
    t = GraphTrace(tmp_path / "t", "odd.py", "\n")
    t.op("mul", "結果" * 20, t.input("\x1b[31mw" * 9, 1.0, leaf=True))
    t.close()
    drawn = shown(Trace(tmp_path / "t"), 0)
    assert "\x1b" not in drawn and "結" in drawn
