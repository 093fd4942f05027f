"""Findings for people: where, what happens, the line with its numbers, how to mend it, where to look."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping

from rich.segment import Segment
from rich.style import Style

from backstep.diagnose.finding import Finding, Level
from backstep.trace.event import Source
from backstep.view.highlight import lines_of
from backstep.view.rows import Row, safe, width_of
from backstep.view.theme import Theme

INDENT = 7
NARROWEST = 40


def findings_rows(findings: tuple[Finding, ...], sources: Mapping[str, str], width: int, theme: Theme) -> list[Row]:
    """Every finding, with an empty row between two."""
    rows: list[Row] = []
    for finding in findings:
        rows += [[], *finding_rows(finding, sources, max(width, NARROWEST), theme)]
    return rows[1:]


def finding_rows(finding: Finding, sources: Mapping[str, str], width: int, theme: Theme) -> Iterator[Row]:
    """One finding. `sources` is the text of the script's files."""
    colour = {Level.ERROR: theme.error, Level.WARNING: theme.warning, Level.NOTE: theme.forward}[finding.level]
    where = "" if finding.source is None else f"{safe(finding.source.file)}:{finding.source.line}: "
    yield [Segment(where, theme.strong), Segment(finding.level.value, colour), Segment(f" {finding.rule}", theme.dim)]
    if finding.source is not None:
        yield code_row(finding.source, sources, theme, finding.numbers, width)
    yield from paragraph(finding.message, width, theme.text)
    for one in finding.related:
        if one.source is not None:
            yield code_row(one.source, sources, theme, one.message, width)
    yield from paragraph(f"Fix: {finding.fix}", width, theme.good)
    positions = " ".join(f"#{position}" for position in finding.evidence)
    yield from paragraph(f"Evidence: {positions}", width, theme.dim)


def code_row(source: Source, sources: Mapping[str, str], theme: Theme, beside: str, width: int) -> Row:
    """The line of code, with its number, and what is to be said of it at its end."""
    text = sources.get(source.file)
    lines = () if text is None else lines_of(text, theme.syntax)
    row: Row = [Segment(f"{source.line:>{INDENT - 2}} │ ", theme.dim)]
    if 0 < source.line <= len(lines):
        row += dedented(lines[source.line - 1].row)
    else:
        row.append(Segment(safe(source.code), theme.text))
    gap = max(2, min(48, width - len(beside)) - width_of(row))
    return [*row, Segment(" " * gap), Segment(safe(beside), theme.inline)] if beside else row


def dedented(row: Row) -> Row:
    """A row without the blanks that it begins with."""
    kept = list(row)
    while kept and not kept[0].text.strip():
        kept.pop(0)
    if kept:
        kept[0] = Segment(kept[0].text.lstrip(), kept[0].style)
    return kept


def paragraph(text: str, width: int, style: Style) -> Iterator[Row]:
    for line in textwrap.wrap(safe(text), width - INDENT, break_on_hyphens=False):
        yield [Segment(" " * INDENT), Segment(line, style)]
