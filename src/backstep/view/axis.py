"""The line under a curve: ticks with numbers, as many as there is room for."""

from __future__ import annotations

from collections.abc import Iterable


def stride(count: int, room: int, widest: int) -> int:
    """Every how many of `count` things there is a tick in `room` cells, `widest` characters each: 1, 2, 5, 10, ..."""
    stride, steps = 1, (2.0, 2.5, 2.0)
    turn = 0
    while count // stride * (widest + 3) > room:
        stride = int(stride * steps[turn % 3])
        turn += 1
    return stride


def ticked(room: int, ticks: Iterable[tuple[int, str]]) -> list[str]:
    """The line as characters, with the ticks (column, text) that do not touch the one before."""
    line = ["─"] * room
    free = 0
    for column, text in ticks:
        text = f"┴{text}"
        if free <= column <= room - len(text):
            line[column : column + len(text)] = text
            free = column + len(text) + 1
    return line
