"""The app: keys in, position and screen out, at every size."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.events import Key

from backstep.trace import records
from backstep.trace.trace import load
from backstep.tui import App
from backstep.tui.keys import GROUPS, KEYS
from backstep.tui.regions import VIEWS, Box, regions
from tests.handmade import HandmadeTrace, ols_trace

SIZES = ((80, 24), (120, 40), (200, 60))


def play(path: Path, size: tuple[int, int], act: Callable[[App, Any], Any], **given: Any) -> None:
    """Runs the app on a trace, and `act` in it."""

    async def run() -> None:
        with load(path) as trace:
            app = App(trace, **given)
            async with app.run_test(size=size) as pilot:
                await pilot.pause()
                await act(app, pilot)

    asyncio.run(run())


def screen(app: App) -> str:
    return "\n".join("".join(s.text for s in strip) for strip in app.canvas.strips)


def strike(app: App, *keys: str) -> None:
    """Keys as fast as a terminal can send them; a Pilot waits after each."""
    for key in keys:
        app.post_message(Key(key, key if len(key) == 1 else None))


@pytest.fixture
def ols(tmp_path: Path) -> Path:
    return ols_trace(tmp_path / "ols.backstep")


@pytest.mark.parametrize("size", SIZES)
def test_twelve_steps_and_twelve_back_are_the_first_screen(ols: Path, size: tuple[int, int]) -> None:
    async def act(app: App, pilot: Any) -> None:
        first = screen(app)
        await pilot.press(*["right"] * 12)
        await pilot.pause()
        assert app.cursor.position == 13  # the end of the pass is stepped over
        assert screen(app) != first
        await pilot.press(*["left"] * 12)
        await pilot.pause()
        assert screen(app) == first

    play(ols, size, act)


@pytest.mark.parametrize("size", SIZES)
def test_a_screen_is_the_same_whichever_way_it_was_reached(ols: Path, size: tuple[int, int]) -> None:
    seen: list[str] = []

    async def direct(app: App, pilot: Any) -> None:
        seen.append(screen(app))

    async def around(app: App, pilot: Any) -> None:
        await pilot.press("end", "I", "p", "p", "left", "home", "e", "i", "E", "p")
        await pilot.pause()
        await pilot.press(*["right" if app.cursor.position < 22 else "left"] * abs(app.cursor.position - 22))
        await pilot.pause()
        if app.cursor.position != 22:
            app.cursor.goto(22)
            app.action_rows(0)
            await pilot.press("1", "3")
            await pilot.pause()
        seen.append(screen(app))

    play(ols, size, direct, position=22)
    play(ols, size, around)
    assert seen[0] == seen[1]


@pytest.mark.parametrize("size", SIZES)
def test_the_lecture_is_on_the_screen(ols: Path, size: tuple[int, int]) -> None:
    async def act(app: App, pilot: Any) -> None:
        assert "MulBackward0" in screen(app)
        assert "so far  dloss/dw = (-2) · 1 · 1 = -2" in screen(app)
        await pilot.press("right")
        await pilot.pause()
        assert "✓ fresh" in screen(app)
        await pilot.press("right", "right")
        await pilot.pause()
        assert "w ← w - lr · w.grad" in screen(app) and "1.02" in screen(app)
        await pilot.press("right")
        await pilot.pause()
        assert "∅ zeroed" in screen(app)

    play(ols, size, act, position=9)


@pytest.mark.parametrize("size", [*SIZES, (60, 20), (50, 18), (40, 12), (30, 8)])
def test_every_key_from_every_pane_at_every_size(ols: Path, size: tuple[int, int]) -> None:
    keys = [key for entry in KEYS for key in entry.keys.split(",") if entry.id != "quit"]

    async def act(app: App, pilot: Any) -> None:
        for pane in "12345":
            for key in keys:
                strike(app, pane, key, "escape", "escape")
            await pilot.pause()
            assert len(app.canvas.strips) == size[1]
            assert all(strip.cell_length == size[0] for strip in app.canvas.strips)

    play(ols, size, act)


def test_a_burst_of_keys_is_few_rebuilds(ols: Path) -> None:
    async def act(app: App, pilot: Any) -> None:
        before = app.canvas.rebuilds
        for _ in range(1000):
            app.action_step(1)
            app.action_step(-1)
        await pilot.pause()
        assert app.canvas.rebuilds - before <= 5

    play(ols, (200, 60), act)


def test_resizing_lays_the_screen_out_anew(ols: Path) -> None:
    async def act(app: App, pilot: Any) -> None:
        first = screen(app)
        for size in ((40, 12), (80, 24), (200, 60)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
            assert [strip.cell_length for strip in app.canvas.strips] == [size[0]] * size[1]
        assert screen(app) == first

    play(ols, (200, 60), act)


def test_a_key_that_cannot_act_says_why(ols: Path) -> None:
    async def act(app: App, pilot: Any) -> None:
        await pilot.press("left")
        await pilot.pause()
        assert "first event recorded" in screen(app)
        await pilot.press("t")
        await pilot.pause()
        assert "no twin" in screen(app)
        await pilot.press("end", "right")
        await pilot.pause()
        assert "last event recorded: the script finished" in screen(app)

    play(ols, (80, 24), act)


@pytest.mark.parametrize("size", [*SIZES, (60, 20)])
def test_help_is_one_page_and_q_closes_it_first(ols: Path, size: tuple[int, int]) -> None:
    async def act(app: App, pilot: Any) -> None:
        await pilot.press("question_mark")
        await pilot.pause()
        shown = screen(app)
        for _ in range(4):
            await pilot.press("pagedown")
            await pilot.pause()
            shown += screen(app)
        for group in GROUPS:
            assert group.help in shown
            assert group.hint in shown or all(key.shown in shown for key in group.keys)
        await pilot.press("q")
        await pilot.pause()
        assert app.is_running and GROUPS[0].help not in screen(app)
        await pilot.press("q")
        await pilot.pause()
        assert app.return_code == 0

    play(ols, size, act)


def test_output_is_what_had_been_printed_by_then(ols: Path) -> None:
    async def act(app: App, pilot: Any) -> None:
        await pilot.press("7")
        await pilot.pause()
        assert "nothing printed by now" in screen(app)
        await pilot.press("e", "e")
        await pilot.pause()
        assert "epoch 0: w = 1.0200" in screen(app) and "epoch 1: w" not in screen(app)

    play(ols, (120, 40), act)


def test_a_trace_that_grows_is_followed(tmp_path: Path) -> None:
    growing = HandmadeTrace(tmp_path / "t.backstep", source="x = torch.ones(1)\n")

    async def act(app: App, pilot: Any) -> None:
        assert "waiting for the first tensor operation" in screen(app)
        for _ in range(3):
            growing.forward("ones", (), (growing.value(growing.tensor(), 1.0, "x"),), 1)
        growing.batch.flush()
        while len(app.trace) < 3:
            await asyncio.sleep(0.01)
        await pilot.pause()
        await pilot.pause(0.2)
        assert "#0 of 3" in screen(app) and "LIVE" in screen(app)
        growing.close()
        while app.trace.running:
            await asyncio.sleep(0.01)
            app.trace.refresh()

    growing.batch.flush({"exit": {"status": "running", "code": None, "exception": None}})
    play(tmp_path / "t.backstep", (80, 24), act)


def test_a_crash_is_said_at_once(tmp_path: Path) -> None:
    trace = HandmadeTrace(tmp_path / "t.backstep", source="x = torch.ones(1)\n")
    trace.forward("ones", (), (trace.value(trace.tensor(), 1.0, "x"),), 1)
    trace.close("exception", 1, "ValueError: no")

    async def act(app: App, pilot: Any) -> None:
        assert "ValueError: no" in screen(app)

    play(tmp_path / "t.backstep", (80, 24), act)


def test_no_torch_is_loaded(ols: Path) -> None:
    code = (
        "import asyncio, sys, backstep\n"
        "from backstep.tui import App\n"
        "async def main():\n"
        "    app = App(backstep.load(sys.argv[1]))\n"
        "    async with app.run_test(size=(120, 40)) as pilot:\n"
        "        await pilot.press('right', 'p', 'i')\n"
        "asyncio.run(main())\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code, str(ols)], check=True, timeout=60)


@pytest.mark.parametrize("size", [*SIZES, (60, 20), (50, 18), (40, 12), (111, 29), (171, 45)])
@pytest.mark.parametrize("instead", ["graph", "events", "loss"])
@pytest.mark.parametrize("view", VIEWS)
def test_regions_fill_the_screen_without_overlap(size: tuple[int, int], view: str, instead: str) -> None:
    boxes = regions(*size, view=view, instead=instead)
    cells: set[tuple[int, int]] = set()
    for box in boxes.values():
        assert box.width > 0 and box.height > 0
        own = {(x, y) for x in range(box.x, box.x + box.width) for y in range(box.y, box.y + box.height)}
        assert not own & cells
        cells |= own
    assert {y for _, y in cells} == set(range(size[1]))
    assert max(x for x, _ in cells) == size[0] - 1


def test_tensors_get_more_rows_than_their_heads_and_the_chain_rule_keeps_the_most() -> None:
    for size, rows in (((120, 40), 7), ((200, 60), 18)):
        boxes = regions(*size)
        assert boxes["tensors"].height - 2 >= rows
        assert boxes["chain"].height > 10


def test_every_pane_is_there_from_medium_on_and_none_below_the_smallest() -> None:
    for size in ((120, 40), (200, 60)):
        assert {"source", "graph", "chain", "tensors", "events"} <= regions(*size).keys()
    assert "loss" in regions(200, 60) and "loss" in regions(120, 40, instead="loss")
    for other in ("events", "loss"):
        assert other in regions(80, 24, instead=other) and "graph" not in regions(80, 24, instead=other)
    assert regions(39, 12) == {} == regions(40, 11)
    assert regions(80, 24, zoomed="chain")["chain"] == Box(0, 4, 80, 19)


def test_a_crashed_trace_opens_at_what_it_died_of(tmp_path: Path) -> None:
    crashed = HandmadeTrace(tmp_path / "t.backstep", source="x = torch.ones(1)\n")
    crashed.forward("ones", (), (crashed.value(crashed.tensor(), 1.0, "x"),), 1)
    death = crashed.add(records.Raised("ValueError", "bad", False), "other", 1)
    crashed.add(records.Output("stderr", "ValueError: bad\n"), "other", 1)
    crashed.close("exception", 1, "ValueError: bad")

    class Watched:
        def running(self) -> bool:
            return False

    with load(tmp_path / "t.backstep") as trace:
        assert App(trace).cursor.position == death
        assert App(trace, live=Watched()).cursor.position == 0


def test_a_script_that_ends_before_the_screen_is_there_is_shown_to_its_end(tmp_path: Path) -> None:
    t = HandmadeTrace(tmp_path / "quick.backstep")
    t.batch.flush({"exit": {"status": "running", "code": None, "exception": None}})

    async def run() -> None:
        with load(tmp_path / "quick.backstep") as trace:
            app = App(trace)
            t.forward("ones", (), (t.value(t.tensor(), 1.0, "x"),), 1)
            t.close()
            async with app.run_test(size=(80, 24)) as pilot:
                await pilot.pause(0.4)
                shown = "\n".join(app.lines_drawn())
                assert len(trace) == 1 and "ones runs forward" in shown and "killed" not in shown

    asyncio.run(run())
