"""Where two recordings of the same script first differ: in what happened, or in a number beyond a tolerance.

What stands at one position in both is compared. What only counts things (numbers of tensors and nodes) and where the
code stands in its file is left out: the same program with a comment more is the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from backstep.trace.event import Event
from backstep.trace.records import EventRow, LocalRow, Row, ValueRow
from backstep.trace.trace import Trace

STRETCH = 1024
"""Events that are read at once."""
COUNTED = frozenset("position source stack tensor version number node nodes forward parent pass".split())
"""Fields that tell no difference by themselves; of an event its `tensor` is a name, and does."""
NUMBERS = frozenset({"values", "summary"})


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Two numbers are the same when they differ by at most `absolute + relative * |b|`; NaN is the same as NaN."""

    relative: float = 0.0
    absolute: float = 0.0

    def same(self, a: float, b: float) -> bool:
        if a == b or (math.isnan(a) and math.isnan(b)):
            return True
        return math.isfinite(a) and math.isfinite(b) and abs(a - b) <= self.absolute + self.relative * abs(b)


EXACT = Tolerance()


@dataclass(frozen=True, slots=True)
class Difference:
    """`field`: the path to what differs, such as `outputs[0].values[3]`; empty where one of the traces has ended.
    `a` and `b`: what each of them has there."""

    position: int
    field: str = ""
    a: Any = None
    b: Any = None

    @property
    def is_of_numbers(self) -> bool:
        """Whether the same happened, with other numbers."""
        return any(name in self.field for name in NUMBERS)


def first_difference(a: Trace, b: Trace, tolerance: Tolerance = EXACT) -> Difference | None:
    """The first event that differs; None where there is none. Memory does not grow with the traces."""
    both = min(len(a), len(b))
    quickly = _Rows(a, b)
    for first in range(0, both, STRETCH):
        stretch = range(first, min(both, first + STRETCH))
        for position, one, other in zip(stretch, a.rows(stretch), b.rows(stretch), strict=True):
            if quickly.same(position, one, other):
                continue
            found = of_events(a.event(position), b.event(position), tolerance)
            if found is not None:
                return found
    return None if len(a) == len(b) else Difference(both)


def of_events(a: Event, b: Event, tolerance: Tolerance) -> Difference | None:
    """How two events differ."""
    found = _of(a.as_dict(), b.as_dict(), "", tolerance)
    return None if found is None else Difference(a.position, *found)


def _of(a: Any, b: Any, path: str, tolerance: Tolerance) -> tuple[str, Any, Any] | None:
    """The first difference of two things as the export has them: its path, and what each has there."""
    if isinstance(a, dict) and isinstance(b, dict):
        return _of_dicts(a, b, path, tolerance)
    if isinstance(a, list) and isinstance(b, list):
        if len(a) != len(b):
            return path, a, b
        found = (_of(one, other, f"{path}[{at}]", tolerance) for at, (one, other) in enumerate(zip(a, b, strict=True)))
        return next((one for one in found if one is not None), None)
    one, other = _number(a), _number(b)
    if one is not None and other is not None:
        return None if tolerance.same(one, other) else (path, a, b)
    return None if a == b else (path, a, b)


def _of_dicts(a: dict[str, Any], b: dict[str, Any], path: str, tolerance: Tolerance) -> tuple[str, Any, Any] | None:
    """What happened first, its numbers last: another op has other numbers too, and the op is what tells."""
    names = [name for name in {**a, **b} if name not in COUNTED or (name == "tensor" and isinstance(a.get(name), str))]
    for name in sorted(names, key=lambda name: name in NUMBERS):
        if name not in a or name not in b:
            return f"{path}.{name}".lstrip("."), a.get(name), b.get(name)
        found = _of(a[name], b[name], f"{path}.{name}".lstrip("."), tolerance)
        if found is not None:
            return found
    return None


def _number(thing: Any) -> float | None:
    """A number, as strict JSON has it too."""
    if thing in ("NaN", "Infinity", "-Infinity"):
        return float(thing)
    return float(thing) if isinstance(thing, int | float) and not isinstance(thing, bool) else None


class _Rows:
    """Tells quickly that two events are the same, as the files have them: most are, and few need be read in full."""

    def __init__(self, a: Trace, b: Trace) -> None:
        self._a, self._b = a, b
        texts, metas = min(len(a.strings), len(b.strings)), min(len(a.metas), len(b.metas))
        self._told_alike = a.strings[:texts] == b.strings[:texts] and a.metas[:metas] == b.metas[:metas]
        """Whether the numbers in a row stand for the same in both."""
        self._looked = -1
        """The payloads up to this one are the same."""

    def same(self, position: int, one: EventRow, other: EventRow) -> bool:
        """False where it is not known."""
        if not self._told_alike or one != other:
            return False
        columns = self._a.columns[position], self._b.columns[position]
        if any(columns[0][name] != columns[1][name] for name in ("kind", "phase", "context", "module")):
            return False
        return all(map(self._same_payload, _payloads(one)))

    def _same_payload(self, number: int) -> bool:
        if number > self._looked:
            if self._a.payload_row(number) != self._b.payload_row(number):
                return False
            self._looked = number
        return True


def _payloads(thing: Any) -> Iterator[int]:
    """The payloads that a row refers to, ascending."""
    found: list[int] = []
    stack = [thing]
    while stack:
        one = stack.pop()
        if isinstance(one, ValueRow | LocalRow):
            found.append(one.payload)
        elif isinstance(one, tuple):
            stack += one
        elif isinstance(one, Row):
            stack += [getattr(one, name) for name in one.__struct_fields__]
    yield from sorted(number for number in found if number >= 0)
