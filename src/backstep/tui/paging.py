"""The pages over the panes: at most one is open, and closing it comes before everything else."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import App as TextualApp

from backstep.replay.cursor import Cursor
from backstep.trace.trace import Trace
from backstep.tui import pages
from backstep.tui.help import help_page
from backstep.tui.keys import Section
from backstep.tui.overlay import Overlay
from backstep.view.theme import Theme


class Paging(TextualApp[str]):
    """The part of the app that has help, output and ranks. A part with pages of its own extends `page`."""

    trace: Trace
    cursor: Cursor
    palette: Theme
    ranks: Sequence[Trace]
    sections: tuple[Section, ...]
    """The key table, with the user's own keys."""
    _page: str | None = None
    _page_top = 0
    """The first row shown of a page that scrolls, or the row that is chosen in one with a choice."""

    def _show(self, message: str | None = None, *, alarm: bool = False) -> None:
        raise NotImplementedError

    def page(self, name: str, width: int, height: int) -> Overlay | None:
        """The page of that name on a screen of that size."""
        if name == "help":
            return help_page(self.sections, width, height, self._page_top, self.palette)
        if name == "output":
            return pages.output_page(self.cursor.moment() if len(self.trace) else None, height, self.palette)
        if name == "ranks":
            return pages.ranks_page(self.ranks, self.trace, self.cursor.position, self.palette)
        return None

    def paged(self, count: int) -> bool:
        """Whether a page is open, which such a key then moves instead of time."""
        if self._page is None:
            return False
        self._page_top = max(0, self._page_top + count)
        self._show()
        return True

    def toggle(self, page: str) -> None:
        """Opens a page, or closes it."""
        self._page, self._page_top = None if self._page == page else page, 0
        self._show()

    def action_help(self) -> None:
        self.toggle("help")

    def action_output(self) -> None:
        self.toggle("output")

    def action_ranks(self) -> None:
        if len(self.ranks) > 1:
            self.toggle("ranks")
        else:
            self._show("this trace is of one process; open a folder of traces to see ranks")
