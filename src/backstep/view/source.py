"""The code with two cursors: the line that runs, and in the backward pass the line that made the node which runs.

Lines of this iteration that have run carry what they made at their right end.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from backstep.replay.moment import Moment
from backstep.replay.runs import runs_of
from backstep.trace.batch import KIND_CODE
from backstep.trace.event import Event, Source, Value
from backstep.trace.memo import per_trace
from backstep.trace.trace import Trace
from backstep.view.brief import figures, shape
from backstep.view.glyphs import BORN, glyph, ink
from backstep.view.highlight import Line, lines_of
from backstep.view.rows import Row, fill_rows, fit, lit, safe, tagged, width_of
from backstep.view.theme import Theme
from backstep.view.title import title_row

GAP = 2
STOP = "●"
"""In the gutter of a line that has a stop."""
SPLIT = 7
"""A pane of so many rows can show two places at once."""
WRITES = tuple(KIND_CODE[kind] for kind in ("forward", "accumulate", "grad_write", "zero_grad", "update"))


def title(moment: Moment, width: int, theme: Theme) -> Row:
    running = moment.event.source
    return title_row(1, "Source", f"{running.file}:{running.line}" if running else "", width, theme)


def build(
    moment: Moment, width: int, height: int, theme: Theme, *, stops: frozenset[tuple[str, int]] = frozenset()
) -> list[Row]:  # fmt: skip
    """The code around the running line, with the line of the twin in view where that is possible. `stops`: the lines,
    by their files, that one wants to be led to."""
    running = moment.event.source
    if running is None:
        return _nowhere(moment, width, height, theme)
    text = moment.trace.sources.get(running.file)
    if text is None:
        return fill_rows(_without_text(running, theme), width, height)
    pane = _Pane(moment, width, theme, stops)
    born = moment.origin
    if born is None or born.file == running.file:
        span = _span_of_iteration(moment, running.file)
        lines = [running.line] if born is None else [born.line, running.line]
        top = _top(lines, span, len(lines_of(text, theme.syntax)), height)
        if top <= min(lines) and max(lines) < top + height:
            return fill_rows(pane.rows(running.file, top, height), width, height)
    if born is None or height < SPLIT:
        top = _framed(running.line, running.line, len(lines_of(text, theme.syntax)), height)
        return fill_rows(pane.rows(running.file, top, height), width, height)
    return fill_rows(_split(pane, born, running, height), width, height)


def _split(pane: _Pane, born: Source, running: Source, height: int) -> list[Row]:
    """The place of the twin above, the running line below, a rule between them."""
    upper = (height - 1) // 2
    lower = height - 1 - upper
    rows = pane.around(born, upper)
    rule = [Segment(f"┄┄ {safe(running.file)}:{running.line} ", pane.theme.dim)]
    rule.append(Segment("┄" * max(0, pane.width - width_of(rule)), pane.theme.rule))
    return [*fill_rows(rows, pane.width, upper), rule, *pane.around(running, lower)]


def _nowhere(moment: Moment, width: int, height: int, theme: Theme) -> list[Row]:
    words = f" {moment.event.kind.replace('_', ' ')}: no line of the script runs here"
    return fill_rows([[Segment(words, theme.dim)]], width, height)


def _without_text(running: Source, theme: Theme) -> list[Row]:
    """The one line that the event itself carries, when the file was not stored."""
    return [
        [Segment(f"{running.line:>4}   {safe(running.code)}", theme.text)],
        [],
        [Segment(f" the text of {safe(running.file)} is not in this trace", theme.dim)],
    ]


# which lines are in view


def _top(lines: list[int], span: tuple[int, int] | None, count: int, height: int) -> int:
    """The first line shown. It stays while the iteration's lines fit, so that stepping does not scroll."""
    low, high = min(lines), max(lines)
    if span is not None and max(span[1], high) - min(span[0], low) < height:
        low, high = min(span[0], low), max(span[1], high)
    elif high - low >= height:
        low = high = lines[-1]
    return _framed(low, high, count, height)


def _framed(low: int, high: int, count: int, height: int) -> int:
    """The first line shown so that these lines are in the middle."""
    top = low - (height - (high - low + 1)) // 2
    return max(1, min(top, count - height + 1))


def _span_of_iteration(moment: Moment, file: str) -> tuple[int, int] | None:
    """The first and the last line of a file that this iteration runs."""
    runs = runs_of(moment.trace)
    first, last = runs.inner_span(runs.inner_at(moment.position))
    lines = [line for name, line in _ran(moment.trace, first, last) if name == file]
    return (min(lines), max(lines)) if lines else None


@per_trace(8)
def _ran(trace: Trace, first: int, last: int) -> Mapping[tuple[str, int], list[int]]:
    """(file, line) to the positions at which it made something, ascending, between two positions."""
    columns = trace.columns[first : last + 1]
    places = columns["place"]
    order = np.argsort(places, kind="stable")
    starts = np.flatnonzero(np.diff(places[order].astype(np.int64), prepend=-1))
    found: dict[tuple[str, int], list[int]] = {}
    makes = np.isin(columns["kind"], WRITES)
    for group in np.split(order, starts[1:]):
        source = trace.source_at(first + int(group[0])) if len(group) else None
        if source is not None:
            made = (group[makes[group]] + first).tolist()
            found.setdefault((source.file, source.line), []).extend(made)
    return {line: sorted(positions) for line, positions in found.items()}


