"""What `backstep check` finds, as a page: chosen, explained, and proved by the events it goes to."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from backstep.diagnose.check import check
from backstep.trace.trace import load
from backstep.tui import App
from tests.handmade import ols_trace


def screen(app: App) -> str:
    return "\n".join(strip.text for strip in app.canvas.strips)


async def press(app: App, pilot: Any, *keys: str) -> str:
    await pilot.press(*keys)
    await app.workers.wait_for_complete()
    await pilot.pause()
    return screen(app)


def test_findings_are_listed_marked_and_proved(tmp_path: Path) -> None:
    async def run() -> None:
        with load(ols_trace(tmp_path / "t.backstep", epochs=6, zero=False)) as trace:
            app = App(trace)
            async with app.run_test(size=(120, 40)) as pilot:
                await pilot.pause()
                before = screen(app)
                (finding, *_) = check(trace).findings
                drawn = await press(app, pilot, "F")
                assert f"▸ {finding.level.value}"[2:] in drawn and finding.rule in drawn and "Fix:" in drawn
                drawn = await press(app, pilot, "enter")
                assert app.cursor.position == finding.evidence[0] and "Fix:" not in drawn
                sign = {"error": "✗", "warning": "!"}[finding.level.value]
                drawn = await press(app, pilot, "home")
                assert sign in drawn.split("\n")[3] and sign not in before.split("\n")[3]
                await press(app, pilot, "F", "enter")
                assert app.cursor.position == finding.evidence[1 % len(finding.evidence)], "the next one"
                assert "Fix:" in await press(app, pilot, "F") and "Fix:" not in await press(app, pilot, "escape")

    asyncio.run(run())


def test_where_nothing_is_wrong_that_is_said(tmp_path: Path) -> None:
    async def run() -> None:
        with load(ols_trace(tmp_path / "t.backstep", epochs=6)) as trace:
            app = App(trace)
            async with app.run_test(size=(60, 20)) as pilot:
                await pilot.pause()
                drawn = await press(app, pilot, "F")
                assert "nothing found" in drawn and "looked at" in drawn
                assert "nothing was found" in await press(app, pilot, "enter")

    asyncio.run(run())
