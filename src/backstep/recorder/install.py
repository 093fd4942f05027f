"""Puts every hook in, and gives back the one handle that takes them all out."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from backstep.recorder.frames import clear_tokens
from backstep.recorder.session import Session


def install_torch(session: Session) -> Callable[[], None]:
    """Hooks torch, which the user's program has imported, in this thread. Call what is returned to undo it."""
    import torch

    from backstep.recorder.backward import Engine
    from backstep.recorder.functions import CustomFunctions
    from backstep.recorder.mode import Recording
    from backstep.recorder.modules import Modules
    from backstep.recorder.optimizers import Optimizers
    from backstep.recorder.stack import is_active, put_under_stack, take_from_stack

    mode = Recording(session)
    stack = ExitStack()
    original: Any = torch.autograd.graph._engine_run_backward
    stack.callback(Engine(session, mode, original).install())
    stack.callback(CustomFunctions(session).install())
    stack.callback(Optimizers(session, mode).install())
    stack.callback(Modules(session, mode).install())
    # Under what the user has entered already: that is left first, and must find itself on top.
    put_under_stack(mode)

    def leave() -> None:
        if is_active(mode):
            take_from_stack(mode)
        clear_tokens(sys._getframe())

    stack.callback(leave)
    return stack.close
