"""What a recording keeps. Nothing here imports torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Options:
    """`max_elements` bounds the values kept of a tensor, 16 times as many the entries of a local gradient."""

    values: str = "auto"
    max_elements: int = 1024
    local: str = "auto"
    source: bool = True
    output: bool = True

    def __post_init__(self) -> None:
        if self.values not in ("auto", "all", "summary"):
            raise ValueError(f"values is auto, all or summary, not {self.values!r}")
        if self.local not in ("auto", "all", "none"):
            raise ValueError(f"local is auto, all or none, not {self.local!r}")
        if self.max_elements < 1:
            raise ValueError("max_elements is at least 1")

    @property
    def kept_elements(self) -> int:
        """The most elements whose values are kept."""
        return {"auto": self.max_elements, "all": 1 << 62, "summary": 1}[self.values]

    @property
    def local_entries(self) -> int:
        """The most entries of a local gradient that are kept."""
        return {"auto": 16 * self.max_elements, "all": 1 << 62, "none": 0}[self.local]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)
