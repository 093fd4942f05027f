"""The source pane: two cursors, what lines made, and text of any kind inside its borders."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.segment import Segment

from backstep.replay.moment import Moment
from backstep.trace import records as r
from backstep.trace.trace import Trace
from backstep.view import source
from backstep.view.highlight import lines_of
from backstep.view.rows import Row, text_of, width_of
from backstep.view.theme import DARK
from tests.handmade import HandmadeTrace, ols_trace
from tests.view.traces import source_trace


@pytest.fixture(scope="module")
def ols(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    return Trace(ols_trace(tmp_path_factory.mktemp("source") / "ols.backstep"))


def build(trace: Trace, position: int, width: int = 50, height: int = 16) -> list[Row]:
    rows = source.build(Moment(trace, position), width, height, DARK)
    assert len(rows) == height and {width_of(row) for row in rows} == {width}
    return rows


def lines(trace: Trace, position: int, width: int = 50, height: int = 16) -> dict[str, str]:
    """The lines by their numbers."""
    shown = text_of(build(trace, position, width, height)).split("\n")
    return {line.split()[0]: " ".join(line.split()[1:]) for line in shown if line.split()}


def test_two_cursors_in_the_backward_pass(ols: Trace) -> None:
    shown = lines(ols, 22)
    assert shown["14"] == "◀ loss.backward()"
    assert shown["9"] == "◁ y_hat = w * x y_hat = 1.02"


def test_lines_that_ran_show_what_they_made(ols: Trace) -> None:
    assert lines(ols, 16)["9"] == "▶ y_hat = w * x y_hat = 1.02"
    assert lines(ols, 16)["10"] == "l = y_hat - y"
    shown = lines(ols, 27)
    assert shown["10"] == "l = y_hat - y l = -0.98"
    assert shown["21"] == "∅ w.grad.zero_() w.grad = 0"
    assert shown["18"] == "w -= 0.01 * w.grad w = 1.04"


def test_what_an_earlier_iteration_made_is_not_shown(ols: Trace) -> None:
    assert lines(ols, 16)["21"] == "w.grad.zero_()"


def test_the_running_line_has_the_colour_of_its_phase(ols: Trace) -> None:
    rows = build(ols, 22)
    running = next(row for row in rows if "loss.backward" in text_of([row]))
    backgrounds = {style.bgcolor for text, style, _ in running[2:] if style}
    assert backgrounds == {DARK.here_backward.bgcolor}


def test_the_expression_that_runs_is_bold(ols: Trace) -> None:
    row = next(row for row in build(ols, 16) if "y_hat = w" in text_of([row]))
    bold = "".join(text for text, style, _ in row[2:] if style and style.bold)
    assert bold == "w * x"


def test_stepping_through_an_iteration_that_fits_does_not_scroll(ols: Trace) -> None:
    assert len({text_of([build(ols, position)[0]]).split()[0] for position in range(16, 28)}) == 1


def test_both_cursors_are_in_view_when_they_can_be(ols: Trace) -> None:
    for height in (6, 8, 12):
        assert {"9", "14"} <= lines(ols, 22, height=height).keys()
    assert "14" in lines(ols, 22, height=2)


def test_two_places_far_apart_are_split(tmp_path: Path) -> None:
    trace = Trace(far_trace(tmp_path / "t"))
    shown = lines(trace, 1, height=9)
    assert shown["2"] == "◁ h = relu(x) h [4] ‖5.477‖"
    assert shown["90"] == "◀ h.backward()"
    assert "┄┄ far.py:90" in text_of(build(trace, 1, height=9))


def far_trace(path: Path) -> Path:
    text = "\n".join({2: "h = relu(x)", 90: "h.backward()"}.get(n, f"line{n}") for n in range(1, 100))
    t = HandmadeTrace(path, "far.py", text)
    node = t.node()
    made = t.value(t.tensor(), [1.0, 2.0, 3.0, 4.0], "h")
    at = t.forward("relu", (), (made,), 2, nodes=1, first_node=node)
    t.add(r.Backward(0, node, t.batch.strings.number("ReluBackward0"), at, 0, (), ()), "backward", 90, subject=node)
    t.close()
    return path


def test_long_lines_are_cropped_and_tabs_expanded(tmp_path: Path) -> None:
    trace = Trace(source_trace(tmp_path / "t", "if 1:\n\ty = " + "x + " * 40 + "x\n", line=2))
    row = build(trace, 0, width=30)[1]
    assert "▶     y = x + x" in text_of([row]) and text_of([row]).endswith("…")


def test_wide_characters_and_odd_line_ends_keep_the_columns(tmp_path: Path) -> None:
    trace = Trace(source_trace(tmp_path / "t", "# 漢字漢字漢字\x0c\r\ny = '漢' + x\r\nz = 1\n", line=2))
    for width in range(8, 40):
        build(trace, 0, width=width)
    assert lines(trace, 0)["2"].startswith("▶ y = '漢' + x")
    assert lines(trace, 0)["3"] == "z = 1"


def test_source_cannot_move_the_cursor(tmp_path: Path) -> None:
    trace = Trace(source_trace(tmp_path / "t", "a = '\x1b[2J'\nb = '\u202e'\n", line=1, name="y\x1b"))
    shown = text_of(build(trace, 0))
    assert not set("\x1b\u202e") & set(shown)


def test_a_trace_without_the_text_shows_the_line_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = Trace(source_trace(tmp_path / "t", "y = relu(x)\n", line=1))
    monkeypatch.setattr(Trace, "sources", {})
    shown = text_of(build(trace, 0))
    assert "y = relu(x)" in shown and "not in this trace" in shown


def test_an_event_without_a_line_says_so(tmp_path: Path) -> None:
    t = HandmadeTrace(tmp_path / "t")
    t.forward("relu", (), ())
    t.close()
    assert "no line of the script" in text_of(build(Trace(tmp_path / "t"), 0))


def test_highlighting_changes_no_character() -> None:
    text = 'def f(x):\n    """Doc\n\n    string"""\n\n    return f"{x:.2f}"  # done\n\n\n'
    shown = lines_of(text, DARK.syntax)
    assert ["".join(segment.text for segment in line.row) for line in shown] == text.split("\n")
    assert any(isinstance(segment, Segment) and segment.style and segment.style.color for segment in shown[0].row)
