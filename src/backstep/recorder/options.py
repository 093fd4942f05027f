"""What a recording keeps. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Mapping
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
    iterations: tuple[int, int | None] | None = None
    """From the first to before the second; without a second there is no end."""
    every: int = 1
    keep_last: int | None = None
    """The first iteration and so many of the last stay."""
    max_size: int | None = None
    """Bytes of the file at which the recording ends."""
    stop_when: str | None = None
    """The recording ends at the first event at which this stop holds."""
    detail: str = "normal"
    """`full`: what an optimizer does inside its step is recorded too."""

    def __post_init__(self) -> None:
        if self.values not in ("auto", "all", "summary"):
            raise ValueError(f"values is auto, all or summary, not {self.values!r}")
        if self.local not in ("auto", "all", "none"):
            raise ValueError(f"local is auto, all or none, not {self.local!r}")
        if self.max_elements < 1:
            raise ValueError("max_elements is at least 1")
        if self.detail not in ("normal", "full"):
            raise ValueError(f"detail is normal or full, not {self.detail!r}")
        if self.every < 1:
            raise ValueError("every is at least 1")
        if self.keep_last is not None and self.keep_last < 1:
            raise ValueError("keep_last is at least 1")
        if self.max_size is not None and self.max_size < 1:
            raise ValueError("max_size is at least 1 byte")
        if self.stop_when is not None:
            from backstep.stops.stop import parse_stop  # numpy with it, which a script without one need not wait for

            parse_stop(self.stop_when)
        if self.iterations is not None:
            first, end = self.iterations
            if first < 0 or (end is not None and end <= first):
                raise ValueError(f"iterations {first}:{'' if end is None else end} are none")

    @property
    def kept_elements(self) -> int:
        """The most elements whose values are kept."""
        return {"auto": self.max_elements, "all": 1 << 62, "summary": 1}[self.values]

    @property
    def local_entries(self) -> int:
        """The most entries of a local gradient that are kept; one is made of values, and goes where they go."""
        auto = 0 if self.values == "summary" else 16 * self.max_elements
        return {"auto": auto, "all": 1 << 62, "none": 0}[self.local]

    @property
    def wants_all(self) -> bool:
        """Whether every iteration is recorded, and stays."""
        return self.iterations is None and self.every == 1 and self.keep_last is None

    def as_dict(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if OPTIONAL.get(name, ...) != value}


OPTIONAL = {"iterations": None, "every": 1, "keep_last": None, "max_size": None, "stop_when": None, "detail": "normal"}
"""Said in the header only where they are not what they are by themselves."""


def bounds_of(iterations: object) -> tuple[int, int | None]:
    """`"A:B"`, `(A, B)` or `range(A, B)` as the first and the end; ValueError for anything else."""
    match iterations:
        case str():
            return parse_iterations(iterations)
        case range() if iterations.step == 1:
            return iterations.start, iterations.stop
        case (int() as first, int() | None as end) if not isinstance(iterations, range):
            return first, end
    raise ValueError(f"iterations is 'A:B', (A, B) or range(A, B), not {iterations!r}")


def parse_iterations(text: str) -> tuple[int, int | None]:
    """`A:B`, half open; `A:` and `:B` too. ValueError for anything else."""
    first, colon, end = text.partition(":")
    if not colon:
        raise ValueError(f"{text!r} is no range A:B")
    try:
        return int(first) if first.strip() else 0, int(end) if end.strip() else None
    except ValueError:
        raise ValueError(f"{text!r} is no range A:B of whole numbers") from None


def rank_of(environment: Mapping[str, str]) -> dict[str, int]:
    """Which of how many processes this is, where a launcher such as `torchrun` has said so."""
    rank, world_size = environment.get("RANK", ""), environment.get("WORLD_SIZE", "")
    if not (rank.isdecimal() and world_size.isdecimal()):
        return {}
    return {"rank": int(rank), "world_size": int(world_size)}
