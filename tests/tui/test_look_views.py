"""The same moment seen otherwise: folded, filtered, with its future; and back to the very same screen."""

from __future__ import annotations

import asyncio
from pathlib import Path

from backstep.trace.trace import load
from backstep.tui import App
from tests.handmade import ols_trace
from tests.view.test_folding import stack_trace


def test_the_future_and_the_filter(tmp_path: Path) -> None:
    async def run() -> None:
        with load(ols_trace(tmp_path / "t.backstep")) as trace:
            app = App(trace, position=16)
            async with app.run_test(size=(120, 40)) as pilot:

                async def press(*keys: str) -> str:
                    await pilot.press(*keys)
                    await pilot.pause()
                    return "\n".join(strip.text for strip in app.canvas.strips)

                first = await press("escape")
                assert "the future is told" in await press("H") and "-0.98" in await press("escape")
                assert "the future is hidden" in await press("H")
                assert await press("escape") == first
                drawn = await press("f", *"w.grad", "enter")
                assert "filter: w.grad" in drawn and "hidden" in drawn
                await press("f", *["backspace"] * 6, "enter")
                assert await press("escape") == first
                assert app.cursor.position == 16, "none of it moves time"

    asyncio.run(run())


def test_folding_has_two_ends(tmp_path: Path) -> None:
    async def run() -> None:
        with load(stack_trace(tmp_path / "t.backstep")) as trace:
            app = App(trace, position=4)
            async with app.run_test(size=(200, 60)) as pilot:

                async def press(*keys: str) -> str:
                    await pilot.press(*keys)
                    await pilot.pause()
                    return "\n".join(strip.text for strip in app.canvas.strips)

                assert "everything is unfolded" in await press("G", "plus")
                assert "unfolded 1 of 2" in await press("minus")
                assert "▸ blocks.0" in await press("minus")
                assert "everything is folded but the way to now" in await press("minus")

        with load(ols_trace(tmp_path / "ols.backstep")) as trace:
            app = App(trace)
            async with app.run_test(size=(120, 40)) as pilot:
                await pilot.press("plus")
                await pilot.pause()
                assert "nothing folds here" in app.canvas.strips[-1].text

    asyncio.run(run())
