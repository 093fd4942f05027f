"""Custom `torch.autograd.Function`: `apply` is the one call that a function mode does not see."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import torch

from backstep.recorder.calls import sort_out, tensors_in
from backstep.recorder.compiling import is_compiling
from backstep.recorder.mode import name_and_shoot, phase_now, sequence_number
from backstep.recorder.nodes import KEY, Twin
from backstep.recorder.scribe import FORWARD
from backstep.recorder.session import Session
from backstep.recorder.snapshot import Shot


class CustomFunctions:
    """Stands where `Function.apply` is."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def install(self) -> Callable[[], None]:
        session = self._session
        function = torch.autograd.Function
        original = function.__dict__["apply"]

        def apply(cls: Any, *args: Any, **kwargs: Any) -> Any:
            bare = original.__get__(None, cls)
            if is_compiling() or not session.enabled or session.thread.busy:
                return bare(*args, **kwargs)
            shots: list[Shot] | None = None
            with session.guarded(cls.__name__):
                tensors, arguments = sort_out(args, {}, session.text)
                shots = [session.camera.snap(t) for t in tensors]
                enabled = torch.is_grad_enabled()
                start = sequence_number()
            try:
                result = bare(*args, **kwargs)
            except BaseException as error:
                if error.__traceback__ is not None:
                    error.__traceback__ = error.__traceback__.tb_next
                raise
            if shots is not None:
                with session.guarded(cls.__name__):
                    emit(session, cls, args, shots, arguments, result, enabled, start)
            return result

        function.apply = classmethod(apply)  # type: ignore[assignment, method-assign]

        def remove() -> None:
            function.apply = original  # type: ignore[method-assign]

        return remove


def emit(
    session: Session, cls: Any, args: Any, shots: list[Shot], arguments: Any, result: Any,
    enabled: bool, start: int,
) -> None:  # fmt: skip
    where = session.where_from(sys._getframe(2))
    outputs = list(tensors_in(result))
    after = name_and_shoot(session, outputs, where.spot)
    node = next((t.grad_fn for t in outputs if t.grad_fn is not None and t.grad_fn._sequence_nr() >= start), None)
    first, count = -1, 0
    metadata: Any = None if node is None else node.metadata
    if metadata is not None and KEY not in metadata:
        direct = sum(isinstance(arg, torch.Tensor) for arg in args)
        first, count = next(session.nodes), 1
        # A custom function's node has an edge for each tensor that it was given directly.
        metadata[KEY] = Twin(first, session.scribe.position, tuple(shots[:direct]), (), False, session.module)
    row = (
        "forward", session.text(cls.__name__), 0, tuple(shots), after, arguments, first, count, -1, enabled, False, 0,
    )  # fmt: skip
    session.emit(FORWARD, phase_now(session), where, row, module=session.module, subject=first, extent=count)

