"""What changes a leaf or its `.grad` outside a backward pass: updates, zeroings, gradient writes.

Told by what happened, not by how it was spelled: which tensor changed, whose gradient it is, what is left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from backstep.recorder.calls import Function
from backstep.recorder.frames import Where
from backstep.recorder.snapshot import Snapshot, unreadable
from backstep.recorder.tensors import Entry

if TYPE_CHECKING:
    from backstep.recorder.session import Session

SHARING = frozenset({"data", "detach", "detach_", "view", "view_as", "reshape", "flatten", "unsqueeze", "squeeze"})
WRITERS = frozenset({"handle_torch_function", "_call_impl", "_wrapped_call_impl"})


class Writes:
    """What one call could write: its arguments that are leaves, gradients, or share memory with one."""

    __slots__ = ("_function", "_session", "_tensors", "grad_before")

    def __init__(self, session: Session, function: Function, tensors: list[torch.Tensor]) -> None:
        self._session = session
        self._function = function
        self._tensors = tensors
        self.grad_before: Snapshot | None = None
        for tensor in tensors:
            if tensor.is_leaf and tensor.requires_grad:
                leaf = session.tensors.leaf(tensor)
                grad = tensor.grad
                if grad is not None:
                    session.tensors.gradient(grad, leaf)

    def keep_grad(self, owner: Any) -> None:
        """The `.grad` that is about to be replaced."""
        grad = owner.grad if isinstance(owner, torch.Tensor) and owner.is_leaf else None
        if grad is not None:
            self.grad_before = self._session.camera.snap(grad, "grad")

    def take(self, inputs: list[Snapshot], changed: list[int], where: Where, call: Any) -> bool:
        """Emits what was written, if it is a leaf's value or gradient; False when it is an op like any other."""
        taken = False
        for index in changed:
            tensor, before = self._tensors[index], inputs[index]
            entry = self._session.tensors.entry(tensor)
            base = entry.base or entry
            if base.grad_of is not None:
                self._grad_written(base.grad_of, base, before, tensor, where)
                taken = True
            elif base.leaf and tensor.is_leaf:
                self._updated(base, before, tensor, where, call)
                taken = True
        return taken

    def _grad_written(self, leaf: Entry, grad: Entry, before: Snapshot, tensor: torch.Tensor, where: Where) -> None:
        after = self._session.camera.snap(tensor)
        name = f"{leaf.name}.grad"
        old = before.as_tensor(grad.number, before.version, name, leaf=False)
        new = after.as_tensor(grad.number, after.version, name, leaf=False)
        emit_grad_change(self._session, leaf, old, new, where, self._function.op, "zero_", is_zero(tensor))

    def _updated(self, leaf: Entry, before: Snapshot, tensor: torch.Tensor, where: Where, call: Any) -> None:
        session = self._session
        session.camera.uninitialised(self._function.op, [tensor])
        after = session.camera.snap(tensor)
        owner = leaf.reference()
        grad = owner.grad if owner is not None else None
        shot = None
        if grad is not None:
            session.tensors.gradient(grad, leaf)
            shot = session.camera.snap(grad)
        session.emit(
            "update", where, leaf.number, self._function.op,
            before.as_tensor(leaf.number, before.version, leaf.name, leaf=True),
            after.as_tensor(leaf.number, after.version, leaf.name, leaf=True),
            shot, self._learning_rate(leaf, call), (), torch.is_grad_enabled(),
        )  # fmt: skip

    def _learning_rate(self, leaf: Entry, call: Any) -> float | None:
        """The number by which the gradient was multiplied, where the update is `leaf -= number * leaf.grad`."""
        name = self._function.op
        if name not in ("sub_", "add_") or len(call.args) < 2:
            return None
        other = self._session.tensors.known(call.args[1])
        if other is None:
            return None
        factor = 1.0 if other.grad_of is leaf else other.factor if other.origin is leaf else None
        alpha = call.kwargs.get("alpha", 1)
        if factor is None or not isinstance(alpha, int | float):
            return None
        return float(factor * alpha) if name == "sub_" else -float(factor * alpha)

    def data_assigned(self, owner: torch.Tensor, before: Snapshot, where: Where) -> None:
        """`w.data = ...`"""
        session = self._session
        entry = session.tensors.entry(owner)
        after = session.camera.snap(owner)
        if entry.leaf:
            grad = owner.grad
            shot = None if grad is None else session.camera.snap(grad)
            state: tuple[Any, ...] = ()
            session.emit(
                "update", where, entry.number, "assign", before, after, shot, None, state, torch.is_grad_enabled()
            )
        else:
            session.emit(
                "forward", "forward", where, session.module, "data", "", [before], [after], [], -1, 0, -1,
                torch.is_grad_enabled(), True, "",
            )  # fmt: skip

    def derived(self, function: Function, args: Any) -> tuple[Entry, float | None] | None:
        """The leaf from whose `.grad` a call computes without grad mode, and by what factor alone."""
        for tensor in self._tensors:
            entry = self._session.tensors.known(tensor)
            if entry is None:
                continue
            leaf = entry.grad_of or entry.origin
            if leaf is None and entry.base is not None:
                leaf = entry.base.grad_of
            if leaf is None:
                continue
            factor = 1.0 if entry.origin is None else entry.factor
            numbers = [a for a in args if isinstance(a, int | float) and not isinstance(a, bool)]
            if function.op == "mul" and len(args) == 2 and len(numbers) == 1 and factor is not None:
                return leaf, factor * numbers[0]
            if function.op in SHARING:
                return leaf, factor
            return leaf, None
        return None

    def remember_alias(
        self, function: Function, result: torch.Tensor, derived: tuple[Entry, float | None] | None
    ) -> None:
        """The result shares memory with its argument outside the graph, or was computed from a gradient."""
        entry = self._session.tensors.entry(result)
        if derived is not None and entry.grad_of is None:
            entry.origin, entry.factor = derived
        if not self._tensors or any(result is tensor for tensor in self._tensors):
            return
        first = self._session.tensors.entry(self._tensors[0])
        base = first.base or first
        if (base.leaf or base.grad_of is not None) and not result.requires_grad and function.op in SHARING:
            same = (
                not unreadable(result)
                and not unreadable(self._tensors[0])
                and result.device == self._tensors[0].device
                and result.data_ptr() == self._tensors[0].data_ptr()
                and result.numel() == self._tensors[0].numel()
            )
            if same:
                entry.base = base


