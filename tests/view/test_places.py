"""The three places of the chain rule: nothing is cut where there is room, whatever stands in them."""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style

from backstep.view.places import Places, fits, placed
from backstep.view.rows import Row, text_of, width_of

CHIP = Style(bgcolor="#eba10b")


def chip(text: str) -> Row:
    return [Segment(f" {text} ", CHIP)]


def drawn(lines: list[Places | Row], width: int) -> list[str]:
    rows = placed(lines, width, Style(bold=True))
    assert all(width_of(row) <= width for row in rows)
    return text_of(rows).split("\n")


def test_a_third_each_where_that_will_do() -> None:
    (row,) = drawn([Places((chip("-1.96"), chip("1"), chip("-1.96")), ("×", "="))], 60)
    assert (row.index("-1.96"), row.index(" 1 "), row.rindex("-1.96")) == (1, 20, 41)


def test_else_what_each_needs() -> None:
    leaves = [*chip("-1.96"), Segment(" → AccumulateGrad(weight)")]
    (row,) = drawn([Places((chip("-1.96"), chip("1"), leaves), ("×", "="))], 60)
    assert row.endswith("→ AccumulateGrad(weight)") and "…" not in row


def test_the_last_place_goes_on_below_itself() -> None:
    leaves = [*chip("[3,16] ‖1.171‖"), Segment(" → AccumulateGrad(fc2.weight)")]
    line = Places((chip("[16,3] ‖1.171‖"), chip("Jacobian [16,3,3,16]"), leaves), ("×", "="))
    assert not fits([line], 79)
    first, second = drawn([line], 79)
    assert first.endswith("[3,16] ‖1.171‖") and second.strip() == "→ AccumulateGrad(fc2.weight)"
    assert second.index("→") > first.index("=")


def test_what_is_in_no_place_has_the_whole_width() -> None:
    row: Row = [Segment("dloss/dw = dloss/dh · x")]
    assert drawn([row, Places((chip("1"), chip("2"), chip("2")))], 60)[0] == "dloss/dw = dloss/dh · x"


def test_no_pane_is_too_narrow() -> None:
    line = Places((chip("[16,3] ‖1.171‖"), chip("Jacobian [16,3,3,16]"), chip("2")), ("×", "="))
    for width in range(40, 80):
        drawn([line], width)
