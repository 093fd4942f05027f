"""The numbers of tensors on their way to the writer: copied once, into memory that it shares."""

from __future__ import annotations

import torch

from backstep.recorder.scribe import Later, Scribe
from backstep.writer.parcel import DTYPES
from backstep.writer.ring import CAPACITY, HEAD, LARGEST

CODES = {getattr(torch, name): code for code, name in enumerate(DTYPES)}

below_autograd = torch._C._AutoDispatchBelowAutograd


class Layout:
    """How numbers of a shape and dtype lie in the ring, in elements and bytes."""

    __slots__ = ("code", "columns", "dtype", "elements", "itemsize", "shape", "size", "strides")

    def __init__(self, shape: torch.Size, dtype: torch.dtype) -> None:
        self.shape = shape
        self.dtype = dtype
        self.code = CODES[dtype]
        self.itemsize = dtype.itemsize
        self.elements = shape.numel()
        self.columns = shape[-1] if len(shape) else 1
        self.size = self.elements * dtype.itemsize
        strides, step = [], 1
        for length in reversed(shape):
            strides.append(step)
            step *= max(length, 1)
        self.strides = tuple(reversed(strides))

    @staticmethod
    def suits(dtype: torch.dtype) -> bool:
        """Whether the writer can read such numbers as they are."""
        return dtype in CODES


class Numbers:
    """Puts tensors into the ring. To be used where no mode and no subclass looks on."""

    def __init__(self, scribe: Scribe) -> None:
        self._scribe = scribe
        self._lock = scribe.lock
        self._memory: dict[torch.dtype, torch.Tensor] = {}

    def close(self) -> None:
        """Lets go of the ring."""
        self._memory.clear()
        self._scribe.ring.close()

    def put(self, data: torch.Tensor, *, keep: bool) -> int:
        """The payload of any dense tensor; one on a device is fetched by the thread that sends."""
        if not Layout.suits(data.dtype):
            data = data.to(torch.float32)
        if data.device.type != "cpu":
            columns = data.shape[-1] if data.dim() else 1
            return self._scribe.numbers_later(Later(lambda: fetched(data), data.numel(), columns, keep=keep))
        return self.put_as(data, Layout(data.shape, data.dtype), keep=keep)

    def put_as(self, tensor: torch.Tensor, layout: Layout, *, keep: bool) -> int:
        """The payload of a tensor in this machine's memory."""
        if layout.size > LARGEST:
            return self._put_in_pieces(tensor, layout, keep=keep)
        scribe, size = self._scribe, layout.size
        # To allocate in the order in which the writer frees.
        with self._lock:
            offset = scribe.room(size)
            if scribe.failure is None:
                with below_autograd():
                    self._at(offset, layout).copy_(tensor)
            return scribe.numbers(layout.code, keep, layout.elements, layout.columns, offset, size)

    def _at(self, offset: int, layout: Layout) -> torch.Tensor:
        """A piece of the ring as a tensor."""
        memory = self._memory.get(layout.dtype)
        if memory is None:
            memory = torch.frombuffer(self._scribe.ring.memory, dtype=torch.uint8).view(layout.dtype)
            self._memory[layout.dtype] = memory
        return memory.as_strided(layout.shape, layout.strides, (HEAD + offset % CAPACITY) // layout.itemsize)

    def _put_in_pieces(self, tensor: torch.Tensor, layout: Layout, *, keep: bool) -> int:
        scribe = self._scribe
        with self._lock, below_autograd():
            flat = tensor.reshape(-1)
            length = LARGEST // layout.itemsize
            number = -1
            for begin in range(0, len(flat), length):
                part = flat[begin : begin + length]
                piece = Layout(part.shape, layout.dtype)
                offset = scribe.room(piece.size)
                if scribe.failure is None:
                    self._at(offset, piece).copy_(part)
                more = begin + length < len(flat)
                whole = (layout.elements, layout.columns)
                number = scribe.numbers(layout.code, keep, *whole, offset, piece.size, more=more)
            return number


def fetched(data: torch.Tensor) -> tuple[int, bytes]:
    """The dtype's index and the bytes of a tensor on a device; waits for the device."""
    local = data.detach().cpu().contiguous()
    return CODES[local.dtype], local.view(-1).view(torch.uint8).numpy().tobytes()
