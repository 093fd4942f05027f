"""What a recorder sends to its writer: parcels of messages, packed one after the other as both sides know them.

The numbers of tensors do not travel in a parcel but through the ring; a message says where they lie there.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import numpy.typing as npt

EVENT, NUMBERS, PIECE, BYTES, FACT = range(5)
"""What a message is, by its first byte. PIECE: numbers of which more follow. BYTES: numbers that follow at once."""

EVENT_HEAD = struct.Struct("<BBBHIIIqI")
"""EVENT, kind, phase, extent, place, context, module, subject, bytes of the row that follows."""
NUMBERS_HEAD = struct.Struct("<BBBQQQQ")
"""NUMBERS or PIECE, dtype, what is kept, elements of the whole tensor and of its last dimension, offset
in the ring, bytes there."""
BYTES_HEAD = struct.Struct("<BBBQQQ")
"""BYTES, dtype, what is kept, elements of the tensor and of its last dimension, bytes that follow."""
FACT_HEAD = struct.Struct("<BI")
"""FACT, bytes of the array that follows: the fact's name and what belongs to it."""
SUMMARY, SKETCH, VALUES = range(3)
"""What is kept of numbers: their summary, that and a sketch, or all of them."""

HEADS = {EVENT: EVENT_HEAD, NUMBERS: NUMBERS_HEAD, PIECE: NUMBERS_HEAD, BYTES: BYTES_HEAD, FACT: FACT_HEAD}

DTYPES = (
    "float32", "float64", "float16", "bfloat16", "bool", "int8", "uint8", "int16", "int32", "int64", "uint16",
    "uint32", "uint64", "complex32", "complex64", "complex128",
)  # fmt: skip
"""The types of numbers that travel; a message has the index."""


def array_of(memory: memoryview | bytes, dtype: int) -> npt.NDArray[Any]:
    """The numbers in a piece of memory, as an array of one dimension; half precision is widened to single."""
    name = DTYPES[dtype]
    if name == "bfloat16":
        return (np.frombuffer(memory, np.uint16).astype(np.uint32) << 16).view(np.float32)
    if name == "float16":
        return np.frombuffer(memory, np.float16).astype(np.float32)
    if name == "complex32":
        return np.frombuffer(memory, np.float16).astype(np.float32).view(np.complex64)
    return np.frombuffer(memory, np.dtype(name))
