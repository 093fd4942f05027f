"""The ring: what is written stays until it is freed, whatever the sizes, and nothing waits while there is room."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backstep.writer import ring as ring_module
from backstep.writer.ring import HEAD, Ring


@pytest.fixture(scope="module", autouse=True)
def small() -> object:
    """A ring of 64 KB."""
    patch = pytest.MonkeyPatch()
    patch.setattr(ring_module, "CAPACITY", 1 << 16)
    yield patch
    patch.undo()


def never() -> bool:
    raise AssertionError("it waits, though there is room")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1 << 14), st.integers(0, 4)), max_size=80))
def test_what_is_written_stays_until_it_is_freed(steps: list[tuple[int, int]]) -> None:
    ours, waiting, count = Ring(), deque[tuple[int, int, int]](), 0
    theirs = Ring(ours.descriptor.number)

    def free() -> bool:
        """The other side reads the oldest piece, which is as it was written, and frees it."""
        offset, size, mark = waiting.popleft()
        assert bytes(theirs.piece(offset, size)) == bytes([mark]) * size
        theirs.free(offset, size)
        return True

    for size, frees in steps:
        offset = ours.allocate(size, free)
        assert HEAD + offset % ring_module.CAPACITY + size <= len(ours.memory), "in one piece"
        count = (count + 1) % 256
        ours.piece(offset, size)[:] = bytes([count]) * size
        waiting.append((offset, size, count))
        for _ in range(min(frees, len(waiting))):
            free()
    while waiting:
        free()
    assert ours.used() == 0


def test_no_waiting_while_there_is_room() -> None:
    ring = Ring()
    for _ in range(4):
        ring.allocate(1 << 14, never)
    assert ring.used() == 1 << 16
    with pytest.raises(AssertionError):
        ring.allocate(1, never)


def test_an_empty_ring_begins_again() -> None:
    """So that a small recording goes round in little memory."""
    ours = Ring()
    theirs = Ring(ours.descriptor.number)
    for _ in range(1000):
        offset = ours.allocate(100, never)
        assert offset % ring_module.CAPACITY == 0
        theirs.free(offset, 100)


def test_a_writer_that_has_gone_holds_up_nobody() -> None:
    ring = Ring()
    ring.allocate(1 << 16, never)
    ring.allocate(1 << 16, lambda: False)
