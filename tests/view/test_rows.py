"""Rows: cut, wrapped and lit without losing a cell or a word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.segment import Segment
from rich.style import Style

from backstep.view.rows import Row, lit, shortened, text_of, unbroken, width_of, wrap

CHIP = Style(bgcolor="#4fa8ee")


def texts(rows: list[Row]) -> list[str]:
    return text_of(rows).split("\n")


def test_a_sentence_is_broken_at_blanks() -> None:
    row = [Segment("✓ fresh: the gradient was empty, "), Segment("so this is exactly dloss/dw", CHIP)]
    assert texts(wrap(row, 33)) == ["✓ fresh: the gradient was empty,", "  so this is exactly dloss/dw"]
    assert wrap(row, 80) == [row]


def test_a_chip_stays_in_one_piece_and_an_arrow_with_what_it_points_at() -> None:
    row = [Segment(" [16,3] ‖1.171‖ ", CHIP), Segment(" → AccumulateGrad(w)")]
    assert texts(wrap(row, 20, 1)) == [" [16,3] ‖1.171‖", " → AccumulateGrad(w)"]
    assert unbroken(row) == 19


def test_a_word_that_changes_its_colour_is_not_broken() -> None:
    assert texts(wrap([Segment("so far "), Segment("(-1.96)", CHIP + Style(bold=True)), Segment(" · ")], 30)) == [
        "so far (-1.96) ·"
    ]
    assert texts(wrap([Segment("aaaa bb"), Segment("bb", Style(bold=True)), Segment("b c")], 6)) == [
        "aaaa", "  bbbbb", "  c",
    ]  # fmt: skip


@given(st.lists(st.text("ab →", max_size=12), max_size=6), st.integers(4, 30))
def test_no_word_is_lost_and_only_a_long_word_makes_a_row_too_long(parts: list[str], width: int) -> None:
    row = [Segment(part) for part in parts]
    rows = wrap(row, width)
    assert "".join("".join(texts(rows)).split()) == "".join("".join(parts).split())
    longest = max((len(word) for word in "".join(parts).replace("→ ", "→_").split()), default=0)
    indent = 2
    assert all(width_of(line) <= max(width, longest + indent) for line in rows)


def test_what_is_laid_over_a_row_keeps_its_colours() -> None:
    row = lit([Segment("a", Style(color="red")), Segment(" ")], CHIP)
    assert [style.bgcolor for _, style, _ in row if style] == [CHIP.bgcolor] * 2
    assert row[0].style is not None and row[0].style.color is not None and row[0].style.color.name == "red"


@pytest.mark.parametrize(("width", "shown"), [(20, "blocks.0.mlp.weight"), (11, "…mlp.weight"), (1, "…"), (0, "")])
def test_a_path_keeps_its_end(width: int, shown: str) -> None:
    assert shortened("blocks.0.mlp.weight", width) == shown


def test_an_expression_keeps_its_beginning() -> None:
    assert shortened("self.mlp(self.norm2(x))", 12) == "self.mlp(se…"
