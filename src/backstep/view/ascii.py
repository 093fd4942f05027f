"""The screen in ASCII, for terminals and locales that cannot show more: cell by cell, nothing moves."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

from rich.cells import cell_len
from rich.segment import Segment

from backstep.view.rows import Row

SIGNS = {
    pair[0]: pair[1]
    for pair in (
        "▶> ▷> ◀< ◁< ⊕+ ⊗@ Δd ∅0 ✗x ✓v ›> ◆* ◇o ○. ●* ■# ▲^ ▸> ▾v ➤> →> ←< ↑^ ↓v ↔- ×x ÷/ ·. ∇V ∂d εe ΣS √v ‖| …~ ∈i "
        "≤< ≥> ≈< ∞8 ⌫< ᵀ' ᴴH ²2 ³3 ½h ⁿn ˣx │| ┃| ─- ━= ┌- ┐+ └+ ┘+ ┏+ ┓+ ┗+ ┛+ ├+ ┤+ ┬+ ┴+ ┼+ ┣+ ┫+ ┳+ ┻+ ╋+ ╷' ┄- "
        "▀# ▄# ┆| —- –- ’' "
    ).split()
}
BARS = dict(zip("▁▂▃▄▅▆▇█", "_..-=+*#", strict=True))
DOTS = " ..--==*#"
"""A cell of the curve, by how many dots it has."""
BRAILLE = 0x2800
PRODUCT = re.compile(r"(?<=[\w)\]] )·(?= [\w(-])|(?<=[\w)\]])·(?=[\w(√-])")


def spoken(text: str) -> str:
    """A text in ASCII, as wide as it was. A dot between factors is a star."""
    return text if text.isascii() else part_spoken(text, 0, len(text))


def part_spoken(text: str, start: int, end: int) -> str:
    """The characters of a text from `start` to `end` in ASCII."""
    return "".join(map(_in_ascii, PRODUCT.sub("*", text)[start:end]))


def ascii_row(row: Row) -> Row:
    return [segment if segment.text.isascii() else Segment(spoken(segment.text), segment.style) for segment in row]


@lru_cache(4096)
def _in_ascii(character: str) -> str:
    if character.isascii():
        return character
    if character in SIGNS or character in BARS:
        return SIGNS.get(character) or BARS[character]
    if BRAILLE <= ord(character) < BRAILLE + 256:
        return DOTS[(ord(character) - BRAILLE).bit_count()]
    plain = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    width = cell_len(character)
    return plain if len(plain) == width else "?" * width


def wanted(environment: Mapping[str, str]) -> bool:
    """Whether the locale says so: its characters are no UTF-8, or it draws signs at twice the width of letters."""
    named = (environment.get(name, "") for name in ("LC_ALL", "LC_CTYPE", "LANG"))
    locale = next((name for name in named if name), "")
    language, _, codeset = locale.partition(".")
    if language[:2] in ("ja", "ko", "zh"):
        return True
    return codeset.partition("@")[0].lower().replace("-", "") != "utf8"
