"""Curves of braille dots: two columns and four rows of dots a cell."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

LEFT = (0, 0x40, 0x44, 0x46, 0x47)
RIGHT = (0, 0x80, 0xA0, 0xB0, 0xB8)
"""A column of dots filled from below, by its height in dots."""

Heights = npt.NDArray[np.float64]


def filled(heights: Heights, rows: int) -> list[str]:
    """The area under a curve, from the top row down. `heights` from 0 to 1, two to a cell; NaN draws nothing."""
    known = np.isfinite(heights)
    scaled = np.round(1 + np.clip(np.where(known, heights, 0), 0, 1) * (4 * rows - 1))
    dots = np.where(known, scaled, 0).astype(int)
    lines = []
    for row in reversed(range(rows)):
        inside = np.clip(dots - 4 * row, 0, 4).tolist()
        lines.append("".join(chr(0x2800 | LEFT[a] | RIGHT[b]) for a, b in zip(inside[::2], inside[1::2], strict=True)))
    return lines
