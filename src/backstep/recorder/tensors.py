"""Numbers and names for tensors: ours, given once, forgotten with the tensor. Nothing is written on a tensor."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from typing import Any

EXPRESSION, OPERAND, BOUND, PARAMETER = range(4)
"""How good a name is: as written, as used, as bound to a variable, as a parameter of a model."""


class Entry(weakref.ref[Any]):
    """What is known of one live tensor: a weak reference to it, with its number and its names."""

    __slots__ = (
        "base", "factor", "grad_of", "key", "leaf", "name", "name_number", "number", "origin", "rank", "shot",
        "shot_epoch", "shot_flow", "trusted", "whole",
    )  # fmt: skip

    key: int
    number: int
    name: str
    name_number: int
    """The name's number in the trace's table of strings."""
    rank: int
    leaf: bool
    grad_of: Entry | None
    """The leaf whose `.grad` this is."""
    base: Entry | None
    """The tensor whose memory this one shares outside the graph (`.data`, `detach()`)."""
    whole: Entry | None
    """The leaf, or the `.grad` of one, of which this is a view, of a part or of all of it."""
    origin: Entry | None
    """The leaf from whose `.grad` this was computed without grad mode."""
    factor: float | None
    """... by multiplication with this number alone."""
    shot: Any
    """What was recorded of the tensor last, in the camera's epoch and flow."""
    shot_epoch: int
    shot_flow: int
    trusted: bool
    """Whoever writes to the tensor is counted in its version."""

    @property
    def is_part(self) -> bool:
        """Whether to write to it is to write to a leaf or to a leaf's gradient."""
        return self.leaf or self.grad_of is not None or self.whole is not None


class Tensors:
    """The registry. `tell` passes on what the trace must know: leaves, names, whose gradient a tensor is."""

    def __init__(
        self, tell: Callable[..., None], text: Callable[[str], int], text_of: Callable[[int], str]
    ) -> None:
        self.entries: dict[int, Entry] = {}
        """By `id()` of the live tensor; for the hottest look-ups, which cannot afford a call."""
        self._numbers = itertools.count()
        self._tell = tell
        self._text = text
        self._text_of = text_of
        self._taken: dict[str, int] = {}
        entries = self.entries

        def forget(entry: Any) -> None:  # an `Entry`; at the end of the interpreter that name is gone
            key: int = entry.key
            if entries.get(key) is entry:
                del entries[key]

        self._forget = forget

    def known(self, tensor: Any) -> Entry | None:
        """The entry of a tensor, if it has one."""
        return self.entries.get(id(tensor))

    def entry(self, tensor: Any, name: str = "") -> Entry:
        """The entry of a tensor; a new one gets this name, as an expression."""
        entry = self.entries.get(id(tensor))
        return entry if entry is not None else self.new(tensor, name)

    def new(self, tensor: Any, name: str) -> Entry:
        """A tensor that is seen for the first time."""
        return self.new_called(tensor, name, self._text(name) if name else 0)

    def called(self, tensor: Any, name: int) -> Entry:
        """As `entry`, given the name's number."""
        entry = self.entries.get(id(tensor))
        return entry if entry is not None else self.new_called(tensor, self._text_of(name), name)

    def new_called(self, tensor: Any, name: str, number: int) -> Entry:
        """A tensor that is seen for the first time, whose name has this number."""
        entry = Entry(tensor, self._forget)
        entry.key = id(tensor)
        entry.number = next(self._numbers)
        entry.name = name
        entry.name_number = number
        entry.rank = EXPRESSION
        entry.leaf = False
        entry.grad_of = entry.base = entry.whole = entry.origin = entry.factor = entry.shot = None
        self.entries[entry.key] = entry
        return entry

    def describe(self, entry: Entry, expression: str) -> None:
        """A result is called as it was written, until it has a better name."""
        if entry.rank == EXPRESSION and not entry.leaf and expression and entry.name != expression:
            self._call(entry, expression)

    def _call(self, entry: Entry, name: str) -> None:
        entry.name = name
        entry.name_number = self._text(name)

    def leaf(self, tensor: Any, name: str = "") -> Entry:
        """The entry of a leaf that requires grad: known to the trace from now on."""
        entry = self.entry(tensor, name)
        if not entry.leaf:
            entry.leaf = True
            self._call(entry, self._unique(entry, entry.name or name or f"tensor {entry.number}"))
            self._tell("leaf", entry.number, entry.name_number)
        return entry

    def buffer(self, tensor: Any) -> Entry:
        """The entry of a tensor that ops change unseen: a new value counts from the op on that takes it."""
        entry = self.entry(tensor)
        self._tell("buffer", entry.number)
        return entry

    def rename(self, entry: Entry, name: str, rank: int) -> None:
        """Gives a better name, if it is one."""
        if rank <= entry.rank or not name:
            return
        entry.rank = rank
        if entry.leaf:
            if entry.name == name:
                return
            self._taken.pop(entry.name, None)
            self._call(entry, self._unique(entry, name))
            self._tell("leaf", entry.number, entry.name_number)
        elif entry.name != name:
            self._call(entry, name)
            self._tell("name", entry.number, entry.name_number)

    def _unique(self, entry: Entry, name: str) -> str:
        candidate, number = name, 2
        while self._taken.setdefault(candidate, entry.number) != entry.number:
            candidate, number = f"{name}#{number}", number + 1
        return candidate

    def gradient(self, tensor: Any, leaf: Entry) -> Entry:
        """The entry of what is now the `.grad` of a leaf."""
        entry = self.entry(tensor, f"{leaf.name}.grad")
        if entry.grad_of is not leaf:
            entry.grad_of = leaf
            self._tell("grad_of", entry.number, leaf.number)
        return entry