def rewrite_grad(session: Session, owner: Any, inputs: list[Snapshot], writes: Writes, where: Where) -> None:
    """`w.grad = ...`, whoever writes it."""
    if not isinstance(owner, torch.Tensor) or not owner.is_leaf:
        return
    leaf = session.tensors.leaf(owner) if owner.requires_grad else session.tensors.entry(owner)
    grad = owner.grad
    before = writes.grad_before
    after = None
    if grad is not None:
        session.tensors.gradient(grad, leaf)
        after = session.camera.snap(grad)
    if before is None and after is None:
        return
    how = "set_to_none" if grad is None else "assign"
    emit_grad_change(session, leaf, before, after, where, "assign", how, grad is None or is_zero(grad))


def emit_grad_change(
    session: Session, leaf: Entry, before: Snapshot | None, after: Snapshot | None, where: Where, by: str, how: str,
    emptied: bool,
) -> None:  # fmt: skip
    """A zeroing where nothing but zeros is left, else a gradient write."""
    if not leaf.leaf:
        return
    if emptied:
        if before is not None:
            session.emit("zero_grad", where, leaf.number, how, before, after)
            return
        if after is None:
            return
    outer = where.torch_function
    by = outer if outer is not None and outer not in WRITERS else by
    session.emit("grad_write", "other" if not emptied else "zero_grad", where, leaf.number, by, before, after)


def is_zero(tensor: torch.Tensor) -> bool:
    """Whether nothing but zeros is in it."""
    if unreadable(tensor):
        return False
    if tensor.layout is not torch.strided:
        return tensor._nnz() == 0 if tensor.layout is torch.sparse_coo else False
    with torch._C._AutoDispatchBelowAutograd():
        return not bool(tensor.count_nonzero().item())
