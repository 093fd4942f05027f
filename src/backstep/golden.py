"""Golden traces: a jsonl export that a trace is compared with, event by event, up to a tolerance.

What may change without the training having changed is not compared: the header, and the lines and columns of the
source. A number is judged by the size of the tensor that it stands in.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from math import isfinite, prod
from pathlib import Path
from typing import Any

import msgspec

from backstep.trace.event import Event, plain
from backstep.trace.trace import Trace

PLACEMENT = frozenset({"line", "column", "end_line", "end_column"})
"""Where code stands, which is no part of what it does."""


class GoldenError(ValueError):
    """The file is no golden trace. The message is one plain line."""


@dataclass(frozen=True, slots=True)
class Closeness:
    """How far two floats may be apart: by `atol`, or by `rtol` of the scale that they are measured on."""

    rtol: float
    atol: float

    def holds(self, expected: float, got: float, scale: float) -> bool:
        return abs(expected - got) <= max(self.atol, self.rtol * scale)


@dataclass(frozen=True, slots=True)
class Difference:
    """Where two things are not the same: `field` is the way to it (`edges[0].downstream.values[2]`)."""

    field: str
    expected: Any
    got: Any


@dataclass(frozen=True, slots=True)
class Deviation:
    """The first event in which a trace is not the golden one: as it is, None after the trace's end; and its place."""

    position: int
    event: Event | None
    difference: Difference


def write(trace: Trace, path: Path) -> None:
    """Writes the trace as a golden file, without the command line, which is not the test's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    encoder = msgspec.json.Encoder()
    with open(path, "wb") as stream:
        for line in ({**plain(trace.header), "argv": []}, *(event.as_dict() for event in trace.events)):
            stream.write(encoder.encode(line) + b"\n")


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The header, then the events. GoldenError for what is no export, OSError for what cannot be read."""
    with open(path, encoding="utf-8") as stream:
        for number, line in enumerate(stream, 1):
            try:
                thing = json.loads(line)
            except ValueError:
                thing = None
            if not isinstance(thing, dict) or (number == 1 and thing.get("schema") != "backstep"):
                raise GoldenError(f"{path}:{number}: not a line of a jsonl export")
            yield thing


def first_deviation(trace: Trace, golden: Iterator[dict[str, Any]], closeness: Closeness) -> Deviation | None:
    """The first event that is not as in the golden trace (its events, without the header)."""
    for index, (event, expected) in enumerate(zip_longest(trace.events, golden)):
        got = None if event is None else event.as_dict()
        difference = difference_of(expected, got, closeness)
        if difference is not None:
            return Deviation(index if event is None else event.position, event, difference)
    return None


def difference_of(expected: Any, got: Any, closeness: Closeness, field: str = "") -> Difference | None:
    """The first difference between two things as jsonl has them."""
    if expected == got:  # by far the most common, and fast
        return None
    if isinstance(expected, dict) and isinstance(got, dict):
        return _between_dicts(expected, got, closeness, field)
    if isinstance(expected, list) and isinstance(got, list):
        return _between_lists(expected, got, closeness, field)
    if is_float(expected, got) and closeness.holds(expected, got, max(abs(expected), abs(got))):
        return None
    return Difference(field, expected, got)


def _between_dicts(expected: Any, got: Any, closeness: Closeness, field: str) -> Difference | None:
    for key in dict.fromkeys((*expected, *got)):
        if key in PLACEMENT:
            continue
        way = f"{field}.{key}" if field else key
        before, now = expected.get(key), got.get(key)
        if key == "values":
            difference = _between_numbers(before, now, closeness, way)
        elif key == "summary" and before and now:
            difference = _between_summaries(expected, got, closeness, way)
        else:
            difference = difference_of(before, now, closeness, way)
        if difference is not None:
            return difference
    return None


def _between_lists(expected: list[Any], got: list[Any], closeness: Closeness, field: str) -> Difference | None:
    for index, (before, now) in enumerate(zip(expected, got, strict=False)):
        difference = difference_of(before, now, closeness, f"{field}[{index}]")
        if difference is not None:
            return difference
    return None if len(expected) == len(got) else Difference(f"number of {field}", len(expected), len(got))


def _between_numbers(expected: Any, got: Any, closeness: Closeness, field: str) -> Difference | None:
    """The numbers of a tensor are measured by its largest magnitude: the small ones carry the large ones' rounding."""
    befores, nows = dict(elements(expected)), dict(elements(got))
    if befores.keys() != nows.keys():
        return Difference(field, expected, got)
    scale = magnitude((*befores.values(), *nows.values()))
    for index, before in befores.items():
        now = nows[index]
        if before != now and not (is_float(before, now) and closeness.holds(before, now, scale)):
            return Difference(field + index, before, now)
    return None


def _between_summaries(expected: Any, got: Any, closeness: Closeness, field: str) -> Difference | None:
    """A summary says something of its own only where the values were not kept."""
    if expected["values"] is not None:
        return None
    before, now = expected["summary"], got["summary"]
    size = magnitude(summary[name] for summary in (before, now) for name in ("min", "max"))
    norm = magnitude((before["norm"], now["norm"]))
    # How many are exactly zero is a matter of rounding: as large a part of them may change as of a number.
    scales = {"min": size, "max": size, "mean": size, "std": size, "norm": norm, "zeros": prod(expected["shape"])}
    for name in before:
        one, other = before[name], now[name]
        near = name in scales and is_number(one, other) and closeness.holds(one, other, scales[name])
        if one != other and not near:
            return Difference(f"{field}.{name}", one, other)
    return None


def elements(values: Any, index: str = "") -> Iterator[tuple[str, Any]]:
    """What is in nested lists, each with its index: `[0][2]`."""
    if isinstance(values, list):
        for number, inner in enumerate(values):
            yield from elements(inner, f"{index}[{number}]")
    else:
        yield index, values


def magnitude(numbers: Any) -> float:
    """The largest finite magnitude; 0 where there is none."""
    return max((abs(number) for number in numbers if is_number(number) and isfinite(number)), default=0.0)


def is_number(*things: Any) -> bool:
    """Whether all are numbers: NaN and Inf are words in jsonl."""
    return all(type(thing) in (int, float) for thing in things)


def is_float(*things: Any) -> bool:
    """Whether these are numbers that a rounding may have touched."""
    return is_number(*things) and float in map(type, things)
