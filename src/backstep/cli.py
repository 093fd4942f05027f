"""The command line: parse, dispatch, exit codes. torch and textual are imported in the branch that needs them.

Results go to stdout. What is wrong with the command or with a file is one plain line on stderr and exit code 2.
"""

from __future__ import annotations

import codecs
import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from backstep.trace.file import one_line

if TYPE_CHECKING:
    from backstep.diagnose.check import Report
    from backstep.diagnose.selection import Selection
    from backstep.trace.trace import Trace
    from backstep.view.rows import Row

USAGE = 2
BROKEN_PIPE = 128 + 13
PIPE_WIDTH = 1000
"""How long a line of `info` may be where no terminal crops it."""
PATIENCE = 0.05
"""Seconds of reading before the screen opens; it reads on."""
TEXT_WIDTH = 100
"""How wide the text of findings is where there is no terminal."""


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


class OneLineGroup(click.Group):
    """A group whose absence of a command is a usage error like any other, not a page of help."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args:
            raise click.UsageError("no command given; backstep --help lists them", ctx)
        return super().parse_args(ctx, args)


def _range(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    """`A:B`, checked before anything runs."""
    if text is None:
        return None
    from backstep.recorder.options import Options, parse_iterations

    try:
        Options(iterations=parse_iterations(text))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    return text


SIZES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def _bytes(_: click.Context, __: click.Parameter, text: str | None) -> int | None:
    """A number of bytes, or of kilo-, mega- or gigabytes."""
    if text is None:
        return None
    digits = text.rstrip("kKmMgGiIbB")
    unit = text[len(digits) :].upper().removesuffix("B").removesuffix("I")
    if not digits.isdigit() or unit not in SIZES or not int(digits):
        raise click.BadParameter(f"{text!r} is no size in bytes")
    return int(digits) * SIZES[unit]


def _stop(_: Any, __: Any, text: str | None) -> str | None:
    """A stop, as it is written on the screen too."""
    from backstep.stops.condition import ConditionError
    from backstep.stops.stop import parse_stop

    try:
        return None if text is None else parse_stop(text).text
    except ConditionError as error:
        raise click.BadParameter(str(error)) from None


def _screen_options(command: Callable[..., int]) -> Callable[..., int]:
    """How the screen looks; what is asked for comes as `theme`, `plain` and `hints`."""
    for option in (
        click.option("--hints", is_flag=True, help="Give the hints of the first session again."),
        click.option("--ascii", "plain", is_flag=True, help="ASCII alone, as where the locale is not UTF-8."),
        click.option("--theme", type=click.Choice(["dark", "light", "contrast"]), help="Colours [as set, or dark]."),
    ):
        command = option(command)
    return command


@click.group(cls=OneLineGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(None, "--version", package_name="backstep", message="backstep %(version)s")
def cli() -> None:
    """Step through the backpropagation of a PyTorch script, forwards and backwards."""


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
@click.option("--iterations", metavar="A:B", callback=_range, help="Record the iterations from A to before B.")
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
    callback=_stop,
    help="End the recording where this first holds: 'loss < 0.1', nan, '|w.grad| > 10', 'op relu nth 3', 'line 14'.",
)
@click.option("--max-size", callback=_bytes, metavar="BYTES", help="End the recording there; 500M and 2G will do.")
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
@_screen_options
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
    if headless or _rank() or not _has_terminal(sys.stdout):
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


def output_path(script: str, output: str | None, *, module: bool, force: bool) -> Path:
    """Where the trace goes: as asked for, or the next free name in the working directory."""
    from backstep.trace.file import is_locked

    context = click.get_current_context()
    if rank := _rank():
        output = str(_path_of_rank(rank["rank"], script, output, module=module))
    if output is None:
        return next(path for path in _default_paths(script, module) if _claimed(path))
    path = Path(output)
    if path.is_dir():
        raise click.UsageError(f"{output}: is a folder", context)
    if path.exists() and not force:
        raise click.UsageError(f"{output}: exists already; --force overwrites it", context)
    if path.exists() and not module and path.samefile(script):
        raise click.UsageError(f"{output}: is the script itself", context)
    if path.exists() and is_locked(path):
        raise click.UsageError(f"{output}: is being recorded by another run", context)
    if not path.absolute().parent.is_dir():
        raise click.UsageError(f"{output}: no such folder", context)
    if not os.access(path if path.exists() else path.absolute().parent, os.W_OK):
        raise click.UsageError(f"{output}: may not be written", context)
    return path


def _claimed(path: Path) -> bool:
    """Makes an empty file, if there is none: of two runs that begin at once each gets a name of its own."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except FileExistsError:
        return False
    except OSError as error:
        raise click.UsageError(f"{path}: {error.strerror}", click.get_current_context()) from None
    return True


