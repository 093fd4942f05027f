"""What a rule says: a fault, the line that causes it, and the events that prove it. And what a rule is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from backstep.trace.event import Source

if TYPE_CHECKING:
    from backstep.diagnose.story import Story


class Level(Enum):
    """How sure a finding is. Only what is above a note makes `check` fail."""

    ERROR = "error"
    """It cannot be meant."""
    WARNING = "warning"
    """Almost surely a fault."""
    NOTE = "note"
    """Worth a look."""


@dataclass(frozen=True, slots=True)
class Related:
    """Another line that belongs to the story, and its part in it."""

    source: Source | None
    message: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault. `source` is the line of the cause, `evidence` positions in the trace, `numbers` stand beside the line.

    `rule` is filled in by `check`, so that a rule is named in one place.
    """

    level: Level
    message: str
    fix: str
    source: Source | None
    evidence: tuple[int, ...]
    numbers: str = ""
    related: tuple[Related, ...] = ()
    rule: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The finding as it stands in the json output."""
        return {
            "rule": self.rule,
            "level": self.level.value,
            "message": self.message,
            "fix": self.fix,
            "source": None if self.source is None else self.source.as_dict(),
            "evidence": list(self.evidence),
            "related": [
                {"source": one.source.as_dict(), "message": one.message} for one in self.related if one.source
            ],
        }


@dataclass(frozen=True, slots=True)
class NotLooked:
    """What a rule gives instead of a finding where the trace lacks what it needs."""

    why: str


Look = Callable[["Story"], Iterator[Finding | NotLooked]]


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: the name it is selected by, what it finds in a few words, and the function that looks."""

    name: str
    summary: str
    look: Look
