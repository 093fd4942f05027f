"""The help page: all keys as they are now, in two columns where there is room, scrolled where there is not."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment

from backstep.tui.keys import Section
from backstep.tui.overlay import Overlay
from backstep.view.rows import Row, fit
from backstep.view.theme import Theme

KEYS_WIDTH, TEXT_WIDTH = 10, 26
COLUMN = KEYS_WIDTH + TEXT_WIDTH
BETWEEN = 2
MOST_COLUMNS = 3
NAME = "keys: small letter forward, CAPITAL the same back"
SIGNS = "▶ forward  ◀ backward  ⊕ into .grad  Δ update  ∅ zeroing  ▷ pass  ✗ error"


def help_page(sections: Sequence[Section], width: int, height: int, top: int, theme: Theme) -> Overlay:
    """The page from row `top` on, in as many columns as it takes to be one page, if there is room for them."""
    listed = [row for section in sections for row in _section(section, theme)]
    room = height - 2
    fitting = max(1, min(MOST_COLUMNS, (width - 4 + BETWEEN) // (COLUMN + BETWEEN)))
    rows = next((rows for count in range(1, fitting) if len(rows := _columns(listed, count)) <= room), None)
    rows = rows or _columns(listed, fitting)
    if len(rows) + 2 <= room:
        rows = [*rows, [], [Segment(SIGNS, theme.dim)]]
    top = max(0, min(top, len(rows) - room))
    more = f", ↓ {len(rows) - room - top} more" if top + room < len(rows) else ""
    return Overlay(NAME + more, tuple(rows[top:]))


def _section(section: Section, theme: Theme) -> list[Row]:
    rows: list[Row] = [[Segment(section.name.upper(), theme.forward)]]
    for group in section.groups:
        keys = group.hint if len(group.keys) > 3 else " ".join(key.shown for key in group.keys)
        rows.append([Segment(f"{keys:<{KEYS_WIDTH - 1}} ", theme.key), Segment(group.help, theme.text)])
    return rows


def _columns(listed: Sequence[Row], count: int) -> list[Row]:
    """The rows in so many columns of about one height; no heading is the last of its column."""
    tall = -(-len(listed) // count)
    columns: list[list[Row]] = [[]]
    for row in listed:
        heading = len(row) == 1
        full = len(columns[-1]) + heading >= tall and len(columns) < count
        if full and columns[-1]:
            columns.append([])
        columns[-1].append(row)
    return [
        [segment for column in columns for segment in fit(column[y] if y < len(column) else [], COLUMN + BETWEEN)]
        for y in range(max(map(len, columns)))
    ]
