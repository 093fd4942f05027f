"""What the script prints, seen on its way: `write` of the two streams is shadowed, the streams stay theirs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from backstep.recorder.frames import Where
from backstep.recorder.scribe import IN_OTHER, OUTPUT
from backstep.recorder.session import Session

LONGEST = 64 * 1024
"""Characters of one output event; what is printed beyond is another event."""


class Streams:
    """Collects what is written until a line ends."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._pending: dict[str, list[str]] = {"stdout": [], "stderr": []}
        self._places: dict[str, Where] = {}

    def install(self) -> Callable[[], None]:
        removals = [self._shadow(name) for name in ("stdout", "stderr")]

        def remove() -> None:
            self.flush()
            for removal in removals:
                removal()

        return remove

    def _shadow(self, name: str) -> Callable[[], None]:
        stream = getattr(sys, name)
        if stream is None:
            return lambda: None
        original = stream.write

        def write(text: str) -> Any:
            result = original(text)
            if self._session.enabled and not self._session.thread.busy:
                with self._session.guarded("output"):
                    self._written(name, text, sys._getframe(1))
            return result

        try:
            stream.write = write
        except AttributeError:
            return lambda: None

        def remove() -> None:
            if stream.__dict__.get("write") is write:
                del stream.write

        return remove

    def _written(self, name: str, text: str, frame: Any) -> None:
        if not isinstance(text, str) or not text:
            return
        pending = self._pending[name]
        if not pending:
            self._places[name] = self._session.where_from(frame)
        pending.append(text)
        if text.endswith("\n") or sum(map(len, pending)) > LONGEST:
            self._emit(name)

    def _emit(self, name: str) -> None:
        text = "".join(self._pending[name])
        self._pending[name] = []
        if text:
            self._session.emit(OUTPUT, IN_OTHER, self._places[name], ("output", name, text))

    def flush(self) -> None:
        """Emits what has not ended its line."""
        for name in self._pending:
            if self._pending[name]:
                with self._session.guarded("output"):
                    self._emit(name)
