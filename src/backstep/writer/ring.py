"""Memory that the recorder and its writer share: numbers go round in it, and each is let go when it has been written.

One side allocates, the other frees, both in the same order. Where nothing is free the recorder waits, and so memory
does not grow with a run.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import tempfile
from collections.abc import Callable

import numpy as np

from backstep.trace.held import Held

CAPACITY = 256 << 20
"""Bytes. The system gives the memory when it is first written, so that a small recording has little of it."""
LARGEST = CAPACITY // 8
"""Bytes of the largest piece; larger numbers go in several."""
HEAD = 4096
ALIGNMENT = 64
PAGE = 4096
WARM_FROM, AHEAD = 4 << 20, 96 << 20
"""Bytes that must wait before memory is warmed, and how many are then."""

TAIL, WRITTEN, FULL = range(3)
"""Words of the head: up to where the ring is free again; events that can be read; whether the file may not grow."""
STOPPED = 2
"""What is added in the last of them to the position of the event at which the recording is to end."""


_kept_open: list[mmap.mmap] = []


class Ring:
    """Offsets only grow; where they lie in memory is their remainder."""

    def __init__(self, descriptor: int | None = None) -> None:
        """A new one, or with a descriptor the other side's."""
        number = _anonymous_file() if descriptor is None else descriptor
        self.descriptor = None if number is None else Held(number)
        """None where no memory can be shared with another process."""
        self.memory = mmap.mmap(-1 if number is None else number, HEAD + CAPACITY)
        self._words: memoryview | list[int] = memoryview(self.memory)[:HEAD].cast("q")
        self._warm = 0
        self._head = self._from = 0
        """Where the next piece goes; up to where all has been written, whatever the other side says."""

    def close(self) -> None:
        """Lets go of the memory, once; what the head says last can be read on."""
        words = self._words
        if isinstance(words, list):
            return
        self._words = words.tolist()
        words.release()
        if self.descriptor is not None and not self.descriptor.ours:
            _kept_open.append(self.memory)  # it has a descriptor too: under that number is somebody else's by now
            return
        if self.descriptor is not None:
            self.descriptor.close()
        with contextlib.suppress(BufferError):  # somebody still looks at it, and it goes with him
            self.memory.close()

    def word(self, index: int) -> int:
        return self._words[index]

    def put_word(self, index: int, value: int) -> None:
        self._words[index] = value

    def allocate(self, size: int, wait: Callable[[], bool]) -> int:
        """Where so many bytes can be written, in one piece. As long as there is no room, `wait` is called; it returns
        whether to wait on."""
        head, tail = self._head, self._words[TAIL]
        if tail >= head and head % CAPACITY:
            # Nothing waits: from the start again, in memory that the processor still has at hand.
            head = self._from = head + CAPACITY - head % CAPACITY
        lies = head % CAPACITY
        if lies + size > CAPACITY:
            head += CAPACITY - lies
        end = head + -(-size // ALIGNMENT) * ALIGNMENT
        while end - max(self._words[TAIL], self._from) > CAPACITY and wait():
            pass
        self._head = end
        return head

    def used(self) -> int:
        """Bytes that have not been written yet."""
        return self._head - max(self._words[TAIL], self._from)

    def warm(self) -> None:
        """Has the system give the memory that will be needed next, if much is needed. Otherwise it does so page by page
        while the recorder writes, and that takes longer than the writing."""
        end = min(self._head % CAPACITY + AHEAD, CAPACITY)
        if self.used() > WARM_FROM and end > self._warm:
            pages = np.frombuffer(self.memory, np.int64, offset=HEAD)[self._warm // 8 : end // 8 : PAGE // 8]
            int(np.add.reduce(pages))  # to read is enough, and does no harm to what is being written
            self._warm = end

    def piece(self, offset: int, size: int) -> memoryview:
        """The bytes from an offset on."""
        begin = HEAD + offset % CAPACITY
        return memoryview(self.memory)[begin : begin + size]

    def free(self, offset: int, size: int) -> None:
        """All up to the end of this piece has been written."""
        self._words[TAIL] = offset + -(-size // ALIGNMENT) * ALIGNMENT


def _anonymous_file() -> int | None:
    """A file without a name, as large as the ring; None where files may not be so large."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("backstep")
    else:
        descriptor, name = tempfile.mkstemp(prefix="backstep-")
        os.unlink(name)
    try:
        os.ftruncate(descriptor, HEAD + CAPACITY)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
