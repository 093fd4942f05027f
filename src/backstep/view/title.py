"""The rule above a pane, with the digit that focuses it, its name, and what it shows now."""

from __future__ import annotations

from rich.cells import cell_len
from rich.segment import Segment

from backstep.view.rows import Row, fit, safe
from backstep.view.theme import Theme


def title_row(digit: int, name: str, note: str, width: int, theme: Theme) -> Row:
    """`─1 Source ols.py:14─────`"""
    note = f" {safe(note)}" if note else ""
    row = [
        Segment("─", theme.rule),
        Segment(str(digit), theme.key),
        Segment(f" {name}", theme.title),
        Segment(note, theme.dim),
        Segment("─" * max(0, width - cell_len(name + note) - 3), theme.rule),
    ]
    return fit(row, width)
