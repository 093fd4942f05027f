"""`export --format json`: the header and the events of the jsonl export as one strict JSON object."""

from __future__ import annotations

from typing import BinaryIO

import msgspec

from backstep.trace.event import plain
from backstep.trace.trace import Trace


def write(trace: Trace, stream: BinaryIO) -> None:
    """`{"header": ..., "events": [...]}`; an event is in memory only while it is written."""
    encode = msgspec.json.Encoder().encode
    header, events = trace.header, trace.events
    stream.write(b'{"header":' + encode(plain(header)) + b',\n"events":[\n')
    for index in range(header["events"]):
        stream.write((b",\n" if index else b"") + encode(events[index].as_dict()))
    stream.write(b"\n]}\n")
