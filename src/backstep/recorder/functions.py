"""Custom `torch.autograd.Function`: `apply` is the one call that a function mode does not see."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import torch

from backstep.recorder.calls import arguments_of, tensors_in
from backstep.recorder.mode import phase_now, sequence_number, weight
from backstep.recorder.nodes import KEY, NO_GRAD, Twin
from backstep.recorder.session import Session


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
            if torch.compiler.is_compiling() or not session.enabled or session.thread.busy:
                return bare(*args, **kwargs)
            shots = None
            with session.guarded(cls.__name__):
                shots = [session.camera.snap(t) for t in tensors_in(args)]
                names = [(shot.name, t.requires_grad) for shot, t in zip(shots, tensors_in(args), strict=True)]
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
                    emit(session, cls, args, shots, names, result, enabled, start)
            return result

        function.apply = classmethod(apply)  # type: ignore[assignment, method-assign]

        def remove() -> None:
            function.apply = original  # type: ignore[method-assign]

        return remove


def emit(
    session: Session, cls: Any, args: Any, shots: Any, names: list[tuple[str, bool]], result: Any, enabled: bool,
    start: int,
) -> None:  # fmt: skip
    where = session.where_from(sys._getframe(2))
    outputs = list(tensors_in(result))
    after = [session.camera.snap(t, where.bound or where.expression) for t in outputs]
    node = next((t.grad_fn for t in outputs if t.grad_fn is not None and t.grad_fn._sequence_nr() >= start), None)
    twin: Twin | None = None
    metadata: Any = None if node is None else node.metadata
    if metadata is not None and KEY not in metadata:
        inputs = [(name, "" if needed else NO_GRAD) for name, needed in names]
        twin = Twin(next(session.nodes), session.scribe.position, edges_of(args, inputs), False, session.module)
        metadata[KEY] = twin
    if where.bound is not None and len(outputs) == 1:
        session.tensors.rename(session.tensors.entry(outputs[0]), where.bound, 2)
        after[0].name = session.tensors.entry(outputs[0]).name
    session.emit(
        "forward", phase_now(session), where, session.module, cls.__name__, "", shots, after, arguments_of(args, {}),
        twin.node if twin else -1, 1 if twin else 0, -1, enabled, False, "", size=weight(shots) + weight(after),
    )  # fmt: skip


def edges_of(args: Any, inputs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """A custom function's node has an edge for each tensor it was given directly."""
    direct = sum(isinstance(arg, torch.Tensor) for arg in args)
    return inputs[:direct] if direct <= len(inputs) else inputs
