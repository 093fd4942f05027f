"""What changes a leaf or its `.grad` outside a backward pass: updates, zeroings, gradient writes.

Told by what happened, not by how it was spelled: which tensor changed, whose gradient it is, what is left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from backstep.recorder.calls import SHARING
from backstep.recorder.frames import Where
from backstep.recorder.scribe import FORWARD, GRAD_WRITE, IN_FORWARD, IN_OTHER, IN_UPDATE, IN_ZERO_GRAD, UPDATE
from backstep.recorder.scribe import ZERO_GRAD as ZEROING
from backstep.recorder.snapshot import META, SCALAR, VERSION, Shot, is_leaf, unreadable
from backstep.recorder.tensors import PARAMETER, Entry

if TYPE_CHECKING:
    from backstep.recorder.mode import Call
    from backstep.recorder.session import Session

WRITERS = frozenset({"handle_torch_function", "_call_impl", "_wrapped_call_impl"})

Derived = tuple[Entry, float | None]
"""The leaf from whose `.grad` something was computed without grad mode, and by what factor alone."""


def written(session: Session, call: Call, changed: list[int], where: Where) -> bool:
    """Emits what a call wrote, if it is a leaf's value or gradient; False when it is an op like any other."""
    taken = False
    if session.tensors.entry(call.tensors[0]).is_part and writes_itself(call):
        return True
    for index in changed:
        tensor, before = call.tensors[index], call.inputs[index]
        if index == 0 and call.base is not None:
            tensor, before = call.base
            session.camera.look_again(tensor)
        entry = session.tensors.entry(tensor)
        base = entry.base or entry
        if base.grad_of is not None:
            grad_written(session, base, before, tensor, where, call.function.op)
            taken = True
        elif base.leaf and is_leaf(tensor):
            updated(session, base, before, tensor, where, call)
            taken = True
    if call.function.uncounted:
        session.camera.epoch += 1
    return taken


def base_of(session: Session, call: Call) -> tuple[torch.Tensor, Shot] | None:
    """The leaf, or its gradient, of which the call writes to a view, and what is in it now."""
    entry = session.tensors.known(call.tensors[0])
    whole = None if entry is None or entry.whole is None else entry.whole()
    return None if whole is None else (whole, seen_anew(session, whole))


def seen_anew(session: Session, tensor: torch.Tensor) -> Shot:
    """What is in a tensor now, whether or not its version tells of a change."""
    session.camera.look_again(tensor)
    return session.camera.snap(tensor)


def remember_view(session: Session, call: Call, result: torch.Tensor) -> None:
    """The result is a view of a leaf or of its gradient: who writes to it writes to that."""
    if not call.tensors or unreadable(result) or unreadable(call.tensors[0]) or result.layout is not torch.strided:
        return
    first = session.tensors.entry(call.tensors[0])
    whole = first.whole or (first if first.leaf or first.grad_of is not None else None)
    entry = session.tensors.entry(result)
    if whole is not None and entry is not whole and not entry.leaf and entry.grad_of is None:
        owner = whole()
        if owner is not None and owner.untyped_storage().data_ptr() == result.untyped_storage().data_ptr():
            entry.whole = whole


def writes_itself(call: Call) -> bool:
    """Whether a call only writes back what is there: `w[i] += 1` adds to a view, which Python then assigns."""
    if call.function.op != "setitem" or len(call.args) != 3 or not isinstance(call.args[2], torch.Tensor):
        return False
    target, key, value = call.args
    if not isinstance(key, int | slice | tuple) or any(isinstance(part, torch.Tensor | list) for part in as_tuple(key)):
        return False
    place = target.detach()[key]
    return place.data_ptr() == value.data_ptr() and (place.shape, place.stride()) == (value.shape, value.stride())


def as_tuple(key: Any) -> tuple[Any, ...]:
    return key if isinstance(key, tuple) else (key,)


def grad_written(session: Session, grad: Entry, before: Shot, tensor: torch.Tensor, where: Where, op: str) -> None:
    """A leaf's gradient was changed in place."""
    leaf = grad.grad_of
    assert leaf is not None
    after = session.camera.snap(tensor)
    name = session.text(f"{leaf.name}.grad")
    old = session.camera.as_tensor(before, grad, name, leaf=False)
    new = session.camera.as_tensor(after, grad, name, leaf=False)
    grad_changed(session, leaf, old, new, where, op, "zero_", emptied=is_zero(tensor, after))


def updated(session: Session, leaf: Entry, before: Shot, tensor: torch.Tensor, where: Where, call: Call) -> None:
    """A leaf was changed in place."""
    camera = session.camera
    camera.uninitialised(call.function.op, [tensor])
    after = camera.snap(tensor)
    owner = leaf()
    grad = owner.grad if owner is not None else None
    if leaf.rank < PARAMETER and owner is not None and camera.flow:
        session.adopt([owner])  # a moving average, say; before the first pass its module is still being made
    shot = None
    if grad is not None:
        session.tensors.gradient(grad, leaf)
        shot = camera.snap(grad)
    old = camera.as_tensor(before, leaf, leaf.name_number, leaf=True)
    new = camera.as_tensor(after, leaf, leaf.name_number, leaf=True)
    rate = learning_rate(session, leaf, call)
    row = ("update", leaf.number, call.function.number, old, new, shot, rate, (), torch.is_grad_enabled())
    session.emit(UPDATE, IN_UPDATE, where, row, subject=leaf.number)


