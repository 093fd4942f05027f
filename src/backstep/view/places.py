"""The three places of the chain rule, what arrives, what it meets and what leaves: columns as wide as they need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.segment import Segment
from rich.style import Style

from backstep.view.rows import Row, fit, unbroken, width_of, wrap

SIGN = 3
"""Cells of a sign between two places, the blank after it included."""
NARROWEST, WIDEST = 18, 40
"""Cells of a column where a third of the width would be less, or more."""


@dataclass(frozen=True, slots=True)
class Places:
    """A row in three places; the signs stand before the second and the third."""

    cells: tuple[Row, Row, Row]
    signs: tuple[str, str] = ("", "")


Line = Places | Row
"""What is not in places takes the whole width."""


def placed(lines: Sequence[Line], width: int, style: Style) -> list[Row]:
    """The lines under one another, in the same columns; a cell that is too long goes on below itself."""
    widths = widths_of(lines, width)
    rows: list[Row] = []
    for line in lines:
        rows += _drawn(line, widths, style) if isinstance(line, Places) else [line]
    return rows


def fits(lines: Sequence[Line], width: int) -> bool:
    """Whether every cell fits in one row."""
    return sum(_needs(lines)) <= width


def widths_of(lines: Sequence[Line], width: int) -> tuple[int, int, int]:
    """A third each if that will do; else what the cells need; the last goes on below itself before others are cut."""
    first, second, last = _needs(lines)
    third = max(NARROWEST, min(WIDEST, width // 3))
    if max(first, second) <= third and last <= width - 2 * third:
        return third, third, width - 2 * third
    spare = width - first - second - last
    if spare >= 0:
        return first + spare // 3, second + spare // 3, last + spare - 2 * (spare // 3)
    least = max((unbroken(line.cells[2]) for line in lines if isinstance(line, Places)), default=0)
    if first + second + least > width:
        first = max(1, min(first, third))
        second = max(1, min(second, max(third, width - first - least)))
    return first, second, max(1, width - first - second)


def _needs(lines: Sequence[Line]) -> tuple[int, int, int]:
    """Cells of each column, with the blank or the sign after it."""
    table = [line for line in lines if isinstance(line, Places)]
    needs = [max((width_of(line.cells[at]) for line in table), default=0) for at in range(3)]
    gaps = [max((SIGN + 1 if line.signs[at] else 1 for line in table), default=0) for at in range(2)]
    return needs[0] + gaps[0], needs[1] + gaps[1], needs[2]


def _drawn(line: Places, widths: tuple[int, int, int], style: Style) -> list[Row]:
    gaps = [SIGN if sign else 1 for sign in line.signs]
    rooms = (max(1, widths[0] - gaps[0]), max(1, widths[1] - gaps[1]), widths[2])
    columns = [wrap(cell, room, 1) for cell, room in zip(line.cells, rooms, strict=True)]
    rows: list[Row] = []
    for y in range(max(map(len, columns))):
        row: Row = []
        for at, column in enumerate(columns):
            cell = column[y] if y < len(column) else []
            row += fit(cell, rooms[at]) if at < 2 or width_of(cell) > rooms[at] else cell
            if at < 2:
                sign = line.signs[at] if not y else ""
                row.append(Segment(f" {sign} " if sign else " " * gaps[at], style))
        rows.append(row)
    return rows
