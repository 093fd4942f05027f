"""What the app answers when one asks why: the probe into one number, the finite-difference check, the story of each
`.grad`. The check runs torch, in a process of its own; nothing here imports it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import Any

from rich.segment import Segment

from backstep.explain.element import NoElement
from backstep.explain.finite_difference import read, request
from backstep.explain.grad_story import grad_story
from backstep.replay.moment import Moment
from backstep.tui.overlay import Overlay
from backstep.tui.paging import Paging
from backstep.view import check, probe
from backstep.view.rows import Row, safe, wrap
from backstep.view.theme import Theme

PAGES = ("probe", "check", "grads")
WIDEST = 116
"""Cells of a page's text."""


class Explaining(Paging):
    """The part of the app that has these pages. Each is about the moment at the cursor."""

    _probed: tuple[int, tuple[int, ...]] | None = None
    """The position that is looked into, and which of its numbers."""
    _checked: tuple[int, list[Row]] | None = None
    """The position that was checked, and what came out."""

    def page(self, name: str, width: int, height: int) -> Overlay | None:
        if name not in PAGES or not len(self.trace):
            return super().page(name, width, height)
        moment = self.cursor.moment()
        width, height = min(WIDEST, width - 6), height - 4
        if name == "probe":
            rows = probe.build(moment, self._place(moment), width, height, self.palette)
            return Overlay("probe: arrows move, Esc closes", tuple(rows))
        if name == "grads":
            return Overlay("what is in each .grad", tuple(grad_rows(moment, width, height, self.palette)))
        done = self._checked if self._checked is not None and self._checked[0] == moment.position else None
        waiting: list[Row] = [[Segment("torch runs the op again …", self.palette.text)]]
        return Overlay("check it yourself", tuple(waiting if done is None else done[1]))

    # the probe

    def _place(self, moment: Moment) -> tuple[int, ...]:
        """Which number is looked into: at a new position the greatest."""
        if self._probed is not None and self._probed[0] == moment.position:
            return self._probed[1]
        return probe.first_place(moment)

    def action_probe(self) -> None:
        """Opens and closes the probe; where there is nothing to look into, says why."""
        if self._page == "probe":
            self._page = None
            self._show()
            return
        try:
            probe.probed_step(self.cursor.moment())
        except NoElement as reason:
            self._show(str(reason))
            return
        self._page = "probe"
        self._show()

    def probing(self, down: int, right: int) -> bool:
        """Whether the probe is open, which the arrows then move instead of time."""
        if self._page != "probe":
            return False
        moment = self.cursor.moment()
        try:
            self._probed = (moment.position, probe.moved(moment, self._place(moment), down, right))
        except NoElement as reason:
            self._page = None
            self._show(str(reason))
            return True
        self._show()
        return True

    # the stories

    def action_grads(self) -> None:
        self.toggle("grads")

    # the check

    def action_check(self) -> None:
        """Asks a process that has torch; the answer is shown if one is still there."""
        moment = self.cursor.moment()
        try:
            step = probe.probed_step(moment)
            at = self._place(moment) if self._page == "probe" else None
            asked = request(step, at)
        except NoElement as reason:
            self._show(str(reason))
            return
        self._page, self._checked = "check", None
        self._show()
        self.run_worker(self._estimate(moment, asked), exclusive=True)

    async def _estimate(self, moment: Moment, asked: dict[str, Any]) -> None:
        width = min(WIDEST, self.size.width - 6)
        try:
            step = probe.probed_step(moment)
            rows = check.build(step, read(step, asked, await answered(asked)), width, self.palette)
        except NoElement as reason:
            rows = wrap([Segment(safe(str(reason)), self.palette.warning)], width)
        self._checked = (moment.position, rows)
        self._show()


async def answered(asked: dict[str, Any]) -> dict[str, Any]:
    """What the process that runs the op again says."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-m", "backstep.recorder.estimate"]
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe)
    try:
        out, error = await asyncio.to_thread(process.communicate, json.dumps(asked).encode())
    except asyncio.CancelledError:
        process.kill()
        raise
    try:
        answer: dict[str, Any] = json.loads(out)
    except ValueError:
        last = error.decode(errors="replace").strip().rpartition("\n")[2]
        if "No module named 'torch'" in last:
            return {"why": "torch is not installed here: an op can only be run again with it"}
        return {"why": f"the op could not be run again: {last or 'no answer'}"}
    return answer


def grad_rows(moment: Moment, width: int, height: int, theme: Theme) -> list[Row]:
    """The story of each leaf that a gradient can reach, as far as there is room."""
    rows: list[Row] = []
    leaves = [leaf for leaf in moment.leaves if (value := moment.value(leaf)) is None or value.requires_grad]
    for index, leaf in enumerate(leaves):
        found = grad_story(moment.trace, leaf, moment.position)
        name, said = f"{found.leaf}.grad", found.text.removeprefix(f"{found.leaf}.grad")
        told = wrap([Segment(safe(name), theme.strong), Segment(safe(said), theme.text)], width)
        if len(rows) + len(told) > height - 1:
            return [*rows, [Segment(f"… {len(leaves) - index} more", theme.dim)]]
        rows += told
    return rows or [[Segment("no leaf has been seen that needs a gradient", theme.dim)]]
