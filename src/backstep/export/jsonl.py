"""`export --format jsonl`: one strict JSON object a line, the header first, then an event a line."""

from __future__ import annotations

from typing import BinaryIO

import msgspec

from backstep.trace.event import plain
from backstep.trace.trace import Trace


def write(trace: Trace, stream: BinaryIO) -> None:
    """Writes the trace as UTF-8 lines. What a recorder adds meanwhile is left for the next export."""
    encoder = msgspec.json.Encoder()
    header = trace.header
    stream.write(encoder.encode(plain(header)) + b"\n")
    events = trace.events
    for index in range(header["events"]):
        stream.write(encoder.encode(events[index].as_dict()) + b"\n")
