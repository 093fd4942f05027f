"""Several processes: what a collective (`all_reduce`, `broadcast`, ...) wrote, and which rank this process is.

A collective that changes a leaf's gradient is a gradient write, by its name; one that changes anything else is an op.
`DistributedDataParallel` reduces in C++ while a backward pass runs: told at the end of the pass, by what has changed.
"""

from __future__ import annotations

import functools
import sys
import weakref
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeGuard

import torch

from backstep.recorder.calls import sort_out
from backstep.recorder.compiling import is_compiling
from backstep.recorder.frames import Where
from backstep.recorder.grads import grad_written
from backstep.recorder.scribe import FORWARD, GRAD_WRITE, IN_FORWARD, IN_OTHER, IN_UPDATE, UPDATE
from backstep.recorder.session import Session
from backstep.recorder.snapshot import Shot, is_leaf
from backstep.recorder.tensors import Entry

if TYPE_CHECKING:
    from backstep.recorder.backward import Pass

COLLECTIVES = """
all_reduce broadcast reduce all_gather all_gather_into_tensor gather scatter reduce_scatter reduce_scatter_tensor
all_to_all all_to_all_single all_reduce_coalesced all_gather_coalesced send recv
""".split()
PENDING = 256
"""How many collectives are remembered that nobody has waited for."""


class Collective:
    """A collective under way: its tensors as they were before it."""

    def __init__(self, session: Session, name: str, where: Where, args: Any, kwargs: dict[str, Any]) -> None:
        self.name = name
        self.where = where
        tensors, self.arguments = sort_out(args, kwargs, session.text)
        self.tensors = [weakref.ref(tensor) for tensor in tensors]
        session.camera.epoch += 1  # no version counts what it writes
        self.before = [session.camera.snap(tensor) for tensor in tensors]

    def over(self, session: Session) -> None:
        """Tells what it wrote."""
        session.camera.epoch += 1
        rest: list[tuple[torch.Tensor, Shot]] = []
        for reference, before in zip(self.tensors, self.before, strict=True):
            tensor = reference()
            if tensor is None:
                continue
            entry = session.tensors.entry(tensor)
            base = entry.base or entry
            if base.grad_of is not None:
                grad_written(session, base, before, tensor, self.where, self.name)
            elif base.leaf and is_leaf(tensor) and tensor.requires_grad:
                self._updated(session, base, before, tensor)
            else:
                rest.append((tensor, before))
        if rest:
            self._ran(session, rest)

    def _updated(self, session: Session, leaf: Entry, before: Shot, tensor: torch.Tensor) -> None:
        after = session.camera.snap(tensor)
        grad = None if tensor.grad is None else session.camera.snap(tensor.grad)
        row = ("update", leaf.number, session.text(self.name), before, after, grad, None, (), torch.is_grad_enabled())
        session.emit(UPDATE, IN_UPDATE, self.where, row, subject=leaf.number)

    def _ran(self, session: Session, changed: list[tuple[torch.Tensor, Shot]]) -> None:
        inputs = tuple(before for _, before in changed)
        outputs = tuple(session.camera.snap(tensor) for tensor, _ in changed)
        row = (
            "forward", session.text(self.name), 0, inputs, outputs, self.arguments, -1, 0, -1,
            torch.is_grad_enabled(), True, 0,
        )  # fmt: skip
        session.emit(FORWARD, IN_FORWARD, self.where, row, module=session.module)


class Collectives:
    """Stands where `torch.distributed` begins a collective, and where a program waits for one."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._pending: deque[tuple[Any, Collective]] = deque(maxlen=PENDING)

    def install(self) -> Callable[[], None]:
        distributed: Any = torch.distributed
        if not distributed.is_available():
            return lambda: None
        self._remember_rank()
        undo: list[tuple[Any, str, Any]] = []

        def replace(place: Any, name: str, new: Any) -> None:
            undo.append((place, name, getattr(place, name)))
            setattr(place, name, new)

        for place in (distributed, distributed.distributed_c10d):
            for name in (name for name in COLLECTIVES if hasattr(distributed, name)):
                replace(place, name, self._seen(name, getattr(place, name)))
            replace(place, "init_process_group", self._begun(distributed.init_process_group))
        replace(distributed.Work, "wait", self._waited(distributed.Work.wait))

        def remove() -> None:
            for place, name, original in reversed(undo):
                setattr(place, name, original)

        return remove

    def _seen(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        session = self._session

        @functools.wraps(original)
        def collective(*args: Any, **kwargs: Any) -> Any:
            state = session.thread
            if is_compiling() or not session.enabled or state.busy:
                return original(*args, **kwargs)
            begun: Collective | None = None
            with session.guarded(name):
                begun = Collective(session, name, session.where_from(sys._getframe(1)), args, kwargs)
            state.busy = True
            try:
                work = original(*args, **kwargs)
            finally:
                state.busy = False
            if begun is not None:
                if work is not None and hasattr(work, "wait"):
                    self._pending.append((work, begun))
                else:
                    with session.guarded(name):
                        begun.over(session)
            return work

        return collective

    def _waited(self, original: Callable[..., Any]) -> Callable[..., Any]:
        session = self._session

        @functools.wraps(original)
        def wait(work: Any, *args: Any, **kwargs: Any) -> Any:
            result = original(work, *args, **kwargs)
            over = [begun for other, begun in self._pending if other is work]
            if over and session.enabled and not session.thread.busy:
                self._pending = deque((p for p in self._pending if p[0] is not work), PENDING)
                for begun in over:
                    with session.guarded(begun.name):
                        begun.over(session)
            return result

        return wait

    def _begun(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def init_process_group(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            self._remember_rank()
            return result

        return init_process_group

    def _remember_rank(self) -> None:
        if torch.distributed.is_initialized():
            self._session.rank = (torch.distributed.get_rank(), torch.distributed.get_world_size())


def reduces() -> bool:
    """Whether there are other processes, with which gradients may be reduced."""
    distributed: Any = torch.distributed
    return bool(distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1)


def tell_reduced(session: Session, backward: Pass) -> None:
    """After a backward pass: which of the gradients that it accumulated are not what it left in them."""
    changed = [(leaf, grad, left) for leaf, left in backward.left if differs(grad := leaf.grad, left)]
    if not changed:
        return
    session.camera.epoch += 1
    by = session.text("all_reduce")
    for leaf, grad, left in changed:
        entry = session.tensors.leaf(leaf)
        session.tensors.gradient(grad, entry)
        before = session.camera.gradient(left, backward.gradient_of(entry.name_number))
        row = ("grad_write", entry.number, by, before, session.camera.snap(grad))
        session.emit(GRAD_WRITE, IN_OTHER, backward.where, row, subject=entry.number)


def differs(grad: torch.Tensor | None, left: torch.Tensor) -> TypeGuard[torch.Tensor]:
    """Whether there is a gradient, and another than was left."""
    return grad is not None and not torch.equal(grad, left)
