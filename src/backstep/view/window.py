"""Which part of a list longer than its pane is shown: a function of the current row, so that the screen at a
position is the same whichever way it was reached."""

from __future__ import annotations


def top_of_window(current: int, total: int, height: int) -> int:
    """The first row shown. It moves by half a page at a time: steps in between do not scroll."""
    if total <= height or height <= 0:
        return 0
    half = max(1, height // 2)
    top = (current - height // 4) // half * half
    return max(0, min(top, total - height, current))


def thumb(top: int, total: int, height: int) -> range:
    """The rows of a pane that its scroll bar's thumb covers; none when everything is shown."""
    if total <= height or height <= 0:
        return range(0)
    size = max(1, height * height // total)
    start = round(top / (total - height) * (height - size))
    return range(start, start + size)
