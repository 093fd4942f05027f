"""An optimizer as a trace tells of it."""

from __future__ import annotations

from dataclasses import dataclass

from backstep.trace.event import Source


@dataclass(frozen=True, slots=True)
class Optimizer:
    """An optimizer as it was at its last step: its class, where it was stepped, the numbers of its leaves."""

    name: str
    source: Source | None
    leaves: tuple[int, ...]
