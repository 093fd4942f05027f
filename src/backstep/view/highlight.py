"""Source text as rows: coloured once a file, tabs expanded, harmless. Lines are counted as Python counts them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from rich.syntax import Syntax
from rich.text import Text

from backstep.view.rows import Row, safe

TAB = 4
LARGEST = 400_000
"""A longer file is shown without colours: lexing it would take a second."""
LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Line:
    """A line in its colours, and its text."""

    row: Row
    text: str
    raw: str

    @property
    def width(self) -> int:
        return cell_len(self.text)

    def column(self, raw_column: int) -> int:
        """Where a column of the file lies in the text with its tabs expanded."""
        return len(self.raw[:raw_column].expandtabs(TAB))


@lru_cache(16)
def lines_of(source: str, theme: str) -> tuple[Line, ...]:
    """The lines of a file; the first one is at index 0."""
    raw = LINE_END.split(source)
    shown = [safe(line.expandtabs(TAB)) for line in raw]
    styled = _styled("\n".join(shown), theme) if len(source) <= LARGEST else None
    if styled is None or len(styled) != len(shown):
        styled = [[Segment(line)] for line in shown]
    return tuple(Line(row, text, line) for row, text, line in zip(styled, shown, raw, strict=True))


def _styled(code: str, theme: str) -> list[Row]:
    text = Syntax("", "python", theme=theme).highlight(code)
    if text.plain.endswith("\n") and not code.endswith("\n"):
        text.right_crop(1)
    return [_segments(line) for line in text.split("\n", allow_blank=True)]


def _segments(line: Text) -> Row:
    """A line of Rich text as segments; backgrounds and bold are the pane's, which marks with them what runs."""
    styles: list[Style] = [Style.null()] * len(line.plain)
    for start, end, style in line.spans:
        own = style if isinstance(style, Style) else Style.parse(style)
        for index in range(start, min(end, len(styles))):
            styles[index] = styles[index] + Style(color=own.color, italic=own.italic)
    row: Row = []
    for character, own in zip(line.plain, styles, strict=True):
        if row and row[-1].style == own:
            row[-1] = Segment(row[-1].text + character, own)
        else:
            row.append(Segment(character, own))
    return row
