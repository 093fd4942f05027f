"""The pages that lie over the panes: the script's output, the question on leaving; and the screen before
any event."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style

from backstep.replay.moment import Moment
from backstep.trace.batch import KIND_CODE
from backstep.trace.trace import Trace
from backstep.tui.keys import ANSWERS
from backstep.tui.overlay import Overlay
from backstep.view import hints
from backstep.view.ranks import ranks_rows
from backstep.view.rows import Row, fill_rows, fit, safe
from backstep.view.theme import Theme

LINES = 200
CHARACTERS = 1 << 16
"""The last pieces of output that are looked at, and how much of each."""
TERMINAL_CODES = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\))")


def output_page(moment: Moment | None, height: int, theme: Theme) -> Overlay:
    """What the script had printed by this moment: the last lines."""
    rows = [] if moment is None else printed(moment, theme)
    if not rows:
        return Overlay("output", ([Segment("nothing printed by now", theme.dim)],))
    return Overlay("output", tuple(rows[-max(1, height - 4) :]))


def printed(moment: Moment, theme: Theme) -> list[Row]:
    """The lines of the last pieces of output; pieces of one stream that follow one another are one text."""
    kinds = moment.trace.columns["kind"][: moment.position + 1]
    texts: list[tuple[str, str]] = []
    for position in (kinds == KIND_CODE["output"]).nonzero()[0][-LINES:].tolist():
        event = moment.trace.event(position)
        stream, text = event["stream"], event["text"][-CHARACTERS:]
        if texts and texts[-1][0] == stream:
            text = texts.pop()[1] + text
        texts.append((stream, text))
    styles = {"stderr": theme.error}
    return [[Segment(line, styles.get(stream, theme.text))] for stream, text in texts for line in lines_of(text)]


def lines_of(text: str) -> list[str]:
    """As a terminal would leave them: a carriage return writes over its line, colours are dropped."""
    plain = TERMINAL_CODES.sub("", text).removesuffix("\n")
    return [safe(line.rstrip("\r").rpartition("\r")[2].expandtabs()) for line in plain.split("\n")]


def ranks_page(ranks: Sequence[Trace], trace: Trace, position: int, theme: Theme) -> Overlay:
    """The event of this rank beside that of every other."""
    ordered = (trace, *(rank for rank in ranks if rank is not trace))
    return Overlay("ranks", tuple(ranks_rows(ordered, position, theme)))


def leave_page(theme: Theme) -> Overlay:
    """The script is still running: what becomes of it?"""
    rows: list[Row] = [[Segment("The script is still running.", theme.strong)], []]
    rows += [[Segment(f"{key.shown}  ", theme.key), Segment(text, theme.text)] for key, text in ANSWERS]
    return Overlay("leave", tuple(rows))


def waiting_page(trace: Trace, width: int, height: int, theme: Theme) -> list[Row]:
    """Before the first event, or when there will be none."""
    exit_ = trace.header["exit"]
    said, style = {
        "running": ("waiting for the first tensor operation …", theme.text),
        "ok": ("the script has ended; it did nothing with torch that could be shown", theme.text),
        "exception": (f"✗ the script stopped before any tensor operation: {exit_['exception']}", theme.error),
    }.get(exit_["status"], (f"nothing was recorded: the script was {exit_['status']}", theme.warning))
    return message_page(trace, said, style, width, height, theme)


def damaged_page(trace: Trace, error: Exception, width: int, height: int, theme: Theme) -> list[Row]:
    """A moment that cannot be read; others may be."""
    return message_page(trace, f"✗ {error}", theme.error, width, height, theme)


def message_page(trace: Trace, said: str, style: Style, width: int, height: int, theme: Theme) -> list[Row]:
    """One line where the panes would be."""
    running = trace.header["exit"]["status"] == "running"
    state = Segment("  ● LIVE", theme.bar + theme.good) if running else Segment("", theme.bar)
    script = Segment(f" {safe(str(trace.header['script'] or 'recording'))}", theme.bar + theme.strong)
    top = fit([Segment(" backstep ", theme.brand), script, state], width, theme.bar)
    blank: list[Row] = [[] for _ in range(max(0, height // 2 - 2))]
    middle = fill_rows([*blank, [Segment(f"  {safe(said)}", style)]], width, max(0, height - 2))
    last = hints.build([("?", "help"), ("q", "quit")], width, 1, theme)
    return [top, *middle, *last][:height]
