"""A framed page over the middle of a picture."""

from __future__ import annotations

from dataclasses import dataclass

from rich.segment import Segment

from backstep.view.rows import Row, fit, width_of
from backstep.view.theme import Theme


@dataclass(frozen=True, slots=True)
class Overlay:
    """A page that has a name."""

    name: str
    rows: tuple[Row, ...]


def over(rows: list[Row], overlay: Overlay, width: int, height: int, theme: Theme) -> list[Row]:
    """The picture with the page on it; what does not fit is cropped."""
    inner = min(width - 4, max([width_of(row) for row in overlay.rows] + [len(overlay.name) + 4]))
    tall = min(height - 2, len(overlay.rows))
    if inner < 1 or tall < 1:
        return rows
    left, top = (width - inner - 4) // 2, (height - tall - 2) // 2
    result = list(rows)
    for y, row in enumerate(framed(overlay, inner, tall, theme), top):
        result[y] = [*cut(rows[y], 0, left), *row, *cut(rows[y], left + inner + 4, width)]
    return result


def framed(overlay: Overlay, inner: int, tall: int, theme: Theme) -> list[Row]:
    """The page between its borders."""
    frame = theme.rule + theme.selected
    name = fit([Segment(f" {overlay.name} ", theme.selected + theme.title)], min(inner, len(overlay.name) + 2))
    top: Row = [Segment("┌─", frame), *name, Segment("─" * (inner + 1 - width_of(name)) + "┐", frame)]
    body = [
        [Segment("│ ", frame), *fit(lit(row, theme), inner, theme.selected), Segment(" │", frame)]
        for row in overlay.rows[:tall]
    ]
    return [top, *body, [Segment(f"└{'─' * (inner + 2)}┘", frame)]]


def lit(row: Row, theme: Theme) -> Row:
    """The row on the page's ground."""
    return [Segment(s.text, theme.selected + s.style if s.style else theme.selected) for s in row]


def cut(row: Row, start: int, end: int) -> Row:
    """The cells of a row from `start` to `end`."""
    if end <= start:
        return []
    pieces = list(Segment.divide(row, [start, end] if start else [end]))
    return list(pieces[1] if start else pieces[0])
