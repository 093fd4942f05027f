"""`backstep run`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from backstep.cli.group import cli
from backstep.cli.options import screen_options, size, stop, window
from backstep.cli.places import of_several, output_path
from backstep.cli.traces import has_terminal


@cli.command(context_settings={"allow_interspersed_args": False})
@click.option("--headless", is_flag=True, help="No TUI; implied when stdout is no terminal.")
@click.option("-o", "--output", metavar="PATH", help="Where the trace goes [next free STEM.backstep here].")
@click.option("--force", is_flag=True, help="Overwrite an existing trace.")
@click.option(
    "--values",
    type=click.Choice(["auto", "all", "summary"]),
    default="auto",
    show_default=True,
    help="Which tensors' numbers are kept: small ones, all, none.",
)
@click.option(
    "--max-elements",
    type=click.IntRange(min=0),
    default=1024,
    show_default=True,
    help="What is small: up to so many elements.",
)
@click.option(
    "--local",
    type=click.Choice(["auto", "all", "none"]),
    default="auto",
    show_default=True,
    help="Which local gradients are kept (auto: up to 16 x max-elements entries).",
)
@click.option("--iterations", metavar="A:B", callback=window, help="Record the iterations from A to before B.")
@click.option("--every", type=click.IntRange(min=1), default=1, help="Record one iteration in N.", metavar="N")
@click.option(
    "--keep-last",
    type=click.IntRange(min=1),
    metavar="N",
    help="Keep the first iteration and the last N: a flight recorder for long runs.",
)
@click.option(
    "--stop-when",
    metavar="COND",
    callback=stop,
    help="End the recording where this first holds: 'loss < 0.1', nan, '|w.grad| > 10', 'op relu nth 3', 'line 14'.",
)
@click.option("--max-size", callback=size, metavar="BYTES", help="End the recording there; 500M and 2G will do.")
@click.option(
    "--detail",
    type=click.Choice(["normal", "full"]),
    default="normal",
    help="full: what an optimizer computes inside its step is recorded too.",
)
@click.option(
    "--children", is_flag=True, help="Record the processes that the script starts by multiprocessing too, a trace each."
)
@click.option("--no-source", is_flag=True, help="Keep no source text in the trace.")
@click.option("--no-output", is_flag=True, help="Keep nothing of what the script prints.")
@click.option("-m", "module", is_flag=True, help="SCRIPT is a module's name, as in python -m.")
@screen_options
@click.argument("script")
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def run(script: str, args: tuple[str, ...], headless: bool, output: str | None, module: bool, **given: Any) -> int:
    """Record SCRIPT from its first line, and step through it while it runs."""
    if not module and not Path(script).exists():
        raise click.UsageError(f"can't open file '{script}': no such file", click.get_current_context())
    options = {
        "output": str(output_path(script, output, module=module, force=given["force"])),
        "force": given["force"],
        "values": given["values"],
        "max_elements": given["max_elements"],
        "local": given["local"],
        "iterations": given["iterations"],
        "every": given["every"],
        "keep_last": given["keep_last"],
        "max_size": given["max_size"],
        "stop_when": given["stop_when"],
        "detail": given["detail"],
        "source": not given["no_source"],
        "output_events": not given["no_output"],
        "module": module,
        "quiet": False,
    }
    if given["children"]:
        options["children"] = str(Path(str(options["output"])).with_suffix(".children"))
    if headless or of_several() or not has_terminal(sys.stdout):
        _become_recorder(options, script, args)
    from backstep.launch import run_with_tui

    return run_with_tui(options, script, list(args), {name: given[name] for name in ("theme", "plain", "hints")})


def _become_recorder(options: dict[str, Any], script: str, args: Sequence[str]) -> NoReturn:
    """Replaces this process: the script's exit code, signals, stdin and output are then its own."""
    from backstep.child import recorder_command

    command = recorder_command(options, [script, *args])
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(command[0], command)
