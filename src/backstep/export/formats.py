"""The formats of `export`: what each is for, and what it is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO

from backstep.export import csv, html, json, jsonl, mermaid, npz, svg
from backstep.trace.trace import Trace


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for beside the format. `at`: a position; `tensors`: names; `iterations`: from, to before."""

    at: int | None = None
    tensors: tuple[str, ...] = ()
    iterations: tuple[int, int | None] | None = None


@dataclass(frozen=True, slots=True)
class Format:
    """`takes`: the fields of `Wanted` that mean something to it. Bytes that are no text are not for a terminal."""

    write: Callable[[Trace, BinaryIO, Wanted], None]
    help: str
    takes: frozenset[str] = field(default_factory=frozenset)
    is_text: bool = True


FORMATS = {
    "jsonl": Format(lambda trace, stream, _: jsonl.write(trace, stream), "an event a line"),
    "json": Format(lambda trace, stream, _: json.write(trace, stream), "one object"),
    "csv": Format(lambda trace, stream, _: csv.write(trace, stream), "a row an event, for a spreadsheet"),
    "html": Format(
        lambda trace, stream, wanted: html.write(trace, stream, at=wanted.at, iterations=wanted.iterations),
        "a page that steps, one file",
        frozenset({"at", "iterations"}),
    ),
    "svg": Format(
        lambda trace, stream, wanted: svg.write(trace, stream, at=wanted.at),
        "the graph of an iteration",
        frozenset({"at"}),
    ),
    "mermaid": Format(
        lambda trace, stream, wanted: mermaid.write(trace, stream, at=wanted.at),
        "the same for Markdown",
        frozenset({"at"}),
    ),
    "npz": Format(
        lambda trace, stream, wanted: npz.write(trace, stream, at=wanted.at, tensors=wanted.tensors),
        "tensors for numpy",
        frozenset({"at", "tensors"}),
        is_text=False,
    ),
}
