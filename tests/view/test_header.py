"""The header: what it says, what it gives up, and that it ends where the row ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from backstep.replay.moment import Moment
from backstep.trace.trace import Trace
from backstep.view import header, hints
from backstep.view.rows import text_of, width_of
from backstep.view.theme import DARK
from tests.handmade import HandmadeTrace, ols_trace
from tests.view.traces import nested_trace


@pytest.fixture(scope="module")
def ols(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    return Trace(ols_trace(tmp_path_factory.mktemp("header") / "ols.backstep"))


def text(trace: Trace, position: int, width: int) -> str:
    rows = header.build(Moment(trace, position), width, 1, DARK)
    assert [width_of(row) for row in rows] == [width]
    return text_of(rows)


def test_it_says_where_one_is_in_numbers_from_zero(ols: Trace) -> None:
    words = " ".join(text(ols, 22, 120).split())
    assert words == "backstep ols.py › epoch 1 › ◀ BACKWARD › MulBackward0 ■ paused event #22 of 42"


def test_all_loops_are_there_outermost_first(tmp_path: Path) -> None:
    trace = Trace(nested_trace(tmp_path / "t"))
    assert "epoch 1 › batch 2 › Δ UPDATE › SGD.step" in text(trace, 30, 120)


@pytest.mark.parametrize(
    ("width", "there", "gone"),
    [
        (80, ["backstep", "MulBackward0", "paused", "#22 of 42"], ["event"]),
        (64, ["ols.py", "epoch 1", "BACKWARD", "paused"], ["MulBackward0"]),
        (42, ["epoch 1", "BACKWARD", "#22 of 42"], ["ols.py", "backstep", "paused"]),
        (26, ["◀ BACKWARD", "#22 of 42"], ["epoch"]),
    ],
)
def test_parts_go_by_rank_when_it_is_narrow(ols: Trace, width: int, there: list[str], gone: list[str]) -> None:
    shown = text(ols, 22, width)
    assert [word for word in there if word not in shown] == []
    assert [word for word in gone if word in shown] == []


def test_every_width_is_filled_exactly(ols: Trace) -> None:
    for width in range(1, 140):
        text(ols, 22, width)


def test_a_long_op_is_cropped_not_dropped(ols: Trace) -> None:
    assert "› MulB…" in text(ols, 22, 70)


def test_a_script_that_runs_is_live_and_one_that_died_is_not_called_paused(tmp_path: Path) -> None:
    t = HandmadeTrace(tmp_path / "t")
    t.forward("relu", (), (), 3)
    t.batch.flush(None)
    trace = Trace(tmp_path / "t")
    assert "● LIVE" in text(trace, 0, 100)
    t.close("exception", 1, "ValueError")
    trace.refresh()
    assert "✗ crashed" in text(trace, 0, 100)


def test_text_of_the_trace_cannot_move_the_cursor(tmp_path: Path) -> None:
    t = HandmadeTrace(tmp_path / "t", "evil\x1b[2J\u202e.py", "pass\n")
    t.forward("re\x1blu", (), (), 1)
    t.close()
    shown = text(Trace(tmp_path / "t"), 0, 120)
    assert "evil" in shown and "\x1b" not in shown and "\u202e" not in shown


def test_help_and_quit_stay_in_the_hints_at_any_width() -> None:
    keys = [("←/→", "step"), ("p/P", "phase"), ("i/I", "iter"), ("?", "help"), ("q", "quit")]
    wide = text_of(hints.build(keys, 80, 1, DARK))
    assert "←/→ step  p/P phase  i/I iter" in wide and wide.endswith("? help  q quit")
    for width in (40, 30, 20, 16):
        (row,) = hints.build(keys, width, 1, DARK)
        assert width_of(row) == width
        assert "? help  q quit" in text_of([row])