def _rank() -> dict[str, int] | None:
    """Which of how many processes this is, if there are others: then each has a trace in one folder."""
    from backstep.recorder.options import rank_of

    rank = rank_of(os.environ)
    return rank if rank.get("world_size", 1) > 1 else None


def _path_of_rank(rank: int, script: str, output: str | None, *, module: bool) -> Path:
    """The trace of a rank in the folder that was asked for, else in the first that has none of this rank."""
    name = f"rank-{rank}.backstep"
    given = (path.with_suffix(".ranks") for path in _default_paths(script, module)) if output is None else [output]
    folder = next(Path(folder) for folder in given if output or not (Path(folder) / name).exists())
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise click.UsageError(f"{folder}: {error.strerror}", click.get_current_context()) from None
    return folder / name


def _default_paths(script: str, module: bool) -> Iterator[Path]:
    stem = script.rpartition(".")[2] if module else Path(script).resolve().stem
    yield Path(f"{stem}.backstep")
    number = 2
    while True:
        yield Path(f"{stem}-{number}.backstep")
        number += 1


@cli.command("demo")
@click.argument("name", required=False)
@_screen_options
def demo(name: str | None, **look: Any) -> int:
    """A tour: steps through the scenarios that come with backstep, or through the one called NAME."""
    from backstep.demo import DemoError, chosen, listing, tour

    try:
        found = chosen(name)
        if not (_has_terminal(sys.stdin) and _has_terminal(sys.stdout)):
            print(listing(found))
            return 0
        return tour(found, look)
    except DemoError as error:
        raise click.UsageError(str(error), click.get_current_context()) from None


@cli.command("open")
@click.argument("trace")
@click.option("--at", "at", metavar="POSITION", help="Start there: N, #N, iN, eN, eNiM, N%, first, last.")
@_screen_options
def open_(trace: str, at: str | None, **look: Any) -> int:
    """Step through a recorded TRACE; needs no torch."""
    with _ranks(trace, patience=PATIENCE if at is None else None) as ranks:
        loaded = ranks[0]
        position = None if at is None else _position(loaded, at)
        in_a_browser = "TEXTUAL_DRIVER" in os.environ
        if not in_a_browser and not (_has_terminal(sys.stdin) and _has_terminal(sys.stdout)):
            raise click.UsageError("needs a terminal; backstep show prints a moment", click.get_current_context())
        from backstep.screen import screen

        app = screen(loaded, look, position=position, others=ranks[1:])
        app.run()
        return app.return_code or 0


@cli.command("serve")
@click.argument("trace")
@click.option("--at", "at", metavar="POSITION", help="Start there: N, #N, iN, eN, eNiM, N%, first, last.")
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True, help="On 127.0.0.1.")
@_screen_options
def serve(trace: str, at: str | None, port: int, **look: Any) -> int:
    """The screen on a TRACE in a browser on this machine, a process for each tab; needs the extra `serve`."""
    context = click.get_current_context()
    with _ranks(trace) as ranks:
        position = None if at is None else _position(ranks[0], at)
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
    with _ranks(trace) as ranks:
        position = _position(ranks[0], at)
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
    with _ranks(trace) as ranks:
        from backstep.view.ranks import info_of_ranks
        from backstep.view.theme import DARK

        _print(lambda width: info_of_ranks(ranks, width, DARK))


def _print(rows: Callable[[int], list[Row]]) -> None:
    """The rows for so many cells: in colour on a terminal, else as plain text."""
    from rich.console import Console
    from rich.segment import Segment, Segments

    from backstep.view.rows import text_of

    if not _has_terminal(sys.stdout):
        print(text_of(rows(PIPE_WIDTH)))
        return
    console = Console()
    for row in rows(console.width):
        console.print(Segments([*row, Segment.line()]), end="", soft_wrap=True)


