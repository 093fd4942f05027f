"""A tensor as a picture: half blocks, two values a cell, purple below zero and green above; NaN is never lost."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from rich.segment import Segment
from rich.style import Style

from backstep.trace.event import Array
from backstep.view.rows import Row
from backstep.view.theme import Theme

RGB = tuple[int, int, int]
Colours = tuple[RGB, RGB, RGB]
"""Negative, neutral, positive."""


LEVELS = 12
"""Colours of a heat map on either side of the neutral one."""
DIGIT, STRONG = 3, 6
"""Cells of a digit with its sign and a blank; from which digit on it is bold."""


def heatmap(array: Array, width: int, height: int, theme: Theme) -> list[Row]:
    """The array, folded to two dimensions and pooled to the room: at most `height` rows of at most `width` cells.

    A narrow one is drawn at twice its width.
    """
    matrix = folded(array)
    if not matrix.size or width < 1 or height < 1:
        return []
    if theme.digits:
        return digits(matrix, width, height, theme)
    pooled, bad = pool(matrix, 2 * height, width)
    top = float(np.max(np.abs(pooled), initial=0.0)) or 1.0
    levels = np.rint(pooled / top * LEVELS).astype(int)
    scale = 2 if 2 * levels.shape[1] <= width else 1
    colours = (theme.negative, theme.neutral, theme.positive)
    rows: list[Row] = []
    for y in range(0, len(levels), 2):
        lower = y + 1 if y + 1 < len(levels) else None
        rows.append([cell(levels, bad, y, lower, x, scale, colours) for x in range(levels.shape[1])])
    return rows


def digits(matrix: Array, width: int, height: int, theme: Theme) -> list[Row]:
    """Sign and digit in three cells, from 0 to 9 of the greatest; `.` for what is next to nothing, `!!` for NaN."""
    pooled, bad = pool(matrix, height, max(1, width // DIGIT))
    top = float(np.max(np.abs(pooled), initial=0.0)) or 1.0
    levels = np.rint(pooled / top * 9).astype(int)
    rows: list[Row] = []
    for numbers, wrong in zip(levels.tolist(), bad.tolist(), strict=True):
        row: Row = []
        for level, is_bad in zip(numbers, wrong, strict=True):
            text = "!!" if is_bad else f"{level:+d}" if level else " ."
            style = theme.error if is_bad else theme.strong if abs(level) >= STRONG else theme.text
            row += [Segment(text, style), Segment(" ")]
        rows.append(row)
    return rows


def marked(rows: list[Row], shape: tuple[int, int], at: tuple[int, int], theme: Theme) -> list[Row]:
    """A picture of a matrix of that shape with a mark on the block that holds the number at a place."""
    step = 2 if theme.digits else 1
    tall = len(rows) if theme.digits else min(shape[0], 2 * len(rows))
    y = block_of(at[0], shape[0], tall) // (1 if theme.digits else 2)
    x = step * block_of(at[1], shape[1], len(rows[0]) // step)
    text, style, _ = rows[y][x]
    ground = Style(bgcolor=style.color) if style is not None and not theme.digits and text[0] == "▀" else style
    sign = text if theme.digits or text[0] != "▀" else "◆".ljust(len(text))
    here = theme.key + ground if ground is not None else theme.key
    row = [*rows[y][:x], Segment(sign, here + Style(reverse=True) if sign == text else here), *rows[y][x + 1 :]]
    return [*rows[:y], row, *rows[y + 1 :]]


def block_of(index: int, size: int, blocks: int) -> int:
    """Which of so many blocks, as `pool` makes them, holds a row or a column."""
    return index if size <= blocks else int(np.searchsorted(np.arange(blocks) * size // blocks, index, "right")) - 1


def folded(array: Array) -> Array:
    """Two dimensions: all but the last are one; complex numbers by their magnitude."""
    array = np.abs(array) if np.iscomplexobj(array) else array
    array = array.astype(np.float64)
    return array.reshape(1, -1) if array.ndim < 2 else array.reshape(-1, array.shape[-1])


def pool(matrix: Array, rows: int, columns: int) -> tuple[Array, Array]:
    """Means over blocks, and which blocks hold a NaN or an infinity."""
    bad = ~np.isfinite(matrix)
    matrix = np.where(bad, 0.0, matrix)
    for axis, room in ((0, rows), (1, columns)):
        size = matrix.shape[axis]
        if size > room:
            edges = np.arange(room) * size // room
            widths = np.diff([*edges, size])
            shape = (-1, 1) if axis == 0 else (1, -1)
            matrix = np.add.reduceat(matrix, edges, axis) / widths.reshape(shape)
            bad = np.logical_or.reduceat(bad, edges, axis)
    return matrix, bad


def cell(levels: Array, bad: Array, upper: int, lower: int | None, x: int, scale: int, colours: Colours) -> Segment:
    """Two numbers, one above the other; an `x` where one of them is no number."""
    if bad[upper, x] or (lower is not None and bad[lower, x]):
        return Segment("x" * scale, BAD)
    below = None if lower is None else int(levels[lower, x])
    return Segment("▀" * scale, shade(int(levels[upper, x]), below, colours))


BAD = Style(color="#ffffff", bgcolor="#d03030", bold=True)


@lru_cache(4096)
def shade(upper: int, lower: int | None, colours: Colours) -> Style:
    """The upper half in the colour of the letter, the lower half in that of the background."""
    return Style(color=color(upper, colours), bgcolor=None if lower is None else color(lower, colours))


def color(level: int, colours: Colours) -> str:
    """A colour between the neutral one and one of the two ends; `level` from -LEVELS to LEVELS."""
    negative, neutral, positive = colours
    end = positive if level > 0 else negative
    part = min(1.0, abs(level) / LEVELS)
    mixed = (round(a + (b - a) * part) for a, b in zip(neutral, end, strict=True))
    return "#" + "".join(f"{channel:02x}" for channel in mixed)
