"""The one widget: draws rows by Textual's line API, and sends only those that changed."""

from __future__ import annotations

from collections.abc import Callable

from rich.segment import Segment
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from backstep.view.rows import Row
from backstep.view.theme import Theme


class Canvas(Widget, can_focus=True):
    """Asks for its rows once per burst of changes."""

    def __init__(self, rows: Callable[[int, int], list[Row]], theme: Theme) -> None:
        super().__init__()
        self._build = rows
        self._ground = theme.background
        self._drawn: list[Row] = []
        self.strips: list[Strip] = []
        self._drawn_size = (0, 0)
        self._pending = False
        self.rebuilds = 0
        """How often the rows were built: a burst of keys is one."""

    def on_mount(self) -> None:
        self.focus()

    @property
    def rows_drawn(self) -> list[Row]:
        """What is on the screen."""
        return self._drawn

    def recolour(self, theme: Theme) -> None:
        """Draws everything anew, on another ground."""
        self._ground, self._drawn_size = theme.background, (0, 0)
        self.invalidate()

    def invalidate(self) -> None:
        """Something changed: the rows are built again when all that is queued has been handled."""
        if not self._pending:
            self._pending = True
            self.call_later(self._rebuild)

    def _rebuild(self) -> None:
        self._pending = False
        width, height = self.size
        if not width or not height:
            return
        self.rebuilds += 1
        rows = self._build(width, height)
        same_size = (width, height) == self._drawn_size
        changed = [y for y, row in enumerate(rows) if not (same_size and row == self._drawn[y])]
        if not same_size:
            self.strips = [Strip.blank(width)] * len(rows)
        for y in changed:
            self.strips[y] = self._strip(rows[y], width)
        self._drawn, self._drawn_size = rows, (width, height)
        if not same_size:
            self.refresh()
        elif changed:  # without a region, `refresh` means everything
            self.refresh(*[Region(0, y, width, 1) for y in changed])

    def _strip(self, row: Row, width: int) -> Strip:
        ground = self._ground
        return Strip([Segment(s.text, ground + s.style if s.style else ground) for s in row], width)

    def render_line(self, y: int) -> Strip:
        if self.size != self._drawn_size:
            self._rebuild()
        return self.strips[y] if y < len(self.strips) else Strip.blank(self.size.width, self._ground)
