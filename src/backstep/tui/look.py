"""How the screen is drawn on this terminal: theme, characters, and which hints are still to be given."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from backstep.tui.keys import KEYS
from backstep.tui.settings import Settings, read_settings, settings_folder
from backstep.view import ascii

HINTS = ("first", "backward", "accumulate")
"""The hints of the first session, by the moments that they are about."""


@dataclass(frozen=True, slots=True)
class Look:
    """What an app draws with; by itself nothing of the user's or of the terminal's."""

    settings: Settings = field(default_factory=Settings)
    ascii: bool = False
    hints: frozenset[str] = frozenset()

    def without_hint(self, hint: str) -> Look:
        return replace(self, settings=self.settings.with_closed(hint), hints=self.hints - {hint})


def look_of_terminal(
    theme: str | None = None, plain: bool = False, hints: bool = False, environment: Mapping[str, str] = os.environ
) -> Look:  # fmt: skip
    """As the user has set it, but for what is asked for: this theme, ASCII, the hints once more."""
    settings = read_settings(settings_folder(environment), {key.id: key.keys for key in KEYS})
    if theme is not None:
        settings = replace(settings, theme=theme)
    shown = frozenset(HINTS) if hints else frozenset(HINTS) - settings.closed
    return Look(settings, plain or ascii.wanted(environment), shown)
