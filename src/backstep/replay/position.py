"""POSITION, as the command line and links have it: `N #N iN eN eNiM N% first last`."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from backstep.trace.trace import Trace


class PositionError(ValueError):
    """One plain line on what is wrong with a position."""


def parse_position(trace: Trace, text: str) -> int:
    """The position that `text` names. Numbers are those of the schema, from 0."""
    count = len(trace)
    if not count:
        raise PositionError("the trace is empty: there is no position to go to")
    text = text.strip()
    if text == "first":
        return 0
    if text == "last":
        return count - 1
    for pattern, find in FORMS:
        match = re.fullmatch(pattern, text)
        if match:
            return find(trace, *map(int, match.groups()))
    raise PositionError(f"{text!r} is no position: N, #N, iN, eN, eNiM, N%, first or last")


def event_at(trace: Trace, position: int) -> int:
    if position >= len(trace):
        raise PositionError(f"there is no event {position}: the last one is {len(trace) - 1}")
    return position


def percent(trace: Trace, number: int) -> int:
    if number > 100:
        raise PositionError(f"{number}% is more than all")
    return min(len(trace) - 1, len(trace) * number // 100)


def iteration_start(trace: Trace, number: int) -> int:
    """The first event of an iteration."""
    contexts = [c for c, iteration in enumerate(trace.contexts.numbers) if iteration == number]
    return first_in(trace, contexts, f"there is no iteration {number}")


def epoch_start(trace: Trace, number: int) -> int:
    """The first event where the outermost loop's variable is `number`."""
    return first_in(trace, epoch_contexts(trace, number), f"there is no epoch {number}")


def epoch_contexts(trace: Trace, number: int) -> list[int]:
    chosen: list[int] = []
    inside: set[int] = set()
    for context in range(1, len(trace.contexts.numbers)):
        row = trace.contexts.row(context)
        own = row.index if row.value is None else row.value
        if row.parent in inside or (row.parent == 0 and own == number):
            inside.add(context)
            chosen.append(context)
    return chosen


def iteration_in_epoch(trace: Trace, epoch: int, number: int) -> int:
    """The first event of the `number`-th iteration, from 0, in an epoch."""
    contexts = epoch_contexts(trace, epoch)
    if not contexts:
        raise PositionError(f"there is no epoch {epoch}")
    numbers = trace.contexts.numbers
    iterations = list(dict.fromkeys(n for context in contexts if (n := numbers[context]) is not None))
    if number >= len(iterations):
        raise PositionError(f"epoch {epoch} has {len(iterations)} iterations: there is no e{epoch}i{number}")
    return iteration_start(trace, iterations[number])


def first_in(trace: Trace, contexts: list[int], otherwise: str) -> int:
    found = np.flatnonzero(np.isin(trace.columns["context"][: len(trace)], contexts))
    if not len(found):
        raise PositionError(otherwise)
    return int(found[0])


FORMS: tuple[tuple[str, Callable[..., int]], ...] = (
    (r"#?(\d{1,18})", event_at),
    (r"i(\d{1,18})", iteration_start),
    (r"e(\d{1,18})", epoch_start),
    (r"e(\d{1,18})i(\d{1,18})", iteration_in_epoch),
    (r"(\d{1,3})%", percent),
)
