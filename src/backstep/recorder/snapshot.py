"""Tensors at the border: what is recorded of one is taken here, as it is now, and nothing of it changes.

A shot is the row of a value as the file has it, a tuple. Its numbers are copied at once; of a tensor that cannot have
changed since the last shot they are taken over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from backstep.recorder.calls import UNINITIALISED
from backstep.recorder.numbers import Layout, Numbers
from backstep.recorder.options import Options
from backstep.recorder.scribe import Scribe
from backstep.recorder.tensors import Entry, Tensors
from backstep.trace.records import UNWRITTEN, Meta

Shot = tuple[int, int, int, int, Any, Any, int]
"""`trace.records.ValueRow` as a tuple; a tuple costs a tenth of it, and they are made by the dozen for each op."""
TENSOR, VERSION, NAME, META, SCALAR, PAYLOAD, OMITTED = range(7)

INTEGERS = (torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64)
IN_THE_ROW = frozenset({torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.bool, *INTEGERS})
"""A single number of these types lies in the row itself."""
OWN_TYPES = frozenset({torch.Tensor, torch.nn.Parameter})
WIDENED = {torch.bfloat16: torch.float32, torch.float16: torch.float32, torch.complex32: torch.complex64}
MOST_SHARED = 4096
"""Addresses of memory that others may write, beyond which every memory is taken for such."""

disable_function, disable_dispatch = torch._C.DisableTorchFunction, torch._C._DisableTorchDispatch
below_autograd = torch._C._AutoDispatchBelowAutograd
is_functional = torch._is_functional_tensor
wrapped = torch._C._functorch.is_functorch_wrapped_tensor


class unseen:
    """No mode and no tensor subclass of the user's sees what is done inside."""

    __slots__ = ("_dispatch", "_function")

    def __enter__(self) -> None:
        self._function = disable_function()
        self._dispatch = disable_dispatch()
        self._function.__enter__()
        self._dispatch.__enter__()

    def __exit__(self, *error: Any) -> None:
        self._dispatch.__exit__(*error)
        self._function.__exit__(*error)


class Kind:
    """What is the same for all tensors of one shape, dtype, layout, device and place in the graph."""

    __slots__ = ("keep", "key", "layout", "number", "odd", "omitted", "scalar", "strided", "trusted")

    key: tuple[Any, ...]
    number: int
    """Of its `Meta` in the trace."""
    scalar: bool
    """Its number lies in the row."""
    strided: bool
    layout: Layout | None
    """How its numbers are copied, if they lie in this machine's memory."""
    odd: bool
    """Not all of its kind have numbers that can be read."""
    keep: bool
    omitted: int
    """Why no values are kept, if none are; a text's number."""
    trusted: bool
    """Part of a graph: whoever writes to it is counted in its version."""


