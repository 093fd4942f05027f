"""Cells that boxes and wires are drawn on, and that know what lies in them."""

from __future__ import annotations

from itertools import pairwise

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from backstep.view.layers import Box
from backstep.view.rows import Row, tagged

BLANK = Segment(" ")
UP, DOWN, LEFT, RIGHT = 1, 2, 4, 8
THIN = {
    UP | DOWN: "│", LEFT | RIGHT: "─", DOWN | RIGHT: "┌", DOWN | LEFT: "┐", UP | RIGHT: "└", UP | LEFT: "┘",
    UP | DOWN | RIGHT: "├", UP | DOWN | LEFT: "┤", LEFT | RIGHT | DOWN: "┬", LEFT | RIGHT | UP: "┴",
    UP | DOWN | LEFT | RIGHT: "┼",
}  # fmt: skip
HEAVY = dict(zip(THIN, "┃━┏┓┗┛┣┫┳┻╋", strict=True))


class Paper:
    """Cells that are drawn on, so far from the edges; of wires that meet, it knows which ways each goes."""

    def __init__(self, width: int, height: int, left: int, top: int) -> None:
        self._across, self._down = range(-left, width - left), range(-top, height - top)
        self._cells: dict[tuple[int, int], Segment] = {}
        self._ways: dict[tuple[int, int], tuple[int, int]] = {}
        """The source of the wires in a cell, and where they go on from there."""
        self._tags: dict[tuple[int, int], dict[str, int]] = {}

    def tag(self, box: Box, **what: int) -> None:
        """Notes what lies in a box, for who points at it, and that it ends behind it."""
        for y in range(box.y, box.y + box.height):
            self._tags[box.x, y] = what
            self._tags.setdefault((box.x + box.width, y), {"seek": -1})

    def put(self, x: int, y: int, character: str, style: Style) -> None:
        self._cells[x, y] = Segment(character, style)

    def line(self, source: int, points: tuple[tuple[int, int], ...], heavy: bool, style: Style) -> None:
        """A wire by its corners. Where it meets another wire from the same source they join; else it passes."""
        for cell, ways in _steps(points).items():
            other, before = self._ways.get(cell, (source, 0))
            if other == source:
                ways |= before
            elif before & (UP | DOWN) and not heavy:
                continue
            self._ways[cell] = (source, ways)
            self.put(*cell, (HEAVY if heavy else THIN).get(ways, "─"), style)

    def write(self, x: int, y: int, row: Row) -> None:
        """A row from a cell on."""
        for text, style, _ in row:
            for character in text:
                self.put(x, y, character, style or Style.null())
                x += cell_len(character)
                if cell_len(character) == 2:
                    self.put(x - 1, y, "", Style.null())  # the second half of a wide one

    def rows(self) -> list[Row]:
        return [[cell for x in self._across for cell in self._cell(x, y)] for y in self._down]

    def _cell(self, x: int, y: int) -> Row:
        cell = [self._cells.get((x, y), BLANK)]
        return tagged(cell, **self._tags[x, y]) if (x, y) in self._tags else cell


def _steps(points: tuple[tuple[int, int], ...]) -> dict[tuple[int, int], int]:
    """The cells on a way, and which ways it goes on from each."""
    ways: dict[tuple[int, int], int] = {points[0]: LEFT, points[-1]: RIGHT}
    for (x, y), (to_x, to_y) in pairwise(points):
        dx, dy = (to_x > x) - (to_x < x), (to_y > y) - (to_y < y)
        ahead, behind = (RIGHT, LEFT) if dx > 0 else (DOWN, UP) if dy > 0 else (UP, DOWN)
        while (x, y) != (to_x, to_y):
            ways[x, y] = ways.get((x, y), 0) | ahead
            x, y = x + dx, y + dy
            ways[x, y] = ways.get((x, y), 0) | behind
    return ways
