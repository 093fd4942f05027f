"""The numbers of one tensor as they lie in the file, and what is known of those that were not kept."""

from __future__ import annotations

import msgspec
import numpy as np

from backstep.trace.event import Array, Sketch, Summary, summarize
from backstep.trace.file import TraceError
from backstep.trace.records import PayloadRow
from backstep.trace.sketch import corners, thumbnail


class Payload:
    """The numbers of a tensor as they lie in the file."""

    __slots__ = ("_row",)

    def __init__(self, row: PayloadRow) -> None:
        self._row = row

    def array(self, shape: tuple[int, ...]) -> Array | None:
        if self._row.values is None:
            return None
        try:
            dtype = np.dtype(self._row.dtype)
            if dtype.kind not in "fiubc":
                raise TypeError(dtype)
            return np.frombuffer(self._row.values, dtype).reshape(shape)
        except (TypeError, ValueError) as error:
            raise TraceError(f"damaged payload: {error}") from None

    def sketch(self, shape: tuple[int, ...]) -> Sketch | None:
        """Of numbers that are not kept."""
        row, summary = self._row.sketch, self._row.summary
        if row is None or summary is None:
            return None
        try:
            return Sketch(row.histogram, thumbnail(row, summary), corners(row, shape[-1] if shape else 1))
        except ValueError as error:
            raise TraceError(f"damaged payload: {error}") from None

    def summary(self, shape: tuple[int, ...]) -> Summary | None:
        if self._row.summary is not None:
            return Summary(*msgspec.structs.astuple(self._row.summary))
        array = self.array(shape)
        return None if array is None else summarize(array)
