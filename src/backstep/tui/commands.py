"""The palette: every command by its words, with its key; what is typed narrows the list, Enter does the first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rich.segment import Segment

from backstep.tui.hinting import Hinting
from backstep.tui.keys import Section
from backstep.tui.look import HINTS
from backstep.tui.overlay import Overlay
from backstep.tui.picture import View
from backstep.tui.prompt import Answer
from backstep.view.rows import Row, fit
from backstep.view.theme import THEMES, without_colours

PAGE = "commands"
WIDTH, NAME, KEYS = 66, 16, 11
"""Cells of the list, of a command's name in it, of its keys."""


@dataclass(frozen=True, slots=True)
class Command:
    """Something to be done: `name` is what a user's keymap calls it, `action` what Textual does."""

    name: str
    text: str
    keys: str
    action: str

    def fits(self, typed: str) -> bool:
        """Whether every word that was typed is somewhere in it."""
        said = f"{self.name} {self.text} {self.keys}".casefold()
        return all(word in said for word in typed.casefold().split())


def commands_of(sections: Sequence[Section]) -> list[Command]:
    """Those of the key table, then those that have no key."""
    keyed = [
        Command(key.id, text, key.shown, key.action)
        for section in sections
        for group in section.groups
        for key, text in zip(group.keys, group.texts, strict=True)
        if key.id != "commands"
    ]
    themes = [Command(f"theme.{name}", f"{name} colours, kept", "", f"theme('{name}')") for name in THEMES]
    return [*keyed, *themes, Command("hints", "the first session's hints again", "", "hints_again")]


class Commands(Hinting):
    """The part of the app that lists what can be done, and does what has no key."""

    view: View

    def ask(
        self, label: str, tell: Callable[[str], Answer], accept: Callable[[str], str | None], *, prefilled: str = "",
        examples: str = "",
    ) -> None:  # fmt: skip
        raise NotImplementedError

    def recolour(self) -> None:
        """Draws everything anew, in the colours of `palette`."""
        raise NotImplementedError

    def action_commands(self) -> None:
        self._page = PAGE
        self.ask("do", self._tell_command, self._do, examples="a few letters of what is wanted")

    def _fitting(self, typed: str) -> list[Command]:
        return [command for command in commands_of(self.sections) if command.fits(typed)]

    def _tell_command(self, typed: str) -> Answer:
        fitting = self._fitting(typed)
        return Answer(fitting[0].text) if fitting else Answer("nothing is called that", good=False)

    def _do(self, typed: str) -> str | None:
        fitting = self._fitting(typed)
        if not fitting:
            return "nothing is called that"
        self._page = None
        self.call_later(self.run_action, fitting[0].action)
        return None

    def page(self, name: str, width: int, height: int) -> Overlay | None:
        if name != PAGE:
            return super().page(name, width, height)
        prompt = self.view.prompt
        if prompt is None:  # Esc closed the question, and with it the list
            self._page = None
            return None
        fitting = self._fitting(prompt.line.text)
        rows = [self._row(command, at == 0, min(WIDTH, width - 6)) for at, command in enumerate(fitting)]
        room = max(1, height - 6)
        more: list[Row] = [[Segment(f"… {len(rows) - room} more", self.palette.dim)]] if len(rows) > room else []
        blank: list[Row] = [[Segment(" " * min(WIDTH, width - 6))] for _ in range(room - len(rows))]
        return Overlay("commands", (*rows[:room], *blank, *more))

    def _row(self, command: Command, first: bool, width: int) -> Row:
        theme = self.palette
        row = [
            Segment("▸ " if first else "  ", theme.key),
            Segment(f"{command.keys:<{KEYS}}", theme.key),
            Segment(f"{command.text:<{max(1, width - NAME - KEYS - 2)}}", theme.strong if first else theme.text),
            Segment(command.name, theme.dim),
        ]
        return fit(row, width)

    def action_theme(self, name: str) -> None:
        """Other colours, kept for the next time."""
        self.look = replace(self.look, settings=self.look.settings.with_theme(name))
        theme = THEMES[name]
        self.palette = without_colours(theme) if self.no_color or self.look.ascii else theme
        self.recolour()
        self._show(f"{name} colours")

    def action_hints_again(self) -> None:
        self.look = replace(self.look, hints=frozenset(HINTS))
        self._show()
