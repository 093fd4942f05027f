"""The spine: its rows, its lanes, and how values come down and gradients go up."""

from __future__ import annotations

from pathlib import Path

import pytest

from backstep.replay.moment import Moment
from backstep.trace.trace import Trace
from backstep.view import graph
from backstep.view.rows import text_of, width_of
from backstep.view.spine import block_around, spine_of
from backstep.view.spine_columns import Needs, widths
from backstep.view.theme import DARK
from tests.handmade import ols_trace
from tests.view.traces import GraphTrace, carried_trace, chain_trace, composite_trace, fan_out_trace


@pytest.fixture(scope="module")
def ols(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    return Trace(ols_trace(tmp_path_factory.mktemp("graph") / "ols.backstep"))


def lines(trace: Trace, position: int, width: int = 44, height: int = 12) -> list[str]:
    rows = graph.build(Moment(trace, position), width, height, DARK, spine=True)
    assert len(rows) == height and {width_of(row) for row in rows} == {width}
    return [line for line in text_of(rows).split("\n") if line]


def test_the_lecture_in_the_middle_of_its_backward_pass(ols: Trace) -> None:
    assert lines(ols, 22) == [
        "                 forward     backward ↑ grad",
        "○ w              1.02        ◀ -1.96",
        "│ ○ x            1           ·  no grad",
        "◆─┘ mul → y_hat  1.02        ◀ -1.96",
        "│ ○ y            2           ·  no grad",
        "◆─┘ sub → l      -0.98       ◀ -1.96",
        "◆   pow → loss   0.9604      ◀ 1",
    ]


def test_what_has_not_run_is_not_told(ols: Trace) -> None:
    assert lines(ols, 3)[3:] == [
        "◆─┘ mul → y_hat  1           ·",
        "│ ○ y            2           ·  no grad",
        "◇─┘ sub → l      ·           ·",
        "◇   pow → loss   ·           ·",
    ]


@pytest.mark.parametrize(
    ("position", "state"),
    [(3, "∅ None"), (8, "∅ None"), (9, "◀ -2"), (10, "⊕ -2 ×1"), (14, "∅ 0"), (22, "◀ -1.96"), (23, "⊕ -1.96 ×1")],
)
def test_a_leaf_shows_the_state_of_its_gradient(ols: Trace, position: int, state: str) -> None:
    assert lines(ols, position)[1].endswith(f" {state}")


def test_a_gradient_that_was_not_zeroed_counts_its_passes(tmp_path: Path) -> None:
    trace = Trace(ols_trace(tmp_path / "t", zero=False))
    position = next(event.position for event in trace.find(kind="accumulate", iteration=1))
    assert lines(trace, position)[1].endswith("⊕ -3.96 ×2")


@pytest.mark.parametrize(
    ("position", "row", "changed"),
    [
        (16, "mul", "1.02"), (19, "pow", "·"), (22, "mul", "◀ -1.96"), (23, "w", "⊕ -1.96 ×1"), (26, "w", "1.04"),
        (27, "w", "∅ 0"),
    ],
)  # fmt: skip
def test_the_current_row_is_lit_from_end_to_end_and_what_changed_in_it_is_bold(
    ols: Trace, position: int, row: str, changed: str
) -> None:
    background = DARK.here(ols.phase_at(position)).bgcolor
    drawn = graph.build(Moment(ols, position), 44, 12, DARK)
    lit = [[style is not None and style.bgcolor == background for text, style, _ in cells if text] for cells in drawn]
    (here,) = [at for at, cells in enumerate(lit) if any(cells)]
    assert all(lit[here])
    assert row in text_of([drawn[here]]).split()
    bold = "".join(text for text, style, _ in drawn[here] if style and style.bold)
    assert changed in bold


def test_only_an_event_that_is_about_no_row_lights_none(ols: Trace) -> None:
    at = next(event.position for event in ols.find(kind="backward_end"))
    rows = graph.build(Moment(ols, at), 44, 12, DARK)
    assert not [style for row in rows for _, style, _ in row if style and style.bgcolor]


def test_names_have_the_room_that_their_rows_need(tmp_path: Path) -> None:
    t = GraphTrace(tmp_path / "t", "names.py", "\n")
    weight = t.input("blocks.1.attn.out_proj.weight", [1.0, 2.0, 3.0, 4.0, 5.0], leaf=True)
    t.op("layer_norm", "self.norm2(x)", weight)
    t.close()
    trace = Trace(tmp_path / "t")
    for width in (66, 75, 100):
        shown = "\n".join(lines(trace, 0, width=width))
        assert "blocks.1.attn.out_proj.weight" in shown and "layer_norm → self.norm2(x)" in shown
    assert "▇" in lines(trace, 0, width=75)[1]
    tight = "\n".join(lines(trace, 0, width=44))
    assert "…tn.out_proj.weight" in tight


def test_histograms_go_before_names_are_cut_and_those_of_gradients_first() -> None:
    short, long = Needs(20, 7), Needs(34, 7)
    both, values, none = widths(64, short), widths(70, long), widths(60, long)
    assert both.value_spread and both.grad_spread
    assert values.value_spread and not values.grad_spread
    assert not none.value_spread and not none.grad_spread
    for columns, needs in ((both, short), (values, long), (none, long)):
        assert columns.name >= needs.name
    assert both.name + both.value + both.grad == 64


def test_an_op_is_cut_when_its_result_can_then_be_read(tmp_path: Path) -> None:
    t = GraphTrace(tmp_path / "t", "long.py", "\n")
    t.op("binary_cross_entropy_with_logits", "loss", t.input("x", leaf=True))
    t.close()
    assert "binary_cros… → loss" in lines(Trace(tmp_path / "t"), 0)[2]


def test_a_value_used_twice_keeps_its_lane(tmp_path: Path) -> None:
    shown = lines(Trace(fan_out_trace(tmp_path / "t")), 3)
    assert [line[:14].rstrip() for line in shown[1:]] == [
        "○ x",
        "◆   mul → h",
        "├─◆ mul → a",
        "◆ │ pow → b",
        "◆─┘ add → y",
    ]


def test_an_op_made_of_parts_is_one_row(tmp_path: Path) -> None:
    trace = Trace(composite_trace(tmp_path / "t"))
    names = ["○ xb", "│ ○ weight", "│ ○ bias", "◆─┘ linear → z", "◆   relu → h"]
    assert [line[:16].rstrip() for line in lines(trace, 3)[1:]] == names
    assert lines(trace, 1)[4].startswith("◇─┘ linear → z  ")
    assert lines(trace, 1, width=80)[4].startswith("◇─┘ linear → z (addmm)")


def test_many_numbers_have_a_shape_and_a_spread_and_a_few_are_told(tmp_path: Path) -> None:
    trace = Trace(composite_trace(tmp_path / "t"))
    assert lines(trace, 3)[1].split()[2:4] == ["[1,", "2]"]
    assert "[10]" in lines(trace, 3)[2]
    assert "[10]    ▇      ▁" in lines(trace, 3, width=80)[2]


def test_only_the_window_is_built_and_now_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = Trace(chain_trace(tmp_path / "t", 400))
    drawn: list[int] = []
    row = graph._Drawing.row
    monkeypatch.setattr(graph._Drawing, "row", lambda self, index: (drawn.append(index), row(self, index))[1])
    for position in (0, 1, 57, 200, 398, 399):
        shown = lines(trace, position, height=20)
        assert any(f"→ h{position} " in line for line in shown)
    assert len(drawn) == 6 * 19


def test_the_spine_is_made_once_an_iteration(ols: Trace) -> None:
    assert spine_of(ols, 16, 28, 3) is spine_of(ols, 16, 28, 3)


def test_an_endless_iteration_is_drawn_in_blocks() -> None:
    assert block_around(10, 5000, 4000) == (10, 5000)
    assert block_around(10, 1_000_000, 12_500) == (12_010, 18_009)


def test_where_no_gradient_is_made_the_ops_themselves_are_shown(ols: Trace) -> None:
    shown = lines(ols, 1)
    assert [line.split() for line in shown[1:]] == [
        ["◆", "tensor", "→", "x", "1", "·", "no", "grad"],
        ["◆", "tensor", "→", "y", "2", "·", "no", "grad"],
        ["◇", "tensor", "→", "w", "·", "·", "no", "grad"],
    ]


def test_a_gradient_that_runs_into_an_earlier_iteration_stands_at_the_value_it_came_through(tmp_path: Path) -> None:
    trace = Trace(carried_trace(tmp_path / "t"))
    assert lines(trace, 1)[1].split() == ["○", "w", "1", "·"]
    shown = lines(trace, 2)
    assert shown[1].split() == ["○", "w", "1", "◀", "7"]


def test_numbers_that_are_not_finite_are_seen_at_once(tmp_path: Path) -> None:
    t = GraphTrace(tmp_path / "t", "nan.py", "\n")
    bad = t.input("bad", [1.0, float("nan"), float("inf"), 2.0])
    t.op("mul", "y", bad)
    t.close()
    for width, shown in ((44, "1 NaN"), (80, "1 NaN 1 Inf")):
        row = graph.build(Moment(Trace(tmp_path / "t"), 0), width, 12, DARK, spine=True)[1]
        assert "".join(text for text, style, _ in row if style == DARK.error).startswith(shown)


def test_a_very_narrow_graph_shows_the_numbers_of_the_pass_that_runs(ols: Trace) -> None:
    forward, backward = lines(ols, 17, width=30), lines(ols, 22, width=30)
    assert "forward" in forward[0] and "backward" not in forward[0] and "1.02" in forward[3]
    assert "backward" in backward[0] and "forward" not in backward[0] and "◀ -1.96" in backward[3]


def test_compared_with_a_pinned_moment_it_tells_how_far_values_and_gradients_are_from_those_there(ols: Trace) -> None:
    accumulated = [event.position for event in ols.find(kind="accumulate")]
    moment, pinned = Moment(ols, accumulated[1]), Moment(ols, accumulated[0])
    told = text_of(graph.build(moment, 80, 8, DARK, pinned=pinned)).split("\n")
    rows = {line.split("→ ")[-1].replace("○", "").replace("│", "").split()[0]: line for line in told[1:7]}
    w = [ols.event(position)["after"].values for position in accumulated[:2]]
    assert w == pytest.approx([-2.0, -1.96])
    assert rows["w"].count("Δ+0.02") == 1 and rows["w"].split()[-1] == "Δ+0.04"
    assert rows["x"].count("=") == 1, "the same"
    assert "Δ+0.02" in rows["y_hat"] and "Δ+0.02" in rows["l"] and "Δ-0.04" in rows["loss"]
    assert rows["loss"].split()[-1] == "=", "a pass always begins with 1"


def test_a_leaf_without_a_gradient_there_and_values_that_are_not_there_are_no_difference(ols: Trace) -> None:
    moment, pinned = Moment(ols, next(ols.find(kind="accumulate")).position), Moment(ols, 3)
    told = text_of(graph.build(moment, 80, 8, DARK, pinned=pinned)).split("\n")
    assert told[1].split()[-1] == "·" and told[6].split()[-1] == "·"
    assert all("Δ" not in line for line in told)
