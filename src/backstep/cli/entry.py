"""Runs a command: what went wrong in a foreseen way is one line on stderr and exit code 2."""

from __future__ import annotations

import codecs
import contextlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from backstep.cli import exporting, judging, looking, running  # noqa: F401 - each adds its commands
from backstep.cli.group import cli
from backstep.trace.file import one_line

USAGE = 2
BROKEN_PIPE = 128 + 13


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The entry point; always leaves by `SystemExit`."""
    sys.exit(_run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    """Runs a command; what went wrong in a foreseen way becomes one line."""
    from backstep.trace.file import TraceError

    # A terminal that cannot show a character shows a stand-in; it is no reason for a traceback.
    codecs.register_error("stand-in", _stand_in)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError):
            stream.reconfigure(errors="stand-in")  # type: ignore[union-attr]
    try:
        # Not `cli.main`, which makes its own exit code of a broken pipe.
        with cli.make_context("backstep", list(sys.argv[1:] if arguments is None else arguments)) as context:
            code = cli.invoke(context)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except click.ClickException as error:
        command = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "backstep"
        return _refuse(f"{command}: {one_line(error.format_message())}")
    except TraceError as error:
        return _refuse(f"backstep: {one_line(str(error))}")
    except MemoryError:
        return _refuse("backstep: there is not enough memory for what is in this file")
    except (click.Abort, KeyboardInterrupt):
        return 128 + 2
    except BrokenPipeError:
        # The reader of the pipe has gone; python's own flush at exit must not complain about it either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE


def _stand_in(error: UnicodeError) -> tuple[str, int]:
    """What a terminal that knows ASCII alone shows for what it does not."""
    from backstep.view.ascii import part_spoken

    if not isinstance(error, UnicodeEncodeError):
        raise error
    return part_spoken(error.object, error.start, error.end), error.end


def _refuse(line: str) -> int:
    click.echo(line, err=True)
    return USAGE
