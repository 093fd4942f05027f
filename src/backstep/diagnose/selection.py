"""Which rules speak: chosen and silenced by name on the command line and in `pyproject.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class SelectionError(ValueError):
    """One plain line on what is wrong with a selection."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The rules to run (`select`; all of them if None) but for those to `ignore`."""

    select: frozenset[str] | None = None
    ignore: frozenset[str] = frozenset()

    def takes(self, rule: str) -> bool:
        return (self.select is None or rule in self.select) and rule not in self.ignore


EVERYTHING = Selection()


def selection_of(
    select: Iterable[str], ignore: Iterable[str], folders: Iterable[Path], known: Iterable[str]
) -> Selection:
    """The selection given on the command line, else that of the first `pyproject.toml` in or above these folders.

    What is ignored adds up; a `select` of the command line takes the place of the file's. SelectionError for a
    name that no rule has.
    """
    from_file = next((table for folder in folders if (table := settings_of(folder))), {})
    names = set(known)
    chosen = names_in(select) or from_file.get("select")
    silenced = names_in(ignore) | set(from_file.get("ignore") or ())
    for name in sorted({*(chosen or ()), *silenced} - names):
        raise SelectionError(f"there is no rule named {name!r}; backstep check --rules lists them")
    return Selection(None if not chosen else frozenset(chosen), frozenset(silenced))


def names_in(given: Iterable[str]) -> set[str]:
    """The names in options that may be repeated and may each hold several, with commas between."""
    return {name.strip() for text in given for name in text.split(",") if name.strip()}


def settings_of(folder: Path) -> dict[str, Any]:
    """`[tool.backstep.check]` of the nearest `pyproject.toml`; nothing where there is none."""
    for place in (folder, *folder.parents):
        file = place / "pyproject.toml"
        if file.is_file():
            return table_of(file)
    return {}


def table_of(file: Path) -> dict[str, Any]:
    try:
        with open(file, "rb") as stream:
            table = tomllib.load(stream)
        for key in ("tool", "backstep", "check"):
            table = table.get(key, {})
        for key in ("select", "ignore"):
            names = table.get(key, [])
            if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
                raise SelectionError(f"{file}: {key} is a list of names of rules")
    except (OSError, tomllib.TOMLDecodeError, AttributeError) as error:
        raise SelectionError(f"{file}: {error}") from None
    return table
