"""Which versions of torch the tests were run with. Others are recorded too, after a word of warning."""

from __future__ import annotations

import re
import sys
from functools import cache

OLDEST, NEWEST = (2, 10), (2, 15)


def untried(version: str) -> str:
    """What there is to say of a version of torch, if it lies outside of the range that was tried; else nothing."""
    numbers = re.match(r"(\d+)\.(\d+)", version)
    if numbers is not None and OLDEST <= (int(numbers[1]), int(numbers[2])) <= NEWEST:
        return ""
    first, last = (".".join(map(str, tried)) for tried in (OLDEST, NEWEST))
    return f"backstep was tried with torch {first} to {last}; with {version} what it records may be wrong"


@cache
def warn_if_untried(version: str) -> None:
    """Says so on stderr, once."""
    words = untried(version)
    if words and sys.__stderr__ is not None:
        print(f"backstep: {words}", file=sys.__stderr__, flush=True)
