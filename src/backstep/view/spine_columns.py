"""How wide the columns of a spine are: names first, then values and gradients, then their histograms."""

from __future__ import annotations

from dataclasses import dataclass

from rich.cells import cell_len

from backstep.trace.memo import per_trace
from backstep.trace.trace import Trace
from backstep.view.brief import BINS
from backstep.view.numbers import shape_text
from backstep.view.rows import safe
from backstep.view.spine import Spine, SpineRow, spine_of

ARROW = " → "
NARROW, ALONE = 56, 34
"""Cells of a pane in which no histogram has room, and in which only one of the two numbers has."""
NUMBER, LISTED = 9, 12
"""Cells of a number and of a few of them, with the blank after it; a shape may need more."""
GRAD, GRAD_TIGHT = 15, 13
"""Cells of a gradient: its sign, its norm and its count; where room is tight, the count instead of the sign."""
SPREAD = BINS + 1
"""Cells of a histogram and the blank beside it."""
LONGEST_SHAPE = 14
NAME, NAMES, LONGEST_NAME = 16, 36, 44
"""Cells of the names: at the least, before histograms get room, at the most."""


@dataclass(frozen=True, slots=True)
class Needs:
    """Cells that the names and the shapes of a spine take."""

    name: int
    shape: int


@dataclass(frozen=True, slots=True)
class Widths:
    """Cells of the three columns, and where in the last two the histogram starts: 0 where there is no room for one."""

    name: int
    value: int
    grad: int
    value_spread: int = 0
    grad_spread: int = 0
    tight: bool = False
    """The names have less than they need, even without histograms."""


def widths(width: int, needs: Needs, backward: bool = False) -> Widths:
    """How a pane's width is shared out: first the names, then the values' histograms, then those of the gradients.

    Where not even both numbers have room, those of the pass that runs, `backward` or not, have all of it.
    """
    if width < ALONE:
        column = min(GRAD_TIGHT, width // 2)
        return Widths(width - column, 0 if backward else column, column if backward else 0, tight=True)
    shape_ = needs.shape + 1
    if width < NARROW:
        spare = width - needs.name - GRAD
        value = min(max(NUMBER, shape_, min(spare, LISTED)), width // 3)
        grad = min(GRAD if spare >= value else GRAD_TIGHT, width * 3 // 8)
        return Widths(width - value - grad, value, grad, tight=spare < value)
    plain, start = max(NUMBER, shape_), max(NUMBER - 1, shape_)
    for value, more in ((start + SPREAD, SPREAD), (start + SPREAD, 0), (plain, 0)):
        name = width - value - GRAD - more
        if name >= min(needs.name, NAMES):
            break
    name = min(max(NAME, name), LONGEST_NAME)
    return Widths(name, value, width - name - value, start if value > plain else 0, GRAD if more else 0)


@per_trace(24)
def needs_of(trace: Trace, first: int, last: int, lanes: int) -> Needs:
    """What the rows of a spine need: of all of them, so that the columns stand still while one steps."""
    spine = spine_of(trace, first, last, lanes)
    names = [_name_width(trace, spine, row) for row in spine.rows]
    shapes = [len(shape_text(trace.metas[row.meta].shape)) for row in spine.rows if row.meta >= 0]
    return Needs(max(names, default=0), min(LONGEST_SHAPE, max(shapes, default=0)))


def _name_width(trace: Trace, spine: Spine, row: SpineRow) -> int:
    name = cell_len(safe(trace.name(row.tensor, row.name))) if row.tensor >= 0 else 0
    if not row.is_op:
        return len(row.lanes) + 1 + name + 1
    return indent(spine) + cell_len(safe(row.op)) + (len(ARROW) + name if name else 0) + 1


def indent(spine: Spine) -> int:
    """The cell where the names of ops start."""
    return max(3, spine.width) + 1