def learning_rate(session: Session, leaf: Entry, call: Call) -> float | None:
    """The number by which the gradient was multiplied, where the update is `leaf -= number * leaf.grad`."""
    name = call.function.op
    if name not in ("sub_", "add_") or len(call.args) < 2:
        return None
    other = session.tensors.known(call.args[1])
    if other is None:
        return None
    factor = 1.0 if other.grad_of is leaf else other.factor if other.origin is leaf else None
    alpha = call.kwargs.get("alpha", 1)
    if factor is None or not isinstance(alpha, int | float):
        return None
    return float(factor * alpha) if name == "sub_" else -float(factor * alpha)


def memory_of(tensor: torch.Tensor) -> int | None:
    """Where a tensor's numbers lie, if that can be told."""
    return None if unreadable(tensor) or tensor.layout is not torch.strided else tensor.data_ptr()


def assigned_data(session: Session, call: Call, where: Where) -> None:
    """`w.data = ...`"""
    owner, before = call.args[0], call.inputs[0]
    entry = session.tensors.entry(owner)
    session.camera.epoch += 1
    session.camera.share(owner)
    after = session.camera.snap(owner)
    if after[META] == before[META] and memory_of(owner) == call.memory:
        return  # `w.data -= g`: the change has been told, and Python assigns what is there already
    enabled = torch.is_grad_enabled()
    if entry.leaf:
        grad = owner.grad
        shot = None if grad is None else session.camera.snap(grad)
        row: tuple[Any, ...] = (
            "update", entry.number, session.text("assign"), before, after, shot, None, (), enabled,
        )  # fmt: skip
        session.emit(UPDATE, IN_UPDATE, where, row, subject=entry.number)
    else:
        row = ("forward", call.function.number, 0, tuple(call.inputs), (after,), (), -1, 0, -1, enabled, True, 0)
        session.emit(FORWARD, IN_FORWARD, where, row, module=session.module)


def derived_from(session: Session, call: Call) -> Derived | None:
    """The leaf from whose `.grad` a call computes without grad mode, and by what factor alone."""
    op = call.function.op
    for tensor in call.tensors:
        entry = session.tensors.known(tensor)
        if entry is None:
            continue
        leaf = entry.grad_of or entry.origin
        if leaf is None and entry.base is not None:
            leaf = entry.base.grad_of
        if leaf is None:
            continue
        factor = 1.0 if entry.origin is None else entry.factor
        numbers = [a for a in call.args if isinstance(a, int | float) and not isinstance(a, bool)]
        if op == "mul" and len(call.args) == 2 and len(numbers) == 1 and factor is not None:
            return leaf, factor * numbers[0]
        if op in SHARING:
            return leaf, factor
        return leaf, None
    return None


def remember_alias(session: Session, call: Call, result: torch.Tensor, derived: Derived | None) -> None:
    """The result shares memory with its argument outside the graph, or was computed from a gradient."""
    entry = session.tensors.entry(result)
    if derived is not None and entry.grad_of is None:
        entry.origin, entry.factor = derived
    if not call.function.aliases or not call.tensors or any(result is tensor for tensor in call.tensors):
        return
    first = call.tensors[0]
    base = session.tensors.entry(first)
    base = base.base or base
    if (base.leaf or base.grad_of is not None) and not result.requires_grad:
        same = (
            not unreadable(result)
            and not unreadable(first)
            and result.device == first.device
            and result.data_ptr() == first.data_ptr()
            and result.numel() == first.numel()
        )
        if same:
            entry.base = base


def rewrite_grad(session: Session, owner: Any, before: Shot | None, where: Where) -> None:
    """`w.grad = ...`, whoever writes it."""
    if not isinstance(owner, torch.Tensor) or not owner.is_leaf:
        return
    leaf = session.tensors.leaf(owner) if owner.requires_grad else session.tensors.entry(owner)
    grad = owner.grad
    after = None
    if grad is not None:
        session.tensors.gradient(grad, leaf)
        after = session.camera.snap(grad)
    if before is None and after is None:
        return
    if before is not None and after is not None and before[: VERSION + 1] == after[: VERSION + 1]:
        return  # `w.grad /= 2`: the change has been told, and Python assigns the tensor that is there already
    how = "set_to_none" if grad is None else "assign"
    emptied = grad is None or after is None or is_zero(grad, after)
    grad_changed(session, leaf, before, after, where, "assign", how, emptied=emptied)


def grad_changed(
    session: Session, leaf: Entry, before: Shot | None, after: Shot | None, where: Where, by: str, how: str, *,
    emptied: bool,
) -> None:  # fmt: skip
    """A zeroing where nothing but zeros is left, else a gradient write."""
    if not leaf.leaf:
        return
    if emptied:
        if before is not None:
            row: tuple[Any, ...] = ("zero_grad", leaf.number, how, before, after)
            session.emit(ZEROING, IN_ZERO_GRAD, where, row, subject=leaf.number)
            return
        if after is None:
            return
    outer = where.spot.torch_function
    by = outer if outer is not None and outer not in WRITERS else by
    row = ("grad_write", leaf.number, session.text(by), before, after)
    session.emit(GRAD_WRITE, IN_ZERO_GRAD if emptied else IN_OTHER, where, row, subject=leaf.number)


def is_zero(tensor: torch.Tensor, shot: Shot) -> bool:
    """Whether nothing but zeros is in it, of which this shot was taken just now."""
    if shot[SCALAR] is not None:
        return bool(shot[SCALAR] == 0)
    if unreadable(tensor):
        return False
    if tensor.layout is not torch.strided:
        return tensor._nnz() == 0 if tensor.layout is torch.sparse_coo else False
    with torch._C._AutoDispatchBelowAutograd():
        return not bool(tensor.count_nonzero().item())
