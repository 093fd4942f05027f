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
    from backstep.recorder.collectives import Collectives
    from backstep.recorder.functions import CustomFunctions
    from backstep.recorder.mode import Recording
    from backstep.recorder.modules import Modules
    from backstep.recorder.optimizers import Optimizers
    from backstep.recorder.threads import Threads
    from backstep.recorder.watch import Watch

    mode = Recording(session)
    installs = [
        CustomFunctions(session).install, Optimizers(session, mode).install, Modules(session, mode).install,
        Threads(session, mode).install, Collectives(session).install,
    ]  # fmt: skip
    watch = Watch(session, mode, installs)
    original: Any = torch.autograd.graph._engine_run_backward
    stack = ExitStack()
    stack.callback(Engine(session, mode, original, watch).install())
    watch.begin()
    stack.callback(watch.end)
    stack.callback(lambda: clear_tokens(sys._getframe()))
    return stack.close
