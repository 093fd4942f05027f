"""A page of choices, a letter each: while it is open the letters are its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rich.segment import Segment
from textual.events import Event, Key

from backstep.tui.overlay import Overlay
from backstep.tui.paging import Paging

PAGE = "menu"


@dataclass(frozen=True, slots=True)
class Choice:
    """What a letter does."""

    letter: str
    text: str
    do: Callable[[], object]


class Choosing(Paging):
    """The part of the app that lets one choose."""

    _menu: tuple[str, tuple[Choice, ...]] = ("", ())

    def choose(self, name: str, *choices: Choice) -> None:
        self._menu = (name, choices)
        self._page = PAGE
        self._show()

    def page(self, name: str, width: int, height: int) -> Overlay | None:
        if name != PAGE:
            return super().page(name, width, height)
        title, choices = self._menu
        rows = [
            [Segment(f"{choice.letter}  ", self.palette.key), Segment(choice.text, self.palette.text)]
            for choice in choices
        ]
        return Overlay(title, tuple(rows))

    async def on_event(self, event: Event) -> None:
        if self._page != PAGE or not isinstance(event, Key) or event.key in ("ctrl+q", "ctrl+c"):
            await super().on_event(event)
            return
        self._page = None
        choice = next((one for one in self._menu[1] if one.letter == event.character), None)
        if choice is None:
            self._show("" if event.key in ("escape", "q") else "none of these")
        else:
            self._show()
            choice.do()
