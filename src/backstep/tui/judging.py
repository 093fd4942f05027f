"""What the app answers when one asks what is wrong: the findings of `backstep check`, found in a process of their own
so that the screen never waits, as a page and as marks on the timeline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from subprocess import DEVNULL, PIPE, Popen
from typing import TYPE_CHECKING

from rich.segment import Segment

from backstep.trace.trace import Trace
from backstep.tui.explaining import Explaining
from backstep.tui.overlay import Overlay
from backstep.tui.picture import View
from backstep.view.marks import Marks
from backstep.view.rows import Row, safe

if TYPE_CHECKING:
    from backstep.diagnose.check import Report

PAGE = "findings"
WIDEST = 110
"""Cells of the page's text."""
MARKED = {"error": "✗", "warning": "!"}
"""What is marked on the timeline, the gravest first; a note is not."""


async def judged(traces: Sequence[Trace]) -> Report:
    """What the rules say of a trace and the other ranks'; ValueError for why they cannot look.

    They are loaded only now, and in a process of their own: the screen shares neither its start nor its time with them.
    """
    from backstep.diagnose.apart import command, read

    process = Popen(command([one.path for one in traces]), stdin=DEVNULL, stdout=PIPE, stderr=PIPE)
    try:
        said, wrong = await asyncio.to_thread(process.communicate)
    except asyncio.CancelledError:
        process.kill()
        raise
    if process.returncode:
        raise ValueError(wrong.decode(errors="replace").strip().rpartition("\n")[2] or "no answer")
    return read(said)


class Judging(Explaining):
    """The part of the app that knows the findings."""

    view: View
    _judged: tuple[Trace, int, Report | None, str] | None = None
    """The trace that was looked at, so many events of it, what was found, or why nothing could be."""
    _chosen = 0
    _evidence = 0
    """Which piece of the chosen finding's evidence comes next."""

    def _move(self, motion: Callable[[], str | None]) -> None:
        raise NotImplementedError

    def action_findings(self) -> None:
        """Opens and closes the page; what was recorded since is looked at too."""
        self.toggle(PAGE)
        self._page_top = self._chosen
        known = self._judged is not None and self._judged[:2] == (self.trace, len(self.trace))
        if self._page == PAGE and not known:
            self.run_worker(self._judge(self.trace, len(self.trace)), group=PAGE, exclusive=True)

    async def _judge(self, trace: Trace, count: int) -> None:
        report, why = None, ""
        try:
            report = await judged([trace, *(rank for rank in self.ranks if rank is not trace)])
        except (ValueError, OSError) as error:
            why = str(error)
        self._judged = (trace, count, report, why)
        self._mark(report)
        self._show()

    def _mark(self, report: Report | None) -> None:
        kept = tuple(marks for marks in self.view.marks if marks.what != PAGE)
        found = () if report is None else report.findings
        made = tuple(
            Marks(sign, level, sorted({f.evidence[0] for f in found if f.level.value == level and f.evidence}), PAGE)
            for level, sign in MARKED.items()
        )
        self.view = replace(self.view, marks=(*kept, *made))

    def page(self, name: str, width: int, height: int) -> Overlay | None:
        if name != PAGE:
            return super().page(name, width, height)
        known = self._judged
        if known is None or known[0] is not self.trace:
            rows: list[Row] = [[Segment("looking at what was recorded …", self.palette.text)]]
            return Overlay("findings", tuple(rows))
        report, why = known[2:]
        if report is None:
            return Overlay("findings", ([Segment(safe(why), self.palette.error)],))
        from backstep.view import finding_list

        self._page_top = max(0, min(self._page_top, len(report.findings) - 1))
        size = min(WIDEST, width - 6), height - 4
        built = finding_list.build(report, self._page_top, self.trace.sources, *size, self.palette)
        keys = ": ↑↓ choose, Enter: evidence" if report.findings else ""
        return Overlay(f"findings{keys}", tuple(built))

    def paged(self, count: int) -> bool:
        self._evidence = 0
        return super().paged(count)

    def action_probe(self) -> None:
        """In the list of findings: goes to the next event that proves the chosen one."""
        if self._page != PAGE:
            super().action_probe()
            return
        report = None if self._judged is None else self._judged[2]
        finding = report.findings[self._page_top] if report is not None and report.findings else None
        if finding is None or not finding.evidence:
            self._show("no event proves it" if finding else "nothing was found")
            return
        self._chosen, count = self._page_top, len(finding.evidence)
        index = self._evidence % count
        self._evidence = index + 1
        self._page = None
        self._move(lambda: self.cursor.goto(finding.evidence[index]))
        self._show(f"{finding.rule}: evidence {index + 1} of {count}; the findings again for the next")