class Camera:
    """Takes shots, bounded by the options. Never raises: what cannot be read is omitted, with the reason."""

    def __init__(self, options: Options, tensors: Tensors, scribe: Scribe) -> None:
        self._tensors = tensors
        self._entries = tensors.entries
        self._kept = options.kept_elements
        self._scribe = scribe
        self.numbers = Numbers(scribe)
        self._reach = None if options.keep_last is None else scribe.tell
        self._text: Callable[[str], int] = scribe.text
        self._kinds: dict[tuple[Any, ...], Kind] = {}
        self._by_number: dict[int, Kind] = {}
        self._empty: dict[int, StorageWeakRef] = {}
        """By its address, the memory that nobody has written yet, as long as it is that memory."""
        self._shared: set[int] = set()
        self.epoch = 0
        """Grows when something unseen may have written to tensors without counting it."""
        self.flow = 0
        """Grows with each backward pass."""

    # what may have changed unseen

    def share(self, tensor: torch.Tensor) -> None:
        """From now on somebody else can write to this memory, and no version tells."""
        if not unreadable(tensor) and tensor.layout is torch.strided and tensor.device.type == "cpu":
            self._shared.add(tensor.untyped_storage().data_ptr())

    def _is_shared(self, tensor: torch.Tensor) -> bool:
        if unreadable(tensor) or tensor.layout is not torch.strided:
            return False  # it has no one memory that was given away
        return len(self._shared) > MOST_SHARED or tensor.untyped_storage().data_ptr() in self._shared

    def forget(self) -> None:
        """For a while nobody has looked on."""
        self.epoch += 1
        self.flow += 1
        self._empty.clear()

    @property
    def watches_memory(self) -> bool:
        """Whether some memory is known to be uninitialised."""
        return bool(self._empty)

    def uninitialised(self, op: str, results: list[torch.Tensor]) -> None:
        """Remembers memory that nobody has written yet: what stands in it is chance, and no part of the run."""
        empty = op.startswith(UNINITIALISED)
        if not empty and not self._empty:
            return
        for tensor in results:
            if unreadable(tensor) or tensor.layout is not torch.strided:
                continue
            if empty:
                self._empty[tensor.data_ptr()] = StorageWeakRef(tensor.untyped_storage())
            else:
                self._empty.pop(tensor.data_ptr(), None)

    # shots

    def snap(self, tensor: torch.Tensor, name: str = "", *, counted: bool = False) -> Shot:
        """The tensor as it is now; to be called where nothing of the user's looks on (`unseen`).

        `counted`: whoever writes to it, but for an optimizer's step, is counted in its version.
        """
        entry = self._entries.get(id(tensor))
        if entry is None:
            entry = self._tensors.new(tensor, name)
        return self.shoot(tensor, entry, entry.name_number, counted=counted)

    def rewritten(self, tensor: torch.Tensor, name: str) -> Shot:
        """What an aten op has just written to: in its version that is counted once a dispatch mode is gone."""
        self.look_again(tensor)
        number, version, *told = self.snap(tensor, name)
        return (number, version + 1, *told)

    def gradient(self, tensor: torch.Tensor, name: int) -> Shot:
        """A gradient on its way: named by what it is the gradient of, wherever else its memory serves."""
        entry = self._entries.get(id(tensor))
        if entry is None:
            entry = self._tensors.called(tensor, name)
        return self.shoot(tensor, entry, name or entry.name_number, flowing=True)

    def shoot(
        self, tensor: torch.Tensor, entry: Entry, name: int, *, flowing: bool = False, counted: bool = False
    ) -> Shot:
        """`flowing`: on its way through a backward pass, where all writing is counted until the pass ends."""
        try:
            version = tensor._version
        except RuntimeError:
            version = 0  # inference tensors keep no count
        shot: Shot | None = entry.shot
        if (
            shot is not None
            and shot[VERSION] == version
            and entry.shot_epoch == self.epoch
            and (entry.trusted or counted or (flowing and entry.shot_flow == self.flow))
            and not self._empty
            and not (self._shared and self._is_shared(tensor))
        ):
            if self._reach is not None and shot[PAYLOAD] >= 0:
                self._reach("reach", shot[PAYLOAD])
            if shot[NAME] == name:
                return shot
            return (entry.number, version, name, shot[META], shot[SCALAR], shot[PAYLOAD], shot[OMITTED])
        key = key_of(tensor)
        kind = self._kinds.get(key)
        try:
            if kind is None:
                kind = self._new_kind(key)
            if kind.odd or self._empty or type(tensor) not in OWN_TYPES or wrapped(tensor):
                reason = self._reason(tensor)
                if reason:
                    return (entry.number, version, name, kind.number, None, -1, self._text(reason))
            if kind.scalar:
                shot = (entry.number, version, name, kind.number, tensor.tolist(), -1, 0)
            else:
                shot = (entry.number, version, name, kind.number, None, self._copy(tensor, kind), kind.omitted)
        except Exception as error:
            kind = kind or self._new_kind((*key[:4], torch.strided, torch.device("cpu")))
            why = self._text(f"cannot be read: {first_line(error)}")
            return (entry.number, version, name, kind.number, None, -1, why)
        self._remember(entry, shot, trusted=kind.trusted)
        return shot

    def _remember(self, entry: Entry, shot: Shot, *, trusted: bool) -> None:
        """This is the last shot of a tensor: it is taken over as long as nobody can have written to it."""
        entry.shot, entry.trusted = shot, trusted
        entry.shot_epoch, entry.shot_flow = self.epoch, self.flow

    def look_again(self, tensor: torch.Tensor) -> None:
        """Something about a tensor changes that its version does not tell: its shape, whether it requires grad."""
        entry = self._entries.get(id(tensor))
        if entry is not None:
            entry.shot = None

    def same(self, tensor: torch.Tensor, original: torch.Tensor, shot: Shot, name: int) -> Shot:
        """A tensor that may be another one's memory, seen otherwise: then its numbers need no second copy."""
        entry = self._tensors.called(tensor, name)
        payload = shot[PAYLOAD]
        if payload >= 0 and self._same_numbers(tensor, original, in_order=self._by_number[shot[META]].keep):
            key = key_of(tensor)
            kind = self._kinds.get(key) or self._new_kind(key)
            told = (
                entry.number, tensor._version, name or entry.name_number, kind.number, None, payload, kind.omitted,
            )  # fmt: skip
            self._remember(entry, told, trusted=kind.trusted)
            return told
        return self.shoot(tensor, entry, name or entry.name_number, flowing=True)

    @staticmethod
    def _same_numbers(tensor: torch.Tensor, original: torch.Tensor, *, in_order: bool) -> bool:
        """The order matters where the values are kept; a summary has none."""
        if tensor.layout is not torch.strided or original.layout is not torch.strided:
            return False
        if tensor.data_ptr() != original.data_ptr() or tensor.numel() != original.numel():
            return False
        return not in_order or (tensor.shape == original.shape and tensor.stride() == original.stride())

    def as_tensor(self, shot: Shot, entry: Entry, name: int, *, leaf: bool) -> Shot:
        """The same numbers, told of another tensor that shares them."""
        shape, dtype, requires_grad, _, layout, device = self._by_number[shot[META]].key
        key = (shape, dtype, requires_grad or leaf, leaf, layout, device)
        kind = self._kinds.get(key) or self._new_kind(key)
        return (entry.number, shot[VERSION], name, kind.number, shot[SCALAR], shot[PAYLOAD], shot[OMITTED])

    def requires_grad(self, shot: Shot) -> bool:
        return bool(self._by_number[shot[META]].key[2])

    def _new_kind(self, key: tuple[Any, ...]) -> Kind:
        shape, dtype, requires_grad, leaf, layout, device = key
        kind = Kind()
        kind.key = key
        names = str(dtype).removeprefix("torch."), str(layout).removeprefix("torch.")
        kind.number = self._scribe.meta(Meta(tuple(map(int, shape)), *names, str(device), requires_grad, leaf))
        kind.strided = layout is torch.strided
        kind.scalar = not shape and dtype in IN_THE_ROW and device.type == "cpu" and kind.strided
        numel = shape.numel()
        kind.keep = numel <= self._kept
        kind.omitted = 0 if kind.keep else self._text(f"{numel} elements, more than {self._kept} are kept as a summary")
        kind.trusted = requires_grad
        kind.odd = device.type == "meta" or dtype not in IN_THE_ROW
        kind.layout = Layout(shape, dtype) if kind.strided and device.type == "cpu" and Layout.suits(dtype) else None
        self._kinds[key] = self._by_number[kind.number] = kind
        return kind

    def _reason(self, tensor: torch.Tensor) -> str:
        reason = unreadable(tensor)
        if not reason and self._empty and tensor.layout is torch.strided and self._is_empty(tensor.data_ptr()):
            return UNWRITTEN
        return reason

    def _is_empty(self, address: int) -> bool:
        memory = self._empty.get(address)
        if memory is not None and memory.expired():
            del self._empty[address]
            return False
        return memory is not None

    def _copy(self, tensor: torch.Tensor, kind: Kind) -> int:
        """The number of the payload that a tensor's numbers become."""
        if kind.layout is not None and type(tensor) in OWN_TYPES:
            return self.numbers.put_as(tensor, kind.layout, keep=kind.keep)
        if kind.strided:
            with below_autograd():
                data = tensor.clone()
            if type(data) is not torch.Tensor or is_functional(data):
                raise TypeError("its clone has no values either")
            return self.numbers.put(data, keep=kind.keep)
        # Reading a sparse tensor can count as a change of it.
        with torch.autograd.grad_mode._unsafe_preserve_version_counter(tensor), below_autograd():
            return self.numbers.put(tensor.to_dense(), keep=kind.keep)


