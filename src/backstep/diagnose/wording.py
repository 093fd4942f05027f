"""How findings speak: counts, lists of names, figures."""

from __future__ import annotations

import math
from collections.abc import Iterable

from backstep.trace.event import Source, Value


def told(count: int, one: str, many: str = "") -> str:
    """`1 event`, `3 events`."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def listed(names: Iterable[str], most: int = 3) -> str:
    """Some names, in a sentence; the rest is counted."""
    every = list(dict.fromkeys(names))
    if len(every) > most:
        return f"{', '.join(every[:most])} and {len(every) - most} more"
    return every[0] if len(every) == 1 else f"{', '.join(every[:-1])} and {every[-1]}"


def figure(number: float | None) -> str:
    """A number in four figures."""
    if number is None:
        return "?"
    return f"{number:.4g}" if math.isfinite(number) else "NaN" if math.isnan(number) else "Inf"


def size(value: Value | None) -> str:
    """How large a tensor is: its number, or its norm."""
    if value is None:
        return "None"
    if value.scalar is not None:
        return figure(value.scalar)
    summary = value.summary
    return "?" if summary is None else f"‖{figure(summary.norm)}‖"


def shape(value: Value) -> str:
    return f"[{', '.join(map(str, value.shape))}]"


def at(source: Source | None) -> str:
    """`line 14`, or the file as well where it may be another."""
    return "an unknown line" if source is None else f"line {source.line}"


def quoted(text: str, longest: int = 60) -> str:
    """Code in a sentence: on one line, not too long."""
    text = " ".join(text.split())
    return f"`{text if len(text) <= longest else text[: longest - 1] + '…'}`"
