"""The timeline: a curve that falls as the loss does, a playhead, the iteration in as many words as fit."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from backstep.replay.moment import Moment
from backstep.trace import records as r
from backstep.trace.trace import Trace
from backstep.view import timeline
from backstep.view.braille import filled
from backstep.view.marks import Marks
from backstep.view.rows import text_of, width_of
from backstep.view.theme import DARK
from tests.handmade import HandmadeTrace, ols_trace
from tests.view.traces import nested_trace


@pytest.fixture(scope="module")
def ols(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    return Trace(ols_trace(tmp_path_factory.mktemp("timeline") / "ols.backstep", epochs=20))


def lines(trace: Trace, position: int, width: int = 120, height: int = 4) -> list[str]:
    rows = timeline.build(Moment(trace, position), width, height, DARK)
    assert len(rows) == height and {width_of(row) for row in rows} <= {width}
    return text_of(rows).split("\n")


def dots(line: str) -> list[int]:
    """How many dots each braille cell of a line has."""
    return [bin(ord(cell) - 0x2800).count("1") for cell in line if 0x2800 <= ord(cell) < 0x2900]


def test_the_curve_falls_as_the_loss_does(ols: Trace) -> None:
    for height in (3, 4, 5):
        shown = lines(ols, 0, height=height)
        heights = np.sum([dots(line) for line in shown[: height - 2]], axis=0)
        assert heights[0] == 8 * (height - 2)
        assert (np.diff(heights) <= 0).all()
        assert heights[-1] == 2


def test_the_newest_loss_is_told_and_none_before_the_first(ols: Trace) -> None:
    assert len(lines(ols, 0)[0]) == 120 - timeline.RIGHT
    assert lines(ols, 22)[0].endswith("0.9604")


def test_the_playhead_goes_from_one_end_to_the_other(ols: Trace) -> None:
    columns = [lines(ols, position)[2].index("▲") for position in range(len(ols))]
    assert columns == sorted(columns)
    assert (columns[0], columns[-1]) == (timeline.LABEL, 120 - timeline.RIGHT - 1)
    assert lines(ols, 0)[2].endswith(" 0%") and lines(ols, len(ols) - 1)[2].endswith("100%")


def test_the_ruler_names_the_outermost_loop_and_thins_its_ticks(ols: Trace) -> None:
    ruler = lines(ols, 0)[2]
    assert ruler.startswith(" epoch ")
    assert all(f"┴{epoch}" in ruler for epoch in range(1, 20))
    narrow = lines(ols, 0, width=60)[2]
    assert "┴15" in narrow and "┴16" not in narrow


def test_the_iteration_is_named_chip_by_chip(ols: Trace) -> None:
    row = lines(ols, 22)[3]
    assert " ".join(row.split()) == (
        "iter ▶ mul ▶ sub ▶ pow │ ▷ loss ◀ Pow ◀ Sub ◀ Mul ⊕ w.grad │ ▶ mul Δ w │ ∅ w.grad"
    )


def test_now_is_reversed_past_bright_and_future_dim(ols: Trace) -> None:
    styles = {text: style for text, style, _ in timeline.build(Moment(ols, 22), 120, 4, DARK)[3]}
    assert styles["◀ Mul"] == DARK.chip("backward")
    assert styles["◀ Sub"] == DARK.backward
    assert styles["Δ w"] == DARK.dim


def test_chips_shrink_to_glyphs_and_then_to_a_pool(ols: Trace) -> None:
    assert " ".join(lines(ols, 22, width=60)[3].split()) == "iter ▶ ▶ ▶ │ ▷ ◀ ◀ ◀ ⊕ │ ▶ Δ │ ∅ 7/11"
    pooled = lines(ols, 22, width=20)[3]
    assert "◀" in pooled and "━" in pooled and pooled.endswith("7/11")


def test_output_is_only_shown_where_one_stands_on_it(ols: Trace) -> None:
    assert "›" not in lines(ols, 22)[3] and "›" in lines(ols, 15)[3]


def test_without_a_scalar_loss_the_label_says_what_is_drawn(tmp_path: Path) -> None:
    t = HandmadeTrace(tmp_path / "t")
    for _ in range(10):
        t.forward("relu", (), (), 9)
    t.add(r.BackwardStart(0, "backward", (), (), None, False, False), "backward", 14, subject=0)
    t.close()
    shown = lines(Trace(tmp_path / "t"), 0)
    assert shown[0].startswith(" grads") and shown[2].startswith(" run")
    assert dots(shown[0])[0] == 0 and dots(shown[0])[-1] == 8


def test_a_loss_that_is_no_number_is_marked_and_bends_no_curve(tmp_path: Path) -> None:
    trace = Trace(nested_trace(tmp_path / "t", losses=(3.0, 2.0, math.nan, 1.0, math.inf, 0.5)))
    shown = lines(trace, 0)
    assert shown[2].count("✗") == 2
    heights = np.add(dots(shown[0]), dots(shown[1]))
    assert heights[0] == 16 and (np.diff(heights) <= 0).all()


def test_the_curve_is_made_once_for_a_trace(ols: Trace, monkeypatch: pytest.MonkeyPatch) -> None:
    lines(ols, 0, width=111)
    monkeypatch.setattr(timeline, "filled", lambda *_: pytest.fail("a step drew the curve again"))
    lines(ols, 200, width=111)


def test_a_growing_run_is_scaled_in_jumps(tmp_path: Path) -> None:
    t = HandmadeTrace(tmp_path / "t")
    for _ in range(70):
        t.forward("relu", (), (), 9)
    t.batch.flush()
    trace = Trace(tmp_path / "t")
    assert timeline.extent_of(Moment(trace, 0)) == 80
    t.close()
    trace.refresh()
    assert timeline.extent_of(Moment(trace, 0)) == 70


def test_braille_fills_from_below() -> None:
    assert filled(np.array([0.0, 1.0, np.nan, np.nan]), 1) == ["⣸⠀"]
    assert filled(np.array([0.0, 1.0]), 2) == ["⢸", "⣸"]


def test_marks_are_drawn_where_they_are_the_first_before_the_second(ols: Trace) -> None:
    last = len(ols) - 1
    marks = (Marks("●", "error", (0, last // 2)), Marks("!", "warning", (last // 2, last)))
    (_, _, ruler, _) = timeline.build(Moment(ols, 5), 120, 4, DARK, marks=marks)
    drawn = text_of([ruler])
    room = 120 - timeline.LABEL - timeline.RIGHT
    assert (drawn.index("●"), drawn.rindex("●")) == (timeline.LABEL, timeline.LABEL + last // 2 * room // (last + 1))
    assert drawn.count("!") == 1 and drawn.index("!") == timeline.LABEL + room - 1
    assert {style for text, style, _ in ruler if "●" in text} == {DARK.error}
    assert width_of(ruler) == 120


def test_losses_far_apart_are_drawn_by_their_logarithms(tmp_path: Path) -> None:
    """Else all but the first would lie at the bottom."""
    t = HandmadeTrace(tmp_path / "wide.backstep")
    for step in range(20):
        with t.loop_pass("step", step):
            value = t.value(t.tensor(), 10.0**-step, "loss")
            t.batch.losses.append((t.batch.position, 10.0**-step))
            t.forward("mul", (), (value,), 1)
    t.close()
    rows = timeline.build(Moment(Trace(tmp_path / "wide.backstep"), 19), 60, 6, DARK)
    curve = text_of(rows).split("\n")[:4]
    assert curve[1].startswith(" (log)")
    heights = [sum(row[x] not in " ⠀" for row in curve) for x in (9, 20, 30, 45)]
    assert heights == sorted(heights, reverse=True) and len(set(heights)) > 2
