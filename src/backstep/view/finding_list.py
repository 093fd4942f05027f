"""Findings as a list: a line each, the chosen one told in full."""

from __future__ import annotations

from collections.abc import Mapping

from rich.segment import Segment

from backstep.diagnose.check import Report
from backstep.diagnose.finding import Finding, Level
from backstep.view.findings import finding_rows
from backstep.view.rows import Row, fit, safe
from backstep.view.theme import Theme

SIGNS = {Level.ERROR: "✗", Level.WARNING: "!", Level.NOTE: "·"}
STYLES = {Level.ERROR: "error", Level.WARNING: "warning", Level.NOTE: "forward"}


def build(
    report: Report, chosen: int, sources: Mapping[str, str], width: int, height: int, theme: Theme
) -> list[Row]:  # fmt: skip
    """At most `height` rows: the chosen finding among them, what was looked at in the last."""
    last: Row = [Segment(safe(f"looked at {report.looked}"), theme.dim)]
    if not report.findings:
        return [[Segment("✓ nothing found", theme.good)], [], last]
    chosen = min(chosen, len(report.findings) - 1)
    told = list(finding_rows(report.findings[chosen], sources, width, theme))[1:]
    room = max(1, height - 2 - min(len(told), max(0, height - 3)))
    top = max(0, min(chosen - room // 2, len(report.findings) - room))
    rows: list[Row] = []
    for index, finding in enumerate(report.findings[top : top + room], top):
        rows.append(fit(headline(finding, index == chosen, theme), width))
        if index == chosen:
            rows += told
    return [*rows[: height - 2], [], last]


def headline(finding: Finding, chosen: bool, theme: Theme) -> Row:
    """`▸ ! warning missing-zero-grad  train.py:14`"""
    style = getattr(theme, STYLES[finding.level])
    where = "" if finding.source is None else f"  {finding.source.file}:{finding.source.line}"
    return [
        Segment("▸ " if chosen else "  ", theme.key),
        Segment(f"{SIGNS[finding.level]} {finding.level.value}", style),
        Segment(f" {finding.rule}", theme.strong if chosen else theme.text),
        Segment(safe(where), theme.dim),
    ]
