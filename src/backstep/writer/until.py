"""Where a recording with a `stop_when` ends: looked for in what has just been written, so that no script waits."""

from __future__ import annotations

from backstep.stops.search import Search
from backstep.stops.stop import parse_stop
from backstep.trace.file import TraceWriter
from backstep.trace.trace import Trace

EVER = 1 << 48
"""More events than any recording has."""


class Until:
    """Looks for the first event at which a stop holds."""

    def __init__(self, writer: TraceWriter, text: str) -> None:
        """ConditionError if the text is no stop."""
        self.text = text
        self._search = Search(parse_stop(text))
        self._writer = writer
        self._trace: Trace | None = None

    def look(self) -> int | None:
        """The position of that event, once it has been written."""
        if self._trace is None:
            self._trace = Trace(self._writer.path, reader=self._writer.reader())
        else:
            self._trace.refresh()
        self._search.look(self._trace)
        return self._search.hits[0] if self._search.hits else None
