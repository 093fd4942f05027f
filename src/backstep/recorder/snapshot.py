"""Tensors at the border: copied as they are now, numbered, named. What reads a tensor stands here.

A snapshot is taken on the training thread and holds a clone; `materialize` makes numbers of it in the writer's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch._subclasses.fake_tensor import FakeTensor

from backstep.recorder.options import Options
from backstep.recorder.tensors import Tensors
from backstep.trace.records import PayloadRow, SummaryRow

PLAIN = (torch.Tensor, torch.nn.Parameter)
INTEGERS = (torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64)
SCALAR = frozenset({torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.bool, *INTEGERS})
WIDENED = {torch.bfloat16: torch.float32, torch.float16: torch.float32, torch.complex32: torch.complex64}
EMPTY = ("empty", "new_empty")


class unseen:
    """No mode and no tensor subclass of the user's sees what is done inside."""

    __slots__ = ("_dispatch", "_function")

    def __enter__(self) -> None:
        self._function = torch._C.DisableTorchFunction()
        self._dispatch = torch._C._DisableTorchDispatch()
        self._function.__enter__()
        self._dispatch.__enter__()

    def __exit__(self, *error: Any) -> None:
        self._dispatch.__exit__(*error)
        self._function.__exit__(*error)


class Snapshot:
    """One tensor at one moment. `data` is a clone, `scalar` a number, `omitted` why there is neither."""

    __slots__ = ("data", "meta", "name", "omitted", "scalar", "tensor", "version")

    def __init__(self, tensor: int, version: int, name: str, meta: tuple[Any, ...]) -> None:
        self.tensor = tensor
        self.version = version
        self.name = name
        self.meta = meta
        self.scalar: bool | int | float | None = None
        self.data: torch.Tensor | None = None
        self.omitted = ""

    def as_tensor(self, number: int, version: int, name: str, *, leaf: bool) -> Snapshot:
        """The same numbers, told of another tensor that shares them."""
        shape, dtype, layout, device, requires_grad, _ = self.meta
        other = Snapshot(number, version, name, (shape, dtype, layout, device, requires_grad or leaf, leaf))
        other.scalar, other.data, other.omitted = self.scalar, self.data, self.omitted
        return other


class Camera:
    """Takes snapshots, bounded by the options."""

    def __init__(self, options: Options, tensors: Tensors) -> None:
        self._tensors = tensors
        self._kept = options.kept_elements
        self._empty: dict[int, bool] = {}

    def uninitialised(self, op: str, results: list[torch.Tensor]) -> None:
        """Remembers memory that nobody has written yet: what stands in it is chance, and no part of the run."""
        empty = op.startswith(EMPTY)
        if not empty and not self._empty:
            return
        for tensor in results:
            if unreadable(tensor) or tensor.layout is not torch.strided:
                continue
            if empty:
                self._empty[tensor.data_ptr()] = True
            else:
                self._empty.pop(tensor.data_ptr(), None)

    def gradient(self, tensor: torch.Tensor, name: str) -> Snapshot:
        """A gradient on its way: named by what it is the gradient of, wherever else its memory serves."""
        shot = self.snap(tensor, name)
        if name:
            shot.name = name
        return shot

    def snap(self, tensor: torch.Tensor, name: str = "") -> Snapshot:
        """The tensor as it is now; to be called in `Session.guarded`, where nothing of the user's looks on.

        Never raises: what cannot be read is omitted, with the reason.
        """
        entry = self._tensors.entry(tensor, name)
        try:
            version = tensor._version
        except RuntimeError:
            version = 0  # inference tensors keep no count
        meta = (tensor.shape, tensor.dtype, tensor.layout, tensor.device, tensor.requires_grad, tensor.is_leaf)
        shot = Snapshot(entry.number, version, entry.name, meta)
        try:
            self._read(tensor, shot)
        except Exception as error:
            shot.omitted = f"cannot be read: {first_line(error)}"
        return shot

    def _read(self, tensor: torch.Tensor, shot: Snapshot) -> None:
        reason = unreadable(tensor)
        if reason:
            shot.omitted = reason
            return
        if self._empty and tensor.layout is torch.strided and tensor.data_ptr() in self._empty:
            shot.omitted = "uninitialised memory"
            return
        if not shot.meta[0] and shot.meta[1] in SCALAR and tensor.device.type == "cpu":
            shot.scalar = tensor.item()
            return
        if tensor.layout is not torch.strided:
            # Reading a sparse tensor can count as a change of it.
            unchanged = torch.autograd.grad_mode._unsafe_preserve_version_counter(tensor)
            with unchanged, torch._C._AutoDispatchBelowAutograd():
                shot.data = tensor.to_dense()
        else:
            if tensor.is_conj():
                tensor = tensor.resolve_conj()
            if tensor.is_neg():
                tensor = tensor.resolve_neg()
            with torch._C._AutoDispatchBelowAutograd():
                shot.data = tensor.clone()
        if shot.data.numel() > self._kept:
            shot.omitted = f"{shot.data.numel()} elements, more than {self._kept} are kept as a summary"


def unreadable(tensor: torch.Tensor) -> str:
    """Why a tensor has no numbers that could be read, or nothing."""
    if torch._C._functorch.is_functorch_wrapped_tensor(tensor):
        return "inside torch.func (vmap, grad): a wrapper without values of its own"
    if isinstance(tensor, FakeTensor):
        return "a fake tensor has no values"
    if tensor.device.type == "meta":
        return "a meta tensor has no values"
    if tensor.is_quantized:
        return "a quantized tensor"
    return ""


def first_line(error: BaseException) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0]}" if text else type(error).__name__


def to_array(tensor: torch.Tensor) -> np.ndarray[Any, Any]:
    """The numbers of a clone, little-endian and contiguous; half precision widened."""
    with unseen(), torch._C._AutoDispatchBelowAutograd():
        tensor = tensor.detach().to(WIDENED.get(tensor.dtype, tensor.dtype)).cpu().contiguous()
        array: np.ndarray[Any, Any] = tensor.numpy()
    return array


def payload_of(array: np.ndarray[Any, Any], *, keep: bool) -> PayloadRow:
    """What is stored of an array: its numbers, or its summary alone."""
    if keep:
        return PayloadRow(array.dtype.str, array.tobytes(), None)
    from backstep.trace.event import summarize

    s = summarize(array)
    return PayloadRow(array.dtype.str, None, SummaryRow(s.min, s.max, s.mean, s.std, s.norm, s.zeros, s.nan, s.inf))
