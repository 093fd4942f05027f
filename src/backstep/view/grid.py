"""A matrix as numbers: the part of it around one cell, with the cells that are looked at lit."""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style

from backstep.trace.event import Array
from backstep.view.numbers import number
from backstep.view.rows import Row
from backstep.view.theme import Theme
from backstep.view.window import top_of_window

CELL = 10
"""Cells of the screen for one number and the blank after it."""
HEAD = 5
"""Cells of the numbers of the rows."""


def grid(
    matrix: Array, focus: tuple[int, int], lit: frozenset[tuple[int, int]], width: int, height: int, theme: Theme
) -> list[Row]:
    """At most `height` rows of numbers, the row of the columns' numbers included; `focus` is always among them."""
    rows, columns = matrix.shape
    wide = max(1, min(columns, (width - HEAD) // CELL))
    tall = max(1, min(rows, height - 1))
    top, left = top_of_window(focus[0], rows, tall), top_of_window(focus[1], columns, wide)
    head: Row = [Segment(" " * HEAD), *(Segment(f"{x:>{CELL - 1}} ", theme.dim) for x in range(left, left + wide))]
    drawn = [head]
    for y in range(top, top + tall):
        row: Row = [Segment(f"{y:>{HEAD - 1}} ", theme.dim)]
        for x in range(left, left + wide):
            style = cell_style((y, x), focus, lit, theme)
            row.append(Segment(f"{number(float(matrix[y, x])):>{CELL - 1}}", style))
            row.append(Segment(" "))
        drawn.append(row)
    return drawn


def cell_style(cell: tuple[int, int], focus: tuple[int, int], lit: frozenset[tuple[int, int]], theme: Theme) -> Style:
    if cell in lit:
        return theme.chip("backward")
    return theme.text if cell == focus else theme.dim
