"""`x[0:5, -1]`: which part of which tensor is looked at. Read as numpy reads it, without evaluating anything."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import EllipsisType

from backstep.explain.figures import shape_text

PART = slice | int | EllipsisType
FORM = re.compile(r"(?P<name>[^\[\]]*?)\s*(?:\[(?P<index>[^\[\]]*)\])?")
NUMBER = re.compile(r"[+-]?\d+")


class BadSlice(ValueError):
    """What is wrong with a slice, in a few words."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Some of a tensor: an index for each of its first dims; `text` as it was written."""

    text: str = ""
    index: tuple[PART, ...] = ()


WHOLE = Slice()


def read(text: str) -> Slice:
    """`0:5, -1, ...` without its brackets; nothing is all of it."""
    text = text.strip()
    if not text:
        return WHOLE
    return Slice(text, tuple(_part(part.strip()) for part in text.split(",") if part.strip()))


def _part(text: str) -> PART:
    if text in ("...", "…"):
        return ...
    ends = [end.strip() for end in text.split(":")]
    if len(ends) > 3 or not all(NUMBER.fullmatch(end) or not end for end in ends) or not any((ends[0], len(ends) > 1)):
        raise BadSlice(f"{text!r} is no index: write 3, 0:5, ::2 or ...")
    if len(ends) == 1:
        return int(ends[0])
    numbers = [int(end) if end else None for end in ends]
    if numbers[2:] == [0]:
        raise BadSlice("a step cannot be 0")
    return slice(*numbers)


def shape_of(shape: tuple[int, ...], part: Slice) -> tuple[int, ...]:
    """The shape of that part of a tensor; `BadSlice` where it has none."""
    dots = [at for at, one in enumerate(part.index) if one is ...]
    given = len(part.index) - len(dots)
    if len(dots) > 1:
        raise BadSlice("only one ... can stand for the other dims")
    if given > len(shape):
        raise BadSlice(f"{given} indices for {shape_text(shape) or 'a single number'}")
    index = list(part.index)
    at = dots[0] if dots else len(index)
    index[at : at + len(dots)] = [slice(None)] * (len(shape) - given)
    result = []
    for dim, (size, one) in enumerate(zip(shape, index, strict=True)):
        if isinstance(one, slice):
            result.append(len(range(*one.indices(size))))
        elif isinstance(one, int) and not -size <= one < size:
            raise BadSlice(f"{one} is out of range: dim {dim} has {size}")
    return tuple(result)


def named(text: str, known: Mapping[str, int]) -> tuple[int | None, Slice]:
    """`x[0:5]`: the number of the tensor of that name, None where none is named; and the part."""
    form = FORM.fullmatch(text.strip())
    if form is None:
        # The name itself has brackets, as `xs[t]`: it is one of the known, perhaps with an index behind it.
        name = max((one for one in known if text.strip().startswith(one)), key=len, default="")
        rest = text.strip()[len(name) :].strip()
        if not name or (rest and not (rest.startswith("[") and rest.endswith("]"))):
            raise BadSlice("write x, x[0:5], or [0:5] for the one that is shown")
        return known[name], read(rest[1:-1])
    name, index = form["name"], form["index"] or ""
    if name and form["index"] is None and name not in known and _is_index(name):
        return None, read(name)
    if name and text.strip() in known:
        return known[text.strip()], WHOLE
    if name and name not in known:
        raise BadSlice(f"no tensor is called {name!r} here")
    return (known[name] if name else None), read(index)


def _is_index(text: str) -> bool:
    return re.fullmatch(r"[\d\s:,.+-]+", text) is not None
