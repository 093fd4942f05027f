"""The last row: the keys that work now. `? help` and `q quit` stay at its end whatever the width."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment

from backstep.view.rows import Row, fit, join, safe, width_of
from backstep.view.theme import Theme

Hint = tuple[str, str]
LASTING = ("?", "q")


def build(hints: Sequence[Hint], width: int, height: int, theme: Theme) -> list[Row]:
    """As many hints as there is room for, in their order."""
    right: Row = []
    for hint in hints:
        if hint[0] in LASTING:
            right += _hint(hint, theme)
    left: Row = []
    for hint in hints:
        piece = _hint(hint, theme)
        if hint[0] in LASTING:
            continue
        if 1 + width_of(left) + width_of(piece) + width_of(right) > width:
            break
        left += piece
    row = join([Segment(" ", theme.bar), *left], right, width, theme.bar)
    return [fit(row, width, theme.bar)][:height]


def _hint(hint: Hint, theme: Theme) -> Row:
    keys, word = hint
    return [Segment(safe(keys), theme.bar + theme.key), Segment(f" {safe(word)}  ", theme.bar)]