def key_of(tensor: torch.Tensor) -> tuple[Any, ...]:
    """What a tensor is beside its numbers."""
    try:
        return (tensor.shape, tensor.dtype, tensor.requires_grad, tensor.is_leaf, tensor.layout, tensor.device)
    except RuntimeError:
        return key_of_odd(tensor)


def key_of_odd(tensor: torch.Tensor) -> tuple[Any, ...]:
    """What a tensor is that refuses to say: not shaped yet, or a view that was written to across grad modes."""

    def read(name: str, otherwise: Any) -> Any:
        try:
            return getattr(tensor, name)
        except RuntimeError:
            return otherwise

    shape, requires_grad, is_leaf = read("shape", torch.Size()), read("requires_grad", False), read("is_leaf", True)
    return (shape, tensor.dtype, requires_grad, is_leaf, tensor.layout, tensor.device)


def is_leaf(tensor: torch.Tensor) -> bool:
    """Whether a tensor is a leaf; a view that refuses to say is none."""
    try:
        return tensor.is_leaf
    except RuntimeError:
        return False


def is_leaf_of_graph(tensor: torch.Tensor) -> bool:
    """Whether a tensor is a leaf that requires grad; what views one without grad mode only says that it is."""
    return is_leaf(tensor) and tensor.requires_grad and not (tensor._is_view() and views_a_graph(tensor))


def views_a_graph(tensor: torch.Tensor) -> bool:
    base = tensor._base
    return base is not None and base.requires_grad


def unreadable(tensor: torch.Tensor) -> str:
    """Why a tensor has no numbers that could be read, or nothing."""
    if wrapped(tensor):
        return "inside torch.func (vmap, grad): a wrapper without values of its own"
    if isinstance(tensor, UninitializedParameter | UninitializedBuffer):
        return "a parameter that has no shape yet"
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