@cli.command()
@click.argument("a")
@click.argument("b")
@click.option(
    "--rtol", type=click.FloatRange(min=0), default=0.0, metavar="RTOL", help="Numbers may differ by RTOL x |b| [0]."
)
@click.option("--atol", type=click.FloatRange(min=0), default=0.0, metavar="ATOL", help="... and by ATOL [0].")
@click.option("--open", "opened", is_flag=True, help="Open B there, with A beside it.")
@_screen_options
def diff(a: str, b: str, rtol: float, atol: float, opened: bool, **look: Any) -> int:
    """Find where two traces of the same script, A and B, first differ: in what happened, or in a number.

    Exit code 0: nowhere; 1: somewhere; 2: could not look.
    """
    from backstep.replay.difference import Tolerance, first_difference
    from backstep.view.difference import build
    from backstep.view.theme import DARK

    with _loaded(a) as one, _loaded(b) as other:
        found = first_difference(one, other, Tolerance(rtol, atol))
        if opened and found is not None and _has_terminal(sys.stdin) and _has_terminal(sys.stdout):
            from backstep.screen import screen

            first, second = (min(found.position, len(trace) - 1) for trace in (one, other))
            app = screen(other, look, position=second, pinned=(one, first))
            app.run()
        _print(lambda width: build(one, other, found, DARK))
    return 0 if found is None else 1


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
@click.option("--iterations", metavar="A:B", callback=_range, help="html: only those from A to before B.")
def export(trace: str, format_: str, output: str | None, **given: Any) -> None:
    """Write a TRACE in another format; the same trace gives the same bytes."""
    from backstep.export.formats import FORMATS, Wanted

    chosen, context = FORMATS[format_], click.get_current_context()
    for name, option in (("at", "--at"), ("tensors", "--tensor"), ("iterations", "--iterations")):
        if given[name] and name not in chosen.takes:
            raise click.UsageError(f"{option} means nothing to {format_}", context)
    if output is None and not chosen.is_text and _has_terminal(sys.stdout):
        raise click.UsageError(f"{format_} is nothing for a terminal: -o names a file", context)
    with _loaded(trace) as loaded:
        at = None if given["at"] is None else _position(loaded, given["at"])
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


@cli.command()
@click.argument("trace")
def verify(trace: str) -> int:
    """Check the chain rule: upstream x local = downstream, for every edge whose numbers are kept."""
    from backstep.trace.ranks import name_of
    from backstep.trace.verify import report, verify

    failed = False
    with _ranks(trace) as ranks:
        for loaded in ranks:
            if len(ranks) > 1:
                click.echo(f"{one_line(name_of(loaded))}:")
            verification = verify(loaded)
            failed = failed or bool(verification.failures)
            for line in report(verification):
                click.echo(one_line(line) if line else "")
    return 1 if failed else 0


@cli.command(context_settings={"ignore_unknown_options": True})
@click.option(
    "--format", "format_", type=click.Choice(["text", "json", "sarif"]), default="text", show_default=True,
    help="For people, for programs, for code hosts.",
)  # fmt: skip
@click.option("--select", multiple=True, metavar="RULES", help="Only these rules (names, with commas between).")
@click.option("--ignore", multiple=True, metavar="RULES", help="Not these rules.")
@click.option("-o", "--output", metavar="PATH", help="Keep the trace of the script there.")
@click.option("--force", is_flag=True, help="Overwrite an existing trace.")
@click.option("-m", "module", is_flag=True, help="TARGET is a module's name, as in python -m.")
@click.option("--rules", is_flag=True, is_eager=True, expose_value=False, callback=lambda *given: _list_rules(*given),
              help="List the rules and exit.")  # fmt: skip
@click.argument("target")
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def check(target: str, args: tuple[str, ...], format_: str, **given: Any) -> int:
    """Find what is wrong with the training in TARGET: a trace, or a script, which is run.

    Exit code 0: nothing above a note was found; 1: something was; 2: could not look.
    """
    from backstep.checking import is_trace, recorded
    from backstep.diagnose.check import check as judge

    context = click.get_current_context()
    selection = _selection(target, given["select"], given["ignore"])
    if not given["module"] and not Path(target).exists():
        raise click.UsageError(f"can't open '{target}': no such file", context)
    if not given["module"] and is_trace(target):
        if args or given["output"]:
            raise click.UsageError(f"{target} is a trace: arguments and -o are for a script", context)
        opened = _ranks(target)
    else:
        output = given["output"]
        path = output and output_path(target, output, module=given["module"], force=given["force"])
        opened = recorded(target, args, module=given["module"], output=path or None)
    with opened as traces:
        reports = [judge(trace, selection, traces[1:] if trace is traces[0] else ()) for trace in traces]
        _print_findings(traces, reports, format_)
    return 1 if any(report.faulty for report in reports) else 0


