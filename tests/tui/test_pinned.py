"""Two moments beside each other: of one trace, and of two."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from backstep.trace.trace import Trace, load
from backstep.tui import App
from backstep.view.beside import apart
from tests.handmade import ols_trace


@pytest.fixture(scope="module")
def ols(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trace]:
    with load(ols_trace(tmp_path_factory.mktemp("pin") / "ols.backstep", epochs=20)) as trace:
        yield trace


def play(trace: Trace, act: Callable[[App, Any], Any], size: tuple[int, int] = (120, 40), **given: Any) -> None:
    async def run() -> None:
        app = App(trace, **given)
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await act(app, pilot)

    asyncio.run(run())


def screen(app: App) -> str:
    return "\n".join(strip.text for strip in app.canvas.strips)


def row_of(app: App, name: str) -> list[str]:
    """The cells of a tensor's row, below the heads of the table."""
    lines = [strip.text for strip in app.canvas.strips]
    head = next(at for at, line in enumerate(lines) if "A value" in line)
    column = lines[head].index("name")
    line = next(line[column:] for line in lines[head + 1 :] if line[column:].startswith(f"{name} "))
    return line.split()


def test_values_and_gradients_of_two_moments_and_their_difference(ols: Trace) -> None:
    updates = [event.position for event in ols.find(kind="update")]
    first, later = ols.event(updates[0]), ols.event(updates[7])

    async def act(app: App, pilot: Any) -> None:
        await pilot.press("d")
        app.cursor.goto(updates[7])
        app._show()
        await pilot.pause()
        told = row_of(app, "w")
        a, b = first["after"].values, later["after"].values
        assert [float(told[1]), float(told[2])] == pytest.approx([a, b], rel=1e-3)
        assert float(told[3]) == pytest.approx(b - a, rel=1e-3)
        assert [float(told[4]), float(told[5])] == pytest.approx([first["grad"].values, later["grad"].values], rel=1e-3)
        assert row_of(app, "x")[3] == "="
        assert f"A = #{updates[0]}, B = now, #{updates[7]}" in screen(app)
        assert f"A #{updates[0]} Δ" in screen(app), "the same event as it was there, above the chain rule"
        await pilot.press("D")
        await pilot.pause()
        assert app.cursor.position == updates[0] and float(row_of(app, "w")[3]) == pytest.approx(a - b, rel=1e-3)
        await pilot.press("d")
        await pilot.pause()
        assert "A value" not in screen(app)
        await pilot.press("D")
        await pilot.pause()
        assert "no moment is pinned" in screen(app)

    play(ols, act, position=updates[0])


@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
def test_it_fits_every_size(ols: Trace, size: tuple[int, int]) -> None:
    async def act(app: App, pilot: Any) -> None:
        await pilot.press("d", "i")
        await pilot.pause()
        assert row_of(app, "w")

    play(ols, act, size, position=30)


def test_two_traces_beside_each_other(ols: Trace, tmp_path: Path) -> None:
    with load(ols_trace(tmp_path / "other.backstep", zero=False)) as other:

        async def act(app: App, pilot: Any) -> None:
            assert "A = #20 of ols.backstep" in screen(app)
            await pilot.press("right")
            await pilot.pause()
            assert "A = #21 of ols.backstep" in screen(app), "the other one goes along"
            await pilot.press("D")
            await pilot.pause()
            assert app.trace is ols and "of other.backstep" in screen(app)

        play(other, act, position=20, pinned=(ols, 20))


def test_what_cannot_be_compared_is_not(ols: Trace) -> None:
    value = ols.event(0)["outputs"][0]
    assert (apart(None, None), apart(None, value), apart(value, value)) == ("", "·", "=")
