"""Threads that the program starts while it is recorded: modes belong to a thread, so each new one gets ours."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from backstep.recorder.session import Session
from backstep.recorder.stack import is_active, put_under_stack, take_from_stack
from backstep.recorder.tracebacks import clean

if TYPE_CHECKING:
    from backstep.recorder.mode import Recording


class Threads:
    """Stands where a thread begins to run."""

    def __init__(self, session: Session, mode: Recording) -> None:
        self._session = session
        self._mode = mode

    def install(self) -> Callable[[], None]:
        session, mode = self._session, self._mode
        kind: Any = threading.Thread
        original = kind._bootstrap_inner  # what calls `run`, also one that a subclass has of its own

        def _bootstrap_inner(thread: threading.Thread) -> None:
            if not session.enabled or thread.name == session.scribe.thread_name:
                original(thread)
                return
            _report_as_python(thread)
            put_under_stack(mode)
            try:
                original(thread)
            finally:
                if is_active(mode):
                    take_from_stack(mode)

        kind._bootstrap_inner = _bootstrap_inner

        def remove() -> None:
            if kind._bootstrap_inner is _bootstrap_inner:
                kind._bootstrap_inner = original

        return remove


def _report_as_python(thread: threading.Thread) -> None:
    """What ends the thread is told without our frames."""
    told: Any = thread
    original = told._invoke_excepthook

    def invoke(thread: threading.Thread) -> None:
        error = sys.exception()
        if error is not None:
            clean(error)
        original(thread)

    told._invoke_excepthook = invoke
