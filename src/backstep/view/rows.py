"""Rows of styled segments: what every pane builds, and what text, SVG and the screen are made from.

Text from a trace is untrusted: `safe` makes escapes, controls and bidi marks visible instead of acting on them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style

Row = list[Segment]

HARMFUL = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


@lru_cache(4096)
def safe(text: str) -> str:
    """`text` without anything that moves a cursor or turns the writing round; a tab or line end becomes a space."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(replaced(character) for character in text)


def replaced(character: str) -> str:
    if character in "\t\n\r":
        return " "
    return "\N{REPLACEMENT CHARACTER}" if unicodedata.category(character) in HARMFUL else character


def width_of(row: Row) -> int:
    """Cells of a row."""
    return sum(cell_len(segment.text) for segment in row)


def fit(row: Row, width: int, fill: Style | None = None) -> Row:
    """The row in exactly `width` cells: cropped with `…` or padded."""
    used = width_of(row)
    if used == width:
        return row
    if used < width:
        return [*row, Segment(" " * (width - used), fill)]
    kept: Row = []
    room = width - 1
    for segment in row:
        size = cell_len(segment.text)
        if size > room:
            kept.append(Segment(set_cell_size(segment.text, max(0, room)), segment.style))
            kept.append(Segment("…", segment.style))
            break
        kept.append(segment)
        room -= size
    else:
        kept.append(Segment("…", fill))
    return kept if width > 0 else []


def fill_rows(rows: list[Row], width: int, height: int, fill: Style | None = None) -> list[Row]:
    """Exactly `height` rows of exactly `width` cells."""
    fitted = [fit(row, width, fill) for row in rows[:height]]
    return fitted + [[Segment(" " * width, fill)] for _ in range(height - len(fitted))]


def join(left: Row, right: Row, width: int, fill: Style | None = None) -> Row:
    """`left` and `right` at the two ends of a row; the left one gives way."""
    room = max(0, width - width_of(right))
    return fit([*fit(left, room, fill), *right], width, fill)


def text_of(rows: Iterable[Row]) -> str:
    """The rows as plain text, without blanks at their ends."""
    return "\n".join("".join(segment.text for segment in row).rstrip() for row in rows)