# rows


@dataclass(frozen=True, slots=True)
class _Mark:
    """A cursor: its sign in the gutter, the background of its line, and the columns that run."""

    sign: str
    color: Style
    background: Style
    columns: tuple[int, int] | None


class _Pane:
    """Draws lines of code for one moment."""

    def __init__(self, moment: Moment, width: int, theme: Theme, stops: frozenset[tuple[str, int]]) -> None:
        self.moment, self.width, self.theme, self._stops = moment, width, theme, stops
        runs = runs_of(moment.trace)
        first, last = runs.inner_span(runs.inner_at(moment.position))
        self._ran = _ran(moment.trace, first, last)
        self._marks = _marks(moment, theme)

    def around(self, source: Source, height: int) -> list[Row]:
        text = self.moment.trace.sources.get(source.file)
        if text is None:
            return _without_text(source, self.theme)
        count = len(lines_of(text, self.theme.syntax))
        return self.rows(source.file, _framed(source.line, source.line, count, height), height)

    def rows(self, file: str, top: int, height: int) -> list[Row]:
        lines = lines_of(self.moment.trace.sources[file], self.theme.syntax)
        digits = max(3, len(str(len(lines))))
        numbers = range(top, min(top + height, len(lines) + 1))
        return [self._row(file, number, lines[number - 1], digits) for number in numbers]

    def _row(self, file: str, number: int, line: Line, digits: int) -> Row:
        mark = self._marks.get((file, number))
        runs = mark is not None and mark.sign != BORN
        row: Row = [Segment(f"{number:>{digits}}", self.theme.strong if runs else self.theme.dim)]
        row.append(Segment(STOP, self.theme.error) if (file, number) in self._stops else Segment(" "))
        code = self._code(line, mark)
        sign = Segment(f"{mark.sign} " if mark else "  ", mark.color if mark else None)
        room = self.width - digits - 1
        body = self._with_inline([sign, *code], (file, number), room)
        if mark is not None:
            body = lit(body, mark.background)
        return tagged([*row, *body], file=file, line=number)

    def _code(self, line: Line, mark: _Mark | None) -> Row:
        if mark is None or mark.columns is None:
            return line.row
        start, end = (line.column(column) for column in mark.columns)
        return _bold(line.row, start, end)

    def _with_inline(self, row: Row, where: tuple[str, int], room: int) -> Row:
        """The code, and at the right end what the line made, if there is room for it."""
        used = width_of(row)
        for text in self._inline(where):
            if used + GAP + cell_len(text) + 1 <= room:
                blank = room - used - cell_len(text) - 1
                return [*row, Segment(" " * blank), Segment(text, self.theme.inline), Segment(" ")]
        return fit(row, room)

    def _inline(self, where: tuple[str, int]) -> list[str]:
        """What the line made last by now: in full, then without its name."""
        positions = self._ran.get(where, [])
        at = bisect_right(positions, self.moment.position) - 1
        if at < 0:
            return []
        event = self.moment.trace.event(positions[at])
        name, value = _made(event)
        if not name:
            return []
        known = None if value is None else figures(self.moment.trace, value)
        if value is not None and known is not None and not known.told:
            return [f"{name} {shape(value)} {known.text}", f"{name} {shape(value)}"]
        shown = "None" if known is None else known.text
        return [f"{name} = {shown}", *([f"= {shown}"] if event.kind == "forward" else [])]


def _made(event: Event) -> tuple[str, Value | None]:
    """The name and the value that an event leaves behind; no name for what makes nothing."""
    match event.kind:
        case "forward" if event["outputs"]:
            value = event["outputs"][0]
            return safe(value.name), value
        case "accumulate" | "grad_write" | "zero_grad":
            return f"{safe(event['tensor'])}.grad", event["after"]
        case "update":
            return safe(event["tensor"]), event["after"]
        case _:
            return "", None


def _marks(moment: Moment, theme: Theme) -> dict[tuple[str, int], _Mark]:
    """The two cursors, by file and line. On the same line the running one wins."""
    event = moment.event
    marks: dict[tuple[str, int], _Mark] = {}
    if moment.origin is not None:
        color = ink(event.kind, event.phase, theme)
        marks[moment.origin.file, moment.origin.line] = _Mark(BORN, color, theme.selected, _columns(moment.origin))
    if event.source is not None:
        color = ink(event.kind, event.phase, theme)
        here = theme.here(event.phase)
        marks[event.source.file, event.source.line] = _Mark(glyph(event.kind), color, here, _columns(event.source))
    return marks


def _columns(source: Source) -> tuple[int, int]:
    """The columns of the expression on its first line."""
    return source.column, source.end_column if source.end_line == source.line else 1 << 30


def _bold(row: Row, start: int, end: int) -> Row:
    """The characters from `start` to `end` in bold."""
    bold = Style(bold=True)
    result: Row = []
    at = 0
    for text, style, _ in row:
        low, high = (max(0, min(len(text), edge - at)) for edge in (start, end))
        own = style or Style.null()
        pieces = ((text[:low], own), (text[low:high], own + bold), (text[high:], own))
        result += [Segment(piece, drawn) for piece, drawn in pieces if piece]
        at += len(text)
    return result
