"""What looks on while a window is open: the function mode and every hook but the entry of the engine.

Between two windows all of it is away, so that those iterations cost what they cost without a recorder.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from backstep.recorder.frames import token_of
from backstep.recorder.session import Session
from backstep.recorder.stack import is_active, put_under_stack, take_from_stack

if TYPE_CHECKING:
    from backstep.recorder.mode import Recording


class Watch:
    """The hooks of a recording, put in and taken out together."""

    def __init__(self, session: Session, mode: Recording, installs: list[Callable[[], Callable[[], None]]]) -> None:
        self._session = session
        self._mode = mode
        self._installs = installs
        self._hooks = ExitStack()
        self._ending: Any = None

    def begin(self) -> None:
        """Puts everything in, in this thread."""
        for install in self._installs:
            self._hooks.callback(install())
        # Under what the user has entered already: that is left first, and must find itself on top.
        put_under_stack(self._mode)

    def end(self) -> None:
        """Takes everything out again."""
        self._hooks.close()
        if is_active(self._mode):
            take_from_stack(self._mode)

    def close_later(self) -> None:
        """The window ends: called inside a torch function that the program has called, it waits for its end.

        Until then the mode is in use. The function's frame goes when it is over, and with it the token on it.
        """
        session = self._session
        frame = session.frames.outermost_torch(sys._getframe(1))
        token = None if frame is None else token_of(frame)
        if token is None or isinstance(token, int):
            return  # under a tracer there is no telling; then events are dropped one by one

        def close(_: object) -> None:
            if session.enabled and is_active(self._mode):
                session.close()
                self.end()

        self._ending = weakref.ref(token, close)

    def reopen(self) -> None:
        """The next window begins."""
        self._session.reopen()
        self.begin()
