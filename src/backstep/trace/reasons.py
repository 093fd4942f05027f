"""Reasons for what was not recorded, counted so that they can be read: those that differ by a number are one."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping

NUMBER = re.compile(r"\d[\d,]*")


def grouped(reasons: Mapping[str, int]) -> list[tuple[str, int]]:
    """The reasons with their counts, most frequent first; `N` stands for a number that is not always the same."""
    alike: dict[str, list[str]] = defaultdict(list)
    for reason in reasons:
        alike[NUMBER.sub("N", reason)].append(reason)
    counts: Counter[str] = Counter()
    for group in alike.values():
        counts[_common(group)] += sum(reasons[reason] for reason in group)
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _common(group: list[str]) -> str:
    """One text for reasons that differ by their numbers only."""
    same = [numbers[0] if len(set(numbers)) == 1 else "N" for numbers in zip(*map(NUMBER.findall, group), strict=True)]
    words = iter(same)
    return NUMBER.sub(lambda _: next(words), group[0])
