"""`backstep export`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from backstep.cli.group import cli
from backstep.cli.options import window
from backstep.cli.traces import has_terminal, one_trace, position_in
from backstep.trace.file import one_line


@cli.command()
@click.argument("trace")
@click.option(
    "--format", "format_", type=click.Choice(["jsonl", "json", "csv", "html", "svg", "mermaid", "npz"]), required=True,
    help="jsonl: an event a line. json: one object. csv: a row an event. html: a page that steps, in one file. "
    "svg, mermaid: the graph of an iteration with its values. npz: tensors for numpy.",
)  # fmt: skip
@click.option("-o", "--output", metavar="FILE", help="Write there instead of to stdout.")
@click.option("--at", metavar="POSITION", help="html: open there; svg, mermaid, npz: as it is there.")
@click.option("--tensor", "tensors", multiple=True, metavar="NAME", help="npz: this one (w, w.grad) [all leaves].")
@click.option("--iterations", metavar="A:B", callback=window, help="html: only those from A to before B.")
def export(trace: str, format_: str, output: str | None, **given: Any) -> None:
    """Write a TRACE in another format; the same trace gives the same bytes."""
    from backstep.export.formats import FORMATS, Wanted

    chosen, context = FORMATS[format_], click.get_current_context()
    for name, option in (("at", "--at"), ("tensors", "--tensor"), ("iterations", "--iterations")):
        if given[name] and name not in chosen.takes:
            raise click.UsageError(f"{option} means nothing to {format_}", context)
    if output is None and not chosen.is_text and has_terminal(sys.stdout):
        raise click.UsageError(f"{format_} is nothing for a terminal: -o names a file", context)
    with one_trace(trace) as loaded:
        at = None if given["at"] is None else position_in(loaded, given["at"])
        wanted = Wanted(at, given["tensors"], _iterations(given["iterations"]))
        try:
            if output is None:
                chosen.write(loaded, sys.stdout.buffer, wanted)
                return
            if Path(output).exists() and Path(output).samefile(trace):
                raise click.UsageError(f"{output}: is the trace itself", context)
            with open(output, "wb") as stream:
                chosen.write(loaded, stream, wanted)
        except ValueError as error:
            raise click.UsageError(one_line(str(error)), context) from None
        except OSError as error:
            if output is None:
                raise
            raise click.UsageError(f"{output}: {error.strerror}", context) from None


def _iterations(text: str | None) -> tuple[int, int | None] | None:
    from backstep.recorder.options import parse_iterations

    return None if text is None else parse_iterations(text)
