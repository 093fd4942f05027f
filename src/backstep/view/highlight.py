"""Source text as rows: coloured once a file, tabs expanded, harmless. Lines are counted as Python counts them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from rich.syntax import Syntax

from backstep.view.rows import Row, safe

TAB = 4
LARGEST = 300_000
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


def _styled(code: str, theme: str) -> list[Row] | None:
    """The tokens of a file, line by line; backgrounds and bold are the pane's, which marks with them what runs."""
    lexer = Syntax("", "python").lexer
    if lexer is None:
        return None
    style_of = Syntax.get_theme(theme).get_style_for_token
    plain: dict[object, Style] = {}
    rows: list[Row] = [[]]
    for token, text in lexer.get_tokens(code):
        style = plain.get(token)
        if style is None:
            own = style_of(token)
            style = plain[token] = Style(color=own.color, italic=own.italic)
        first, *others = text.split("\n")
        if first:
            rows[-1].append(Segment(first, style))
        rows += [[Segment(line, style)] if line else [] for line in others]
    # The lexer ends every file with a line end of its own.
    return rows[:-1] if not code.endswith("\n") and not rows[-1] else rows
