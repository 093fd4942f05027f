"""What a user has set, under `$XDG_CONFIG_HOME/backstep/`: the theme, hints that were closed, own keys."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from backstep.view.theme import DARK, THEMES

NAME = re.compile(r"[a-z0-9.-]+")


@dataclass(frozen=True, slots=True)
class Settings:
    """`closed`: hints that are not shown again. `keys`: the keys of an action, by its id."""

    theme: str = DARK.name
    closed: frozenset[str] = frozenset()
    keys: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None
    """Where changes are kept; None: nowhere."""
    complaint: str = ""
    """What is wrong with the files, in one line."""

    def with_theme(self, theme: str) -> Settings:
        return self._kept(replace(self, theme=theme))

    def with_closed(self, hint: str) -> Settings:
        return self._kept(replace(self, closed=self.closed | {hint}))

    def _kept(self, settings: Settings) -> Settings:
        """The settings, written down if that can be done: a screen goes on without."""
        if settings.folder is not None:
            closed = ", ".join(f'"{hint}"' for hint in sorted(settings.closed))
            try:
                settings.folder.mkdir(parents=True, exist_ok=True)
                text = f'theme = "{settings.theme}"\nclosed = [{closed}]\n'
                (settings.folder / "settings.toml").write_text(text, encoding="utf-8")
            except OSError:
                return replace(settings, folder=None)
        return settings


def settings_folder(environment: Mapping[str, str] = os.environ) -> Path:
    base = environment.get("XDG_CONFIG_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".config") / "backstep"


def read_settings(folder: Path, actions: Mapping[str, str]) -> Settings:
    """What the files there say. `actions`: the keys of each action id; ids that are none of these are complained of."""
    complaints: list[str] = []
    own = _table(folder / "settings.toml", complaints)
    keys = _own_keys(_table(folder / "keys.toml", complaints), actions, complaints)
    theme = own.get("theme", DARK.name)
    if theme not in THEMES:
        complaints.append(f"settings.toml: no theme is called {theme!r}; there are {', '.join(THEMES)}")
        theme = DARK.name
    listed = own.get("closed", [])
    closed = [one for one in listed if isinstance(one, str) and NAME.fullmatch(one)] if isinstance(listed, list) else []
    return Settings(str(theme), frozenset(closed), keys, folder, "; ".join(complaints))


def _table(path: Path, complaints: list[str]) -> dict[str, Any]:
    """A file, if it is there and can be read."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        complaints.append(f"{path.name}: {error}")
        return {}


def _own_keys(table: Mapping[str, Any], actions: Mapping[str, str], complaints: list[str]) -> dict[str, str]:
    """`step.fwd = "right,l"`; in TOML that is a table `step` with a key `fwd`."""
    keys: dict[str, str] = {}
    for name, value in _flat(table, ""):
        if name not in actions:
            complaints.append(f"keys.toml: no action is called {name}")
        elif not isinstance(value, str) or not value.strip():
            complaints.append(f"keys.toml: {name} is no key, such as {actions[name]!r}")
        else:
            keys[name] = ",".join(part.strip() for part in value.split(",") if part.strip())
    return keys


def _flat(table: Mapping[str, Any], before: str) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in table.items():
        found += _flat(value, f"{before}{name}.") if isinstance(value, dict) else [(before + name, value)]
    return found
