"""Whose gradient a tensor is: a table that has an entry for each gradient of a run, and 16 bytes for each."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator


class Owners:
    """From tensors to leaves. Numbers of tensors grow with a run, so that nearly all come in order."""

    def __init__(self) -> None:
        self._tensors = array("q")
        self._leaves = array("q")
        self._late: dict[int, int] = {}
        """What came out of order, or again; it counts."""

    def update(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Adds `(tensor, leaf)`; of a tensor that is there already the last one counts."""
        last = self._tensors[-1] if self._tensors else -1
        for tensor, leaf in pairs:
            if tensor > last:
                self._tensors.append(tensor)
                self._leaves.append(leaf)
                last = tensor
            else:
                self._late[tensor] = leaf

    def get(self, tensor: int) -> int | None:
        if tensor in self._late:
            return self._late[tensor]
        at = bisect_left(self._tensors, tensor)
        return self._leaves[at] if at < len(self._tensors) and self._tensors[at] == tensor else None

    def __contains__(self, tensor: int) -> bool:
        return self.get(tensor) is not None

    def of(self, leaf: int) -> Iterator[int]:
        """The tensors that are, or were, this leaf's gradient."""
        for tensor, owner in zip(self._tensors, self._leaves, strict=True):
            if owner == leaf and tensor not in self._late:
                yield tensor
        yield from (tensor for tensor, owner in self._late.items() if owner == leaf)
