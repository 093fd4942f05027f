"""Rows of styled segments: what every pane builds, and what text, SVG and the screen are made from.

Text from a trace is untrusted: `safe` makes escapes, controls and bidi marks visible instead of acting on them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style

Row = list[Segment]

HARMFUL = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


LONGEST = 1 << 14
"""Characters of one text that are shown: more than the largest screen has cells."""


@lru_cache(4096)
def safe(text: str) -> str:
    """`text` without anything that moves a cursor or turns the writing round; a tab or line end becomes a space."""
    if len(text) > LONGEST:
        text = text[: LONGEST - 1] + "…"
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


def lit(row: Row, background: Style) -> Row:
    """The row with something laid over all of it: the mark of where one is."""
    return [Segment(text, (own or Style.null()) + background) for text, own, _ in row]


def tagged(row: Row, **what: int | str) -> Row:
    """The row after a note of no width that says what lies there, for who points at it: see `tag_at`."""
    return [Segment("", Style.from_meta(what)), *row]


def tag_at(row: Row, left: int, x: int) -> dict[str, int | str]:
    """What lies at cell `x` of a row: the newest note between the cells `left` and `x`."""
    found: dict[str, int | str] = {}
    at = 0
    for text, style, _ in row:
        if at > x:
            break
        if at >= left and style is not None and style.meta:
            found = style.meta
        at += cell_len(text)
    return found


def is_path(name: str) -> bool:
    """Whether a name is one like `blocks.0.mlp.weight`, not an expression."""
    return not any(character in name for character in " ([")


def shortened(name: str, width: int) -> str:
    """A path says most at its end, `…mlp.weight`; an expression at its beginning."""
    if cell_len(name) <= width:
        return name
    if not is_path(name):
        return set_cell_size(name, width - 1) + "…" if width > 0 else ""
    name = name[-4 * max(width, 1) :]  # of an endless one no more is looked at
    while name and cell_len(name) > width - 1:
        name = name[1:]
    return f"…{name}" if width > 0 else ""


def wrap(row: Row, width: int, indent: int = 2) -> list[Row]:
    """The row over as many rows as it needs, broken at blanks; what has a background stays in one piece."""
    if width_of(row) <= width:
        return [row]
    rows: list[Row] = [[]]
    used = 0
    for word in _words(row):
        if used and unpadded(word) and used + unpadded(word) > width:
            rows.append([Segment(" " * indent)] if indent else [])
            used = indent
        if used + width_of(word) > width:
            word = _stripped(word)
        rows[-1] += word
        used += width_of(word)
    return rows


def unbroken(row: Row) -> int:
    """Cells of the longest piece that `wrap` does not break."""
    return max((unpadded(word) for word in _words(row)), default=0)


def unpadded(word: Row) -> int:
    """Cells without the blanks at the end, unless these can be seen."""
    return width_of(_stripped(word))


def _stripped(word: Row) -> Row:
    *before, last = word
    return word if _is_chip(last) else [*before, Segment(last.text.rstrip(), last.style)]


def _words(row: Row) -> Iterator[Row]:
    """What is not broken: a word, which may change its style within, with the blanks after it; or a chip."""
    word: Row = []
    for piece in _pieces(row):
        if word and (word[-1].text[-1] == " " or piece.text[0] == " " or _is_chip(piece) or _is_chip(word[-1])):
            yield word
            word = []
        word.append(piece)
    if word:
        yield word


def _pieces(row: Row) -> Iterator[Segment]:
    """Words with the blanks after them, and chips; an arrow stays with what it points at."""
    for segment in row:
        if segment.text and _is_chip(segment):
            yield segment
        else:
            yield from (Segment(word, segment.style) for word in re.findall(r"(?:→ )?\S+\s*|\s+", segment.text))


def _is_chip(segment: Segment) -> bool:
    return segment.style is not None and segment.style.bgcolor is not None


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
