"""Arrays as small pictures in half blocks: purple is negative, green positive, the background is zero."""

from __future__ import annotations

import functools
import math
import warnings

import numpy as np
from rich.color import Color
from rich.segment import Segment
from rich.style import Style

from backstep.trace.event import Array, Local, Value
from backstep.trace.trace import Trace
from backstep.view.memo import per_trace
from backstep.view.rows import Row
from backstep.view.theme import Theme

LEVELS = 24
BAD = 127


def matrix_of(array: Array, output_dims: int | None = None) -> Array:
    """Two dims: all but the last are folded into rows; a Jacobian is outputs by inputs."""
    if np.iscomplexobj(array):
        array = np.abs(array)
    if output_dims is not None:
        rows = math.prod(array.shape[:output_dims])
        return array.reshape(rows, -1) if array.size else array.reshape(0, 0)
    if array.ndim <= 1:
        return array.reshape(1, -1)
    return array.reshape(-1, array.shape[-1]) if array.size else array.reshape(0, 0)


def pooled(matrix: Array, rows: int, columns: int) -> Array:
    """Means over blocks, at most `rows` by `columns`; one number that is not finite marks its block as NaN."""
    rows, columns = min(rows, matrix.shape[0]), min(columns, matrix.shape[1])
    if not rows or not columns:
        return np.zeros((0, 0))
    down = np.linspace(0, matrix.shape[0], rows, endpoint=False).astype(int)
    across = np.linspace(0, matrix.shape[1], columns, endpoint=False).astype(int)
    numbers = np.where(np.isfinite(matrix), matrix, np.nan).astype(np.float64)
    sums = np.add.reduceat(np.add.reduceat(numbers, down, 0), across, 1)
    heights = np.diff(np.append(down, matrix.shape[0]))
    widths = np.diff(np.append(across, matrix.shape[1]))
    means: Array = sums / np.outer(heights, widths)
    return means


def levels(matrix: Array) -> Array:
    """Whole numbers from -LEVELS to LEVELS, on a scale of this picture's own; `BAD` for what is not finite."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        top = float(np.nanmax(np.abs(matrix))) if matrix.size else 0.0
    if not top > 0:
        return np.where(np.isnan(matrix), BAD, 0).astype(int)
    scaled = np.sign(matrix) * np.sqrt(np.abs(matrix) / top) * LEVELS
    return np.where(np.isnan(scaled), BAD, np.round(np.nan_to_num(scaled))).astype(int)


@per_trace(512)
def picture(trace: Trace, thing: Value | Local, output_dims: int | None, rows: int, columns: int) -> Array | None:
    """The levels of a value or local gradient; None when its numbers were not kept."""
    array = thing.array
    if array is None:
        return None
    folded = output_dims if isinstance(thing, Local) and thing.form == "jacobian" else None
    return levels(pooled(matrix_of(array, folded), rows, columns))


def heat_rows(grid: Array, columns: int, theme: Theme) -> list[Row]:
    """The picture, two rows of numbers in one of cells; small ones are drawn wider."""
    scale = max(1, min(2, columns // max(1, grid.shape[1])))
    if grid.shape[0] % 2 and grid.shape[0] > 1:
        grid = np.vstack([grid, np.zeros((1, grid.shape[1]), int)])
    if grid.shape[0] == 1:
        grid = np.vstack([grid, grid])
    return [heat_row(top, bottom, scale, theme) for top, bottom in zip(grid[::2], grid[1::2], strict=True)]


def heat_row(top: Array, bottom: Array, scale: int, theme: Theme) -> Row:
    return [cell(a, b, scale, theme) for a, b in zip(top.tolist(), bottom.tolist(), strict=True)]


@functools.lru_cache(8192)
def cell(top: int, bottom: int, scale: int, theme: Theme) -> Segment:
    """Two numbers, one above the other; `x` on red when one of them is not a number."""
    if BAD in (top, bottom):
        return Segment("x" * scale, Style(color="#ffffff", bgcolor=theme.error.color, bold=True))
    return Segment("▀" * scale, Style(color=colour(top, theme), bgcolor=colour(bottom, theme)))


def colour(level: int, theme: Theme) -> Color:
    """From the neutral colour towards one of the two ends."""
    end = theme.negative if level < 0 else theme.positive
    part = abs(level) / LEVELS
    red, green, blue = (round(a + (b - a) * part) for a, b in zip(theme.neutral, end, strict=True))
    return Color.from_rgb(red, green, blue)
