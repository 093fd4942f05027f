"""Without colours, and in ASCII: every state is still told, by a sign or a word."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from backstep.trace.trace import Trace, load
from backstep.tui import App
from backstep.tui.look import Look
from tests.handmade import ols_trace

SAID = {
    "forward": ("▶ FORWARD", "> FORWARD"),
    "backward": ("◀ BACKWARD", "< BACKWARD"),
    "accumulate": ("✓ fresh", "v fresh"),
    "update": ("Δ UPDATE", "d UPDATE"),
    "zero_grad": ("∅ zeroed", "0 zeroed"),
}
"""What tells each kind of event, in full and in ASCII."""


@pytest.fixture(scope="module")
def ols(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trace]:
    with load(ols_trace(tmp_path_factory.mktemp("plain") / "ols.backstep")) as trace:
        yield trace


def screens(trace: Trace, look: Look, size: tuple[int, int]) -> dict[str, str]:
    """The screen at an event of each kind, in the second iteration."""
    found = {}

    async def run() -> None:
        app = App(trace, look=look)
        async with app.run_test(size=size) as pilot:
            for kind in SAID:
                app.cursor.goto(next(event.position for event in trace.find(kind=kind, iteration=1)))
                app.canvas.invalidate()
                await pilot.pause()
                found[kind] = "\n".join(strip.text for strip in app.canvas.strips)
                assert app.palette.digits

    asyncio.run(run())
    return found


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
def test_every_state_is_told_without_colours(
    ols: Trace, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    for kind, drawn in screens(ols, Look(), size).items():
        assert SAID[kind][0] in drawn


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
def test_every_state_is_told_in_ascii(ols: Trace, size: tuple[int, int]) -> None:
    for kind, drawn in screens(ols, Look(ascii=True), size).items():
        assert drawn.isascii() and SAID[kind][1] in drawn
        assert {len(line) for line in drawn.split("\n")} == {size[0]}


def test_a_sum_of_passes_is_told_by_a_word(tmp_path: Path) -> None:
    with load(ols_trace(tmp_path / "t.backstep", zero=False)) as trace:
        drawn = screens_of_sum(trace)
    assert "! sum of 2" in drawn and drawn.isascii()


def screens_of_sum(trace: Trace) -> str:
    async def run() -> str:
        at = next(event.position for event in trace.find(kind="accumulate", iteration=1))
        app = App(trace, position=at, look=Look(ascii=True))
        async with app.run_test(size=(120, 40)) as pilot:
            await pilot.pause()
            return "\n".join(strip.text for strip in app.canvas.strips)

    return asyncio.run(run())
