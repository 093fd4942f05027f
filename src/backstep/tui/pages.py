"""What lies over the panes: help, the script's output, the question on leaving; and the screen before any event."""

from __future__ import annotations

from rich.segment import Segment

from backstep.replay.moment import Moment
from backstep.trace.batch import KIND_CODE
from backstep.trace.trace import Trace
from backstep.tui.keys import KEYS
from backstep.view.rows import Row, fill_rows, fit, safe
from backstep.view.theme import Theme

LINES = 200
"""The last lines of output that are shown."""


def help_page(theme: Theme) -> tuple[Row, ...]:
    """All keys, in two columns, made from the table."""
    rule: Row = [Segment("small letter: forward in time   CAPITAL: the same motion back", theme.strong)]
    half = (len(KEYS) + 1) // 2
    entries = [_entry(key.shown, key.help, theme) for key in KEYS]
    rows: list[Row] = [rule, []]
    for index in range(half):
        right = entries[half + index] if half + index < len(entries) else []
        rows.append([*fit(entries[index], 36), Segment(" "), *fit(right, 37)])
    return tuple(rows)


def _entry(keys: str, text: str, theme: Theme) -> Row:
    return [Segment(f"{keys:<9} ", theme.key), Segment(text, theme.text)]


def output_page(moment: Moment, height: int, theme: Theme) -> tuple[Row, ...]:
    """What the script had printed by this moment: the last lines."""
    trace = moment.trace
    kinds = trace.columns["kind"][: moment.position + 1]
    positions = (kinds == KIND_CODE["output"]).nonzero()[0][-LINES:]
    rows: list[Row] = []
    for position in positions.tolist():
        event = trace.event(position)
        style = theme.error if event["stream"] == "stderr" else theme.text
        rows += [[Segment(safe(line), style)] for line in event["text"].splitlines()]
    if not rows:
        return ([Segment("nothing printed by now", theme.dim)],)
    return tuple(rows[-max(1, height - 4) :])


def leave_page(theme: Theme) -> tuple[Row, ...]:
    """The script is still running: what becomes of it?"""
    return (
        [Segment("The script is still running.", theme.strong)],
        [],
        [Segment("r ", theme.key), Segment("let it run on without the screen", theme.text)],
        [Segment("s ", theme.key), Segment("stop it (as Ctrl+C does)", theme.text)],
        [Segment("c ", theme.key), Segment("cancel: stay here", theme.text)],
    )


def waiting_page(trace: Trace, width: int, height: int, theme: Theme) -> list[Row]:
    """Before the first event, or when there will be none."""
    header = trace.header
    status = header["exit"]["status"]
    said = {
        "running": "waiting for the first tensor operation ...",
        "ok": "The script has ended. It did nothing with torch that could be shown.",
        "exception": f"The script stopped before any tensor operation: {header['exit']['exception']}",
    }.get(status, f"Nothing was recorded: the script was {status}.")
    lines: list[Row] = [[] for _ in range(max(0, height // 2 - 1))]
    lines.append([Segment("  backstep ", theme.brand), Segment(f" {safe(str(header['script']))}", theme.strong)])
    lines.append([Segment(f"  {safe(said)}", theme.dim), Segment("   q quits", theme.dim)])
    return fill_rows(lines, width, height)
