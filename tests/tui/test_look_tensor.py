"""The page of one tensor: opened, asked for a part, moved in; never in the way of time."""

from __future__ import annotations

import asyncio
from pathlib import Path

from backstep.trace.trace import load
from backstep.tui import App
from tests.handmade import ols_trace


def test_a_tensor_is_looked_at_and_another_is_asked_for(tmp_path: Path) -> None:
    async def run() -> None:
        with load(ols_trace(tmp_path / "t.backstep")) as trace:
            (at,) = [event.position for event in trace.find(kind="update")][:1]
            app = App(trace, position=at)
            async with app.run_test(size=(100, 30)) as pilot:

                async def press(*keys: str) -> str:
                    await pilot.press(*keys)
                    await pilot.pause()
                    return "\n".join(strip.text for strip in app.canvas.strips)

                drawn = await press("T")
                assert "before" in drawn and "difference" in drawn and "value 1.02" not in drawn
                drawn = await press("right", "down")
                assert app.cursor.position == at, "the arrows move in the tensor"
                drawn = await press("T", *"y[0]")
                assert "1 indices for a single number" in drawn
                drawn = await press("backspace", "backspace", "backspace", "enter")
                assert "y: arrows move" in drawn and "value 2.0" in drawn
                drawn = await press("p")
                assert "y: arrows move" in drawn and app.cursor.position > at, "it stays while one steps"
                drawn = await press("T", *"nonsense", "enter")
                assert "no tensor is called 'nonsense' here" in drawn
                drawn = await press("escape", "escape")
                assert "arrows move" not in drawn

    asyncio.run(run())
