"""The commands that judge: whether the chain rule holds, and what is wrong with the training."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from backstep.cli.group import cli
from backstep.cli.places import output_path
from backstep.cli.traces import has_terminal, traces_of
from backstep.trace.file import one_line

if TYPE_CHECKING:
    from backstep.diagnose.check import Report
    from backstep.diagnose.selection import Selection
    from backstep.trace.trace import Trace

TEXT_WIDTH = 100
"""How wide the text of findings is where there is no terminal."""


@cli.command()
@click.argument("trace")
def verify(trace: str) -> int:
    """Check the chain rule: upstream x local = downstream, for every edge whose numbers are kept."""
    from backstep.trace.ranks import name_of
    from backstep.trace.verify import report, verify

    failed = False
    with traces_of(trace) as ranks:
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
        opened = traces_of(target)
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
    terminal = has_terminal(sys.stdout)
    for trace, report in zip(traces, reports, strict=True):
        rows = findings_rows(report.findings, trace.sources, console.width if terminal else TEXT_WIDTH, DARK)
        if rows and not terminal:
            print(text_of(rows))
        for row in rows if terminal else []:
            console.print(Segments([*row, Segment.line()]), end="", soft_wrap=True)