def _list_rules(context: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked:
        from backstep.diagnose.rules import RULES

        for rule in RULES:
            click.echo(f"{rule.name:28}{rule.summary}")
        context.exit()


def _selection(target: str, select: Sequence[str], ignore: Sequence[str]) -> Selection:
    from backstep.diagnose.rules import RULES
    from backstep.diagnose.selection import SelectionError, selection_of

    try:
        return selection_of(select, ignore, [Path.cwd(), Path(target).absolute().parent], [r.name for r in RULES])
    except SelectionError as error:
        raise click.UsageError(str(error), click.get_current_context()) from None


def _print_findings(traces: Sequence[Trace], reports: Sequence[Report], format_: str) -> None:
    """The findings alone to stdout; to stderr what was looked at, so that silence can be told from blindness."""
    from importlib.metadata import version

    from backstep.diagnose.sarif import sarif

    findings = tuple(finding for report in reports for finding in report.findings)
    if format_ == "sarif":
        print(json.dumps(sarif(findings, version("backstep")), indent=2))
    elif format_ == "json":
        print(json.dumps(_as_one([report.as_dict() for report in reports]), indent=2))
    else:
        _print_as_text(traces, reports)
    for report in reports:
        for rule, why in report.not_looked:
            click.echo(one_line(f"backstep: {rule} did not look: {why}"), err=True)
        count = len(report.findings)
        found = "nothing found" if not count else "1 finding" if count == 1 else f"{count} findings"
        click.echo(one_line(f"backstep: {found} in {report.looked}"), err=True)


def _as_one(reports: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The reports of several ranks as one object."""
    findings = [finding for report in reports for finding in report["findings"]]
    not_looked = [rule for report in reports for rule in report["not_looked"]]
    return {"findings": findings, "looked": "; ".join(r["looked"] for r in reports), "not_looked": not_looked}


def _print_as_text(traces: Sequence[Trace], reports: Sequence[Report]) -> None:
    from rich.console import Console
    from rich.segment import Segment, Segments

    from backstep.view.findings import findings_rows
    from backstep.view.rows import text_of
    from backstep.view.theme import DARK

    console = Console()
    terminal = _has_terminal(sys.stdout)
    for trace, report in zip(traces, reports, strict=True):
        rows = findings_rows(report.findings, trace.sources, console.width if terminal else TEXT_WIDTH, DARK)
        if rows and not terminal:
            print(text_of(rows))
        for row in rows if terminal else []:
            console.print(Segments([*row, Segment.line()]), end="", soft_wrap=True)


@contextlib.contextmanager
def _ranks(path: str, *, patience: float | None = None) -> Iterator[list[Trace]]:
    """The trace, or those of a folder by rank. A trace may lie: what stumbles over it becomes one line."""
    from backstep.trace.file import DAMAGE, TraceError
    from backstep.trace.ranks import opened

    with opened(path, patience=patience) as traces:
        try:
            yield traces
        except DAMAGE as error:
            if os.environ.get("BACKSTEP_DEBUG"):
                raise
            what = f"{type(error).__name__}: {error}"
            raise TraceError(f"{path}: cannot be shown: {what} (BACKSTEP_DEBUG=1 says where)") from None


@contextlib.contextmanager
def _loaded(path: str) -> Iterator[Trace]:
    """One trace. TraceError for a folder of them."""
    if Path(path).is_dir():
        raise click.UsageError(f"{path}: is a folder; name one of the traces in it", click.get_current_context())
    with _ranks(path) as traces:
        yield traces[0]


def _position(trace: Trace, text: str) -> int:
    from backstep.replay.position import PositionError, parse_position

    try:
        return parse_position(trace, text)
    except PositionError as error:
        raise click.UsageError(str(error), click.get_current_context()) from None


def _has_terminal(stream: Any) -> bool:
    return stream is not None and not stream.closed and bool(stream.isatty())
