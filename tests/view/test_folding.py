"""Modules and passes of inner loops fold into a row each; the way to now is open; nothing is lost by it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backstep.replay.moment import Moment
from backstep.trace.trace import Trace
from backstep.view import graph
from backstep.view.folding import Line, levels_of, lines_of, way_to
from backstep.view.ops import ops_of
from backstep.view.rows import tag_at, text_of
from backstep.view.scopes import Scope, scopes_of
from backstep.view.spine import spine_of
from backstep.view.spine_columns import needs_of, widths
from backstep.view.theme import DARK
from tests.view.traces import GraphTrace

LAYERS, TIMES = 3, 5


def stack_trace(path: Path) -> Path:
    """`LAYERS` blocks called in a loop, each of a module of two ops and one of one op, then a head."""
    t = GraphTrace(path, "stack.py", "\n")
    x = t.input("x")
    with t.loop_pass("epoch", 0, loop=1):
        for layer in range(LAYERS):
            with t.loop_pass("block", layer, loop=2):
                path_ = f"blocks.{layer}"
                for index, module in enumerate((f"{path_}.mlp", f"{path_}.mlp", path_)):
                    weight = t.input(f"{path_}.{index}.weight", leaf=True)
                    x = t.op("mul", "x", x, weight, module=module)
        t.op("neg", "out", x, module="head")
    t.close()
    return path


def recurrent_trace(path: Path) -> Path:
    """A cell of two ops, called `TIMES` times on an `x[t]` of its own."""
    t = GraphTrace(path, "rnn.py", "\n")
    h, weight = t.input("h"), t.input("cell.weight", leaf=True)
    with t.loop_pass("epoch", 0, loop=1):
        for time in range(TIMES):
            with t.loop_pass("t", time, loop=2):
                h = t.op("mul", "a", h, weight, module="cell")
                h = t.op("add", "h", h, t.input("x[t]"), module="cell")
        t.op("neg", "out", h)
    t.close()
    return path


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    return Trace(stack_trace(tmp_path_factory.mktemp("stack") / "t"))


@pytest.fixture(scope="module")
def recurrent(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    return Trace(recurrent_trace(tmp_path_factory.mktemp("rnn") / "t"))


def shown(trace: Trace, position: int, fold: int | None, width: int = 70) -> list[str]:
    rows = graph.build(Moment(trace, position), width, 40, DARK, spine=True, fold=fold)
    names = widths(width, needs_of(trace, 0, len(trace) - 1, 6)).name
    return [line[:names].rstrip() for line in text_of(rows).split("\n")[1:] if line]


def test_a_loop_over_modules_is_the_modules(stack: Trace) -> None:
    whole = (0, len(stack) - 1)
    assert [scope.label for scope in scopes_of(stack, *whole)] == ["blocks.0", "blocks.1", "blocks.2"]
    assert [scope.label for scope in scopes_of(stack, *whole)[0].inner] == ["blocks.0.mlp"]
    assert levels_of(stack, *whole) == 2


def test_only_the_way_to_now_is_open(stack: Trace) -> None:
    drawn = shown(stack, 4, 0)
    assert drawn[0] == "○ x" and drawn[1] == "◆   ▸ blocks.0 → x 3 ops"
    assert "│ ▾ blocks.1" in drawn and "│ ▾ mlp" in drawn
    assert "◇   ▸ blocks.2 → x 3 ops" in drawn
    assert sum("weight" in line for line in drawn) == 3, "the parameters of what is folded are folded into it"


def test_each_level_opens_one_more(stack: Trace) -> None:
    assert sum("weight" in line for line in shown(stack, 9, 0)) == 0
    assert sum("weight" in line for line in shown(stack, 9, 1)) == LAYERS
    assert sum("weight" in line for line in shown(stack, 9, 2)) == 3 * LAYERS
    assert shown(stack, 9, 2) == shown(stack, 9, 7) and not any("▾" in line for line in shown(stack, 9, 2))


def test_time_steps_fold_on_both_sides_of_now(recurrent: Trace) -> None:
    drawn = [line.strip("│├◆◇─┘┤┴○ ") for line in shown(recurrent, 4, 0)]
    folded = [line for line in drawn if line.startswith(("▸", "▾"))]
    assert folded == ["▸ t 0…1 → h 4 ops", "▾ t 2", "▸ t 3…4 → h 4 ops"]
    assert [line for line in drawn if line.startswith("▸")] == ["▸ t 0…1 → h 4 ops", "▸ t 3…4 → h 4 ops"]
    assert any(
        line.startswith("▸ t 0…4 → h 10 ops") for line in (one.strip("◆├─┘ ") for one in shown(recurrent, 10, 0))
    )


def test_passes_unfold_one_by_one(recurrent: Trace) -> None:
    drawn = "\n".join(shown(recurrent, 10, 1))
    assert all(f"▸ t {time} → h 2 ops" in drawn for time in range(TIMES))


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_every_op_is_drawn_once_however_it_is_folded(stack: Trace, recurrent: Trace, data: st.DataObject) -> None:
    trace = data.draw(st.sampled_from([stack, recurrent]))
    span = (0, len(trace) - 1)
    ops = ops_of(trace, *span)
    now = data.draw(st.integers(0, len(ops.ops) - 1))
    lines = lines_of(trace, *span, data.draw(st.integers(0, 3)), way_to(trace, *span, now))
    drawn = [op for line in lines for op in range(line.first, line.first + line.count)]
    assert drawn == list(range(len(ops.ops)))
    assert Line(now, 1) in lines, "the op that runs is never folded away"
    spine = spine_of(trace, *span, 6, lines)
    for position in range(len(trace)):
        assert spine.rows[spine.row_of[position]].is_op


def test_scopes_lie_in_one_another(stack: Trace, recurrent: Trace) -> None:
    def check(scopes: tuple[Scope, ...], first: int, last: int) -> None:
        for scope in scopes:
            assert first <= scope.first <= scope.last <= last
            check(scope.inner, scope.first, scope.last)
            first = scope.last + 1

    for trace in (stack, recurrent):
        check(scopes_of(trace, 0, len(trace) - 1), 0, len(trace))


def test_who_points_at_a_folded_row_is_told_where_it_begins(stack: Trace) -> None:
    rows = graph.build(Moment(stack, 9), 70, 20, DARK, spine=True, fold=0)
    assert [tag_at(row, 0, 30).get("seek") for row in rows[1:6]] == [2, 0, 3, 6, 9]
