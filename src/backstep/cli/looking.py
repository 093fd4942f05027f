"""The commands that show a trace: on the screen, in a browser, as text."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from backstep.cli.group import cli
from backstep.cli.options import screen_options
from backstep.cli.traces import has_terminal, one_trace, position_in, print_rows, traces_of

PATIENCE = 0.05
"""Seconds of reading before the screen opens; it reads on."""


@cli.command("demo")
@click.argument("name", required=False)
@screen_options
def demo(name: str | None, **look: Any) -> int:
    """A tour: steps through the scenarios that come with backstep, or through the one called NAME."""
    from backstep.demo import DemoError, chosen, listing, tour

    try:
        found = chosen(name)
        if not (has_terminal(sys.stdin) and has_terminal(sys.stdout)):
            print(listing(found))
            return 0
        return tour(found, look)
    except DemoError as error:
        raise click.UsageError(str(error), click.get_current_context()) from None


@cli.command("open")
@click.argument("trace")
@click.option("--at", "at", metavar="POSITION", help="Start there: N, #N, iN, eN, eNiM, N%, first, last.")
@screen_options
def open_(trace: str, at: str | None, **look: Any) -> int:
    """Step through a recorded TRACE; needs no torch."""
    with traces_of(trace, patience=PATIENCE if at is None else None) as ranks:
        loaded = ranks[0]
        position = None if at is None else position_in(loaded, at)
        in_a_browser = "TEXTUAL_DRIVER" in os.environ
        if not in_a_browser and not (has_terminal(sys.stdin) and has_terminal(sys.stdout)):
            raise click.UsageError("needs a terminal; backstep show prints a moment", click.get_current_context())
        from backstep.screen import screen

        app = screen(loaded, look, position=position, others=ranks[1:])
        app.run()
        return app.return_code or 0


@cli.command("serve")
@click.argument("trace")
@click.option("--at", "at", metavar="POSITION", help="Start there: N, #N, iN, eN, eNiM, N%, first, last.")
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True, help="On 127.0.0.1.")
@screen_options
def serve(trace: str, at: str | None, port: int, **look: Any) -> int:
    """The screen on a TRACE in a browser on this machine, a process for each tab; needs the extra `serve`."""
    context = click.get_current_context()
    with traces_of(trace) as ranks:
        position = None if at is None else position_in(ranks[0], at)
    try:
        from backstep.serving import serve
    except ImportError as error:
        raise click.UsageError(f"needs textual-serve, the extra 'serve' of backstep ({error})", context) from None
    asked = {f"--theme={look['theme']}": look["theme"], "--ascii": look["plain"], "--hints": look["hints"]}
    try:
        serve(trace, position, [option for option, given in asked.items() if given], port)
    except OSError as error:
        raise click.UsageError(f"port {port}: {error.strerror}", context) from None
    return 0


@cli.command()
@click.argument("trace")
@click.option("--at", "at", required=True, metavar="POSITION", help="N, #N, iN, eN, eNiM, N%, first, last.")
def show(trace: str, at: str) -> None:
    """Print one moment of a TRACE as plain text; of several ranks that of the first, and the others beside it."""
    with traces_of(trace) as ranks:
        position = position_in(ranks[0], at)
        from backstep.replay.cursor import Cursor
        from backstep.view.ranks import ranks_text
        from backstep.view.text import moment_text

        moment = Cursor(ranks[0], position).moment()
        print(moment_text(moment).rstrip("\n"))
        if len(ranks) > 1:
            print(f"\n{ranks_text(ranks, position)}")


@cli.command()
@click.argument("trace")
def info(trace: str) -> None:
    """Say what is in a TRACE, and what could not be captured."""
    with traces_of(trace) as ranks:
        from backstep.view.ranks import info_of_ranks
        from backstep.view.theme import DARK

        print_rows(lambda width: info_of_ranks(ranks, width, DARK))


@cli.command()
@click.argument("a")
@click.argument("b")
@click.option(
    "--rtol", type=click.FloatRange(min=0), default=0.0, metavar="RTOL", help="Numbers may differ by RTOL x |b| [0]."
)
@click.option("--atol", type=click.FloatRange(min=0), default=0.0, metavar="ATOL", help="... and by ATOL [0].")
@click.option("--open", "opened", is_flag=True, help="Open B there, with A beside it.")
@screen_options
def diff(a: str, b: str, rtol: float, atol: float, opened: bool, **look: Any) -> int:
    """Find where two traces of the same script, A and B, first differ: in what happened, or in a number.

    Exit code 0: nowhere; 1: somewhere; 2: could not look.
    """
    from backstep.replay.difference import Tolerance, first_difference
    from backstep.view.difference import build
    from backstep.view.theme import DARK

    with one_trace(a) as one, one_trace(b) as other:
        found = first_difference(one, other, Tolerance(rtol, atol))
        if opened and found is not None and has_terminal(sys.stdin) and has_terminal(sys.stdout):
            from backstep.screen import screen

            first, second = (min(found.position, len(trace) - 1) for trace in (one, other))
            app = screen(other, look, position=second, pinned=(one, first))
            app.run()
        print_rows(lambda width: build(one, other, found, DARK))
    return 0 if found is None else 1
