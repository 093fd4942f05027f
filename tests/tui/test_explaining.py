"""The probe, the check and the stories of the gradients on the screen: keys in, the screen's text out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot

from backstep.trace.trace import Trace
from backstep.tui import App, explaining
from backstep.tui.regions import regions
from tests.handmade import ols_trace


@pytest.fixture(scope="module")
def ols(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    return Trace(ols_trace(tmp_path_factory.mktemp("explaining") / "ols.backstep"))


def text(app: App) -> str:
    return "\n".join("".join(segment.text for segment in strip) for strip in app.canvas.strips)


async def until(pilot: Pilot[str], condition: Callable[[], bool]) -> None:
    for _ in range(400):
        await pilot.pause()
        if condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not happen")


def drive(trace: Trace, position: int, *keys: str, size: tuple[int, int] = (120, 40)) -> str:
    async def run() -> str:
        app = App(trace, position=position)
        async with app.run_test(size=size) as pilot:
            await pilot.press(*keys)
            await pilot.pause()
            return text(app)

    return asyncio.run(run())


def backward(trace: Trace) -> int:
    return next(event.position for event in trace.find(kind="backward", op="MulBackward0"))


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
def test_enter_opens_the_probe_and_escape_closes_it(ols: Trace, size: tuple[int, int]) -> None:
    shown = drive(ols, backward(ols), "enter", size=size)
    assert "probe: arrows move" in shown and "dloss/dw = -2 × 1 = -2" in shown
    assert "probe:" not in drive(ols, backward(ols), "enter", "escape", size=size)
    assert "probe:" not in drive(ols, backward(ols), "enter", "enter", size=size)


def test_the_arrows_move_in_the_probe_and_time_stands_still(ols: Trace) -> None:
    at = backward(ols)
    assert f"event #{at} " in drive(ols, at, "enter", "right", "down", "left", "up")
    assert f"event #{at + 1} " in drive(ols, at, "enter", "escape", "right")


def test_where_there_is_nothing_to_probe_it_is_said(ols: Trace) -> None:
    assert "the probe looks into a backward step" in drive(ols, 3, "enter")
    assert "the probe looks into a backward step" in drive(ols, 3, "equals_sign")


def test_the_stories_of_the_gradients(ols: Trace) -> None:
    last = next(event.position for event in ols.find(kind="zero_grad"))
    assert "w.grad was never zeroed; no backward pass has run yet" in drive(ols, 3, "K")
    assert f"w.grad was zeroed last at #{last} (line 21" in drive(ols, last, "K")


def test_the_check_shows_the_estimate_beside_the_recorded_number(ols: Trace) -> None:
    async def run() -> str:
        app = App(ols, position=backward(ols))
        async with app.run_test(size=(120, 40)) as pilot:
            await pilot.press("equals_sign")
            await until(pilot, lambda: "they agree" in text(app))
            return text(app)

    shown = asyncio.run(run())
    row = next(line for line in shown.split("\n") if "-2 " in line and "w " in line and "│ w" in line)
    assert row.split("│")[1].split() == ["w", "-2", "-2"]


def test_without_torch_the_check_says_so(ols: Trace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho \"ModuleNotFoundError: No module named 'torch'\" >&2\nexit 1\n")
    python.chmod(0o755)
    monkeypatch.setattr(explaining.sys, "executable", str(python))

    async def run() -> None:
        app = App(ols, position=backward(ols))
        async with app.run_test(size=(120, 40)) as pilot:
            await pilot.press("equals_sign")
            await until(pilot, lambda: "torch is not installed here" in text(app))

    asyncio.run(run())


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
def test_the_lecture_view_has_the_golden_numbers(ols: Trace, size: tuple[int, int]) -> None:
    shown = drive(ols, backward(ols), "v", size=size)
    assert "Events" not in shown and "Graph" in shown and "Source" in shown and "Tensors" in shown
    assert "so far" in shown and "dloss/dw = (-2) · 1 · 1 = -2" in shown
    assert "Nudge w by ε: y_hat moves 1·ε, so loss moves 1 × -2 = -2·ε." in shown
    data = drive(ols, backward(ols), "v", "v", size=size)
    assert "Events" in data and "Tensors" in data and "Graph" not in data
    assert "Source" in drive(ols, backward(ols), "v", "v", "v", size=size)


def test_the_lecture_view_does_not_tell_what_comes(ols: Trace) -> None:
    """What is to be predicted is not there before the step that makes it."""
    first = next(event.position for event in ols.find(kind="forward", op="mul"))
    before, after = drive(ols, first, "v"), drive(ols, first, "v", "right")
    assert "l = -1" not in before and "l = -1" in after


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (120, 40), (200, 60)])
def test_the_lecture_view_has_its_panes_and_room_for_the_chain_rule(size: tuple[int, int]) -> None:
    boxes = regions(*size, view="lecture")
    assert {"graph", "chain", "source", "tensors"} < boxes.keys() and boxes["chain"].height >= 7
