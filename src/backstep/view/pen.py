"""What the forms of the Chain rule pane are written with: words, chips of numbers, three places, pictures."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style

from backstep.explain.names import short
from backstep.replay.moment import Moment
from backstep.trace.event import Value
from backstep.view.brief import figures, shape
from backstep.view.panels import Panel, panels
from backstep.view.places import Line, Places, fits, placed
from backstep.view.rows import Row, safe, wrap
from backstep.view.theme import Theme

TALL = 13
"""From so many rows on there is room for more than the numbers."""
TALLEST = 16
"""The most rows of a heat map."""
LONGEST_NAME = 32


class Pen:
    """Writes one moment: what all the forms share."""

    def __init__(
        self, moment: Moment, width: int, height: int, theme: Theme, drawn: bool = True, term: int = 0
    ) -> None:  # fmt: skip
        self.moment = moment
        self.trace = moment.trace
        self.width = width - 1
        self.height = height
        self.theme = theme
        self.drawn = drawn
        self.term = term

    def say(self, text: str, style: Style | None = None) -> Segment:
        return Segment(safe(text), style or self.theme.text)

    def brief(self, value: Value | None) -> str:
        """A value in a few cells: its number, or shape and norm, or why it was not kept."""
        if value is None:
            return "None"
        told = figures(self.trace, value)
        if value.array is None and value.summary is None:
            return f"{shape(value)} {value.omitted or 'not kept'}".strip()
        return told.text if told.told else f"{shape(value)} {told.text}"

    def chip(self, value: Value | None, phase: str) -> Segment:
        return self.box(self.brief(value), phase)

    def box(self, text: str, phase: str) -> Segment:
        return Segment(f" {safe(text)} ", self.theme.chip(phase))

    def text(self, text: str, style: Style) -> list[Row]:
        return [[self.say(line, style)] for line in text.splitlines()[: self.height]]

    def wrapped(self, text: str, style: Style) -> list[Row]:
        """A sentence over as many rows as it needs."""
        return wrap([Segment(safe(text), style)], self.width)

    def aside(self, said: str) -> list[Row]:
        """What happens, in a plain sentence."""
        return self.wrapped(f"› {said}", self.theme.text + Style(italic=True))

    def named(self, value: Value) -> str:
        return short(value.name, LONGEST_NAME)

    def placed(self, lines: Sequence[Line]) -> list[Row]:
        return placed(lines, self.width, self.theme.strong)

    def headed(self, lines: list[Line], words: Sequence[tuple[str, str, str]]) -> list[Line]:
        """The lines under words over the three places, the first of those that fit."""
        for heads in words:
            told = [self.places(heads, self.theme.dim), *lines]
            if fits(told, self.width):
                break
        return told

    def places(self, texts: tuple[str, str, str], *styles: Style) -> Places:
        """Three texts, each in its place; one style may do for all."""
        first, second, last = ([self.say(text, styles[at % len(styles)])] for at, text in enumerate(texts))
        return Places((first, second, last))

    def panel(self, role: str, name: str, value: Value) -> Panel:
        return Panel(f"{role}{name} {shape(value)}", value, f"{role}{shape(value)}")

    def pictures(self, row: Sequence[Panel], signs: Sequence[str], room: int) -> list[Row]:
        return panels(self.trace, row, signs, self.width, room, self.theme)
