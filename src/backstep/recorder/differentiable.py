"""What a backward pass that builds a graph (`create_graph=True`) runs on its own: the ops of that graph, with nodes.

No function mode sees them, since the engine calls no Python for them. They are collected under a dispatch mode, and
become events when the hook of a node tells what came of them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import torch

from backstep.recorder.frames import Where
from backstep.recorder.mode import Call, Parts, autocast, part_row, sequence_number, used
from backstep.recorder.nodes import claim
from backstep.recorder.scribe import FORWARD, IN_BACKWARD
from backstep.recorder.snapshot import disable_function

if TYPE_CHECKING:
    from backstep.recorder.session import Session


class GraphOfPass(Parts):
    """The aten ops of one such pass that no user code runs."""

    def __init__(self, session: Session, where: Where, engine: Callable[..., Any]) -> None:
        super().__init__(session)
        self._where = where
        self._engine = engine.__code__
        self._since = sequence_number()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        with disable_function():  # as the engine calls it: no function mode sees it again
            if sys._getframe(1).f_code is not self._engine:
                return func(*args, **(kwargs or {}))  # a hook or a `Function.backward`: events already
            return super().__torch_dispatch__(func, types, args, kwargs)

    def tell(self, results: Iterable[torch.Tensor | None], module: int) -> None:
        """What has run since the last time becomes events; the nodes that it made are found behind its results."""
        if not self.parts:
            return
        session, call = self._session, Call()
        parts, self.parts = used(self.parts), []
        call.tensors, call.inputs, call.arguments = [], [], ()
        call.sequence, self._since = self._since, sequence_number()
        call.grad_enabled, call.autocast = torch.is_grad_enabled(), session.text(autocast())
        nodes = claim(session, call, parts, [result for result in results if result is not None])
        with session.scribe.lock:
            for offset, part in enumerate(parts):
                first, count = place = nodes.place(offset, session.scribe.position)
                row = part_row(session, part, call, place, -1)
                session.emit(FORWARD, IN_BACKWARD, self._where, row, module=module, subject=first, extent=count)
