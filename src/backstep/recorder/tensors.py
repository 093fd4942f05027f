"""Numbers and names for tensors: ours, given once, forgotten with the tensor. Nothing is written on a tensor."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from typing import Any

EXPRESSION, OPERAND, BOUND, PARAMETER = range(4)
"""How good a name is: as written, as used, as bound to a variable, as a parameter of a model."""


class Entry:
    """What is known of one live tensor."""

    __slots__ = ("base", "factor", "grad_of", "leaf", "name", "number", "origin", "rank", "reference")

    def __init__(self, number: int, name: str, reference: weakref.ref[Any]) -> None:
        self.number = number
        self.name = name
        self.rank = EXPRESSION
        self.reference = reference
        self.leaf = False
        self.grad_of: Entry | None = None
        """The leaf whose `.grad` this is."""
        self.base: Entry | None = None
        """The tensor whose memory this one shares outside the graph (`.data`, `detach()`)."""
        self.origin: Entry | None = None
        """The leaf from whose `.grad` this was computed without grad mode."""
        self.factor: float | None = None
        """... by multiplication with this number alone."""


class Tensors:
    """The registry. `tell` passes on what the trace must know: leaves, names, whose gradient a tensor is."""

    def __init__(self, tell: Callable[[tuple[Any, ...]], None]) -> None:
        self._entries: dict[int, Entry] = {}
        self._numbers = itertools.count()
        self._tell = tell
        self._taken: dict[str, int] = {}

    def known(self, tensor: Any) -> Entry | None:
        return self._entries.get(id(tensor))

    def entry(self, tensor: Any, name: str = "") -> Entry:
        """The entry of a tensor; a new one gets this name, as an expression."""
        key = id(tensor)
        entry = self._entries.get(key)
        if entry is None:
            entries = self._entries

            def forget(_: object, key: int = key) -> None:
                entries.pop(key, None)

            entry = Entry(next(self._numbers), name, weakref.ref(tensor, forget))
            entries[key] = entry
        return entry

    def describe(self, tensor: Any, expression: str) -> None:
        """A result is called as it was written, until it has a better name."""
        entry = self.entry(tensor, expression)
        if entry.rank == EXPRESSION and not entry.leaf and expression:
            entry.name = expression

    def leaf(self, tensor: Any, name: str = "") -> Entry:
        """The entry of a leaf that requires grad: known to the trace from now on."""
        entry = self.entry(tensor, name)
        if not entry.leaf:
            entry.leaf = True
            entry.name = self._unique(entry, entry.name or name or f"tensor {entry.number}")
            self._tell(("leaf", entry.number, entry.name))
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
            entry.name = self._unique(entry, name)
            self._tell(("leaf", entry.number, entry.name))
        elif entry.name != name:
            entry.name = name
            self._tell(("name", entry.number, name))

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
            self._tell(("grad_of", entry.number, leaf.number))
        return entry
