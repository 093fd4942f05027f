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
RULE = "small letter: forward in time   CAPITAL: the same back"
SIGNS = ("▶ forward  ◀ backward  ⊕ into .grad", "Δ update  ∅ zeroing  ▷ pass  ✗ error")


def help_page(sections: Sequence[Section], width: int, height: int, top: int, theme: Theme) -> Overlay:
    """The page from row `top` on."""
    listed = [_section(section, theme) for section in sections]
    if width - 6 >= 2 * COLUMN + BETWEEN:
        rows, signs = _in_two(listed), ["  ".join(SIGNS)]
    else:
        rows, signs = [row for section in listed for row in section], list(SIGNS)
    rows = [[Segment(RULE, theme.strong)], *rows, *([Segment(text, theme.dim)] for text in signs)]
    room = height - 2
    top = max(0, min(top, len(rows) - room))
    more = f", ↓ {len(rows) - room - top} more" if top + room < len(rows) else ""
    return Overlay(f"keys: ? or Esc closes{more}", tuple(rows[top:]))


def _section(section: Section, theme: Theme) -> list[Row]:
    rows: list[Row] = [[Segment(section.name.upper(), theme.forward)]]
    for group in section.groups:
        keys = group.hint if len(group.keys) > 3 else " ".join(key.shown for key in group.keys)
        rows.append([Segment(f"{keys:<{KEYS_WIDTH - 1}} ", theme.key), Segment(group.help, theme.text)])
    return rows


def _in_two(listed: Sequence[list[Row]]) -> list[Row]:
    """The sections in two columns of about one height."""
    heights = [len(rows) for rows in listed]
    cut = min(range(1, len(listed) + 1), key=lambda at: (max(sum(heights[:at]), sum(heights[at:])), at))
    left = [row for rows in listed[:cut] for row in rows]
    right = [row for rows in listed[cut:] for row in rows]
    left += [[] for _ in range(len(right) - len(left))]
    right += [[] for _ in range(len(left) - len(right))]
    return [[*fit(a, COLUMN + BETWEEN), *fit(b, COLUMN)] for a, b in zip(left, right, strict=True)]
