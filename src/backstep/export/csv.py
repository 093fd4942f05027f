"""`export --format csv`: a row an event, with the numbers of the one value that it is about."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any, BinaryIO

from backstep.trace.event import Event, Value
from backstep.trace.tables import subject, tensor_of
from backstep.trace.trace import Trace

COLUMNS = (
    "position kind phase iteration loops module op tensor shape dtype value norm min max mean std zeros nan inf lr "
    "file line code text"
).split()
HARMFUL = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a cell that begins so for a formula."""


def write(trace: Trace, stream: BinaryIO) -> None:
    """RFC 4180 with a header row, UTF-8. Missing numbers are empty; `nan` and `inf` count elements."""
    text = io.TextIOWrapper(stream, encoding="utf-8", newline="", write_through=True)
    try:
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow(COLUMNS)
        events = trace.events
        for index in range(trace.header["events"]):
            told = row(events[index])
            writer.writerow([told.get(name, "") for name in COLUMNS])
    finally:
        text.detach()


def row(event: Event) -> dict[str, Any]:
    """The cells of an event, by column."""
    told: dict[str, Any] = {
        "position": event.position, "kind": event.kind, "phase": event.phase,
        "iteration": "" if event.iteration is None else event.iteration, "module": text(event.module or ""),
        "loops": text(" ".join(f"{name}={value}" for name, value in event.loops.items())),
    }  # fmt: skip
    if event.source is not None:
        told |= {"file": text(event.source.file), "line": event.source.line, "code": text(event.source.code)}
    for name, value in own(event):
        told[name] = value
    found = subject(event)
    told["tensor"] = text(tensor_of(event, found) or "")
    return told if found is None else told | numbers(found)


def own(event: Event) -> Iterator[tuple[str, Any]]:
    """What only this kind of event has."""
    match event.kind:
        case "forward" | "backward":
            yield "op", text(event["op"])
        case "backward_start":
            yield "op", text(event["api"])
        case "update" | "grad_write":
            yield "op", text(event["by"])
            if event.kind == "update" and event["lr"] is not None:
                yield "lr", event["lr"]
        case "zero_grad":
            yield "op", text(event["how"])
        case "output" | "note":
            yield "text", text(event["text"])
        case "exception":
            yield from (("op", text(event["type"])), ("text", text(event["message"])))


def numbers(value: Value) -> dict[str, Any]:
    summary = value.summary
    told: dict[str, Any] = {"shape": "x".join(map(str, value.shape)), "dtype": value.dtype}
    if value.scalar is not None:
        told["value"] = value.scalar
    if summary is not None:
        names = ("norm", "min", "max", "mean", "std", "zeros", "nan", "inf")
        told |= {name: number for name in names if (number := getattr(summary, name)) is not None}
    return told


def text(said: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{said}" if said.startswith(HARMFUL) else said
