"""Every click does what a key does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from backstep.trace.trace import Trace, load
from backstep.tui import App
from tests.handmade import ols_trace

SIZE = (120, 40)


@pytest.fixture(scope="module")
def ols(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trace]:
    with load(ols_trace(tmp_path_factory.mktemp("look") / "ols.backstep", epochs=20)) as trace:
        yield trace


def play(trace: Trace, act: Callable[[App, Any], Any], size: tuple[int, int] = SIZE, **given: Any) -> None:
    async def run() -> None:
        app = App(trace, **given)
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await act(app, pilot)

    asyncio.run(run())


def place(app: App, text: str) -> tuple[int, int]:
    """The cell where a text stands on the screen."""
    for y, strip in enumerate(app.canvas.strips):
        if text in strip.text:
            return strip.text.index(text), y
    raise AssertionError(f"{text!r} is not on the screen")


def test_what_is_clicked_is_gone_to(ols: Trace) -> None:
    async def act(app: App, pilot: Any) -> None:
        async def click(text: str, **how: Any) -> int:
            await pilot.click(offset=place(app, text), **how)
            await pilot.pause()
            return app.cursor.position

        at = await click("SubBackward0")
        assert app.trace.event(at)["op"] == "SubBackward0" and app.view.focus == "events"
        at = await click("▶ pow")
        assert app.trace.event(at)["op"] == "pow", "a chip of the iteration"
        at = await click("▸ epoch 0")
        assert app.trace.event(at).iteration == 0, "a folded pass"
        at = await click("epoch 0 ›")
        assert app.trace.event(at).iteration == 1, "its part of the header is the key e"
        at = await click("epoch 1 ›", shift=True)
        assert app.trace.event(at).iteration == 0, "with Shift it is E"
        assert await click("4 Tensors") == at and app.view.focus == "tensors"
        await click("∅ none")
        assert app.view.selected is not None and str(app.view.selected) == "w"
        await pilot.press("escape")
        assert await click("× mul") == at and str(app.view.selected) == "y_hat", "a box is its tensor"
        at = await click("× mul", times=2)
        assert app.trace.event(at)["op"] == "mul", "twice: where it was made"
        await pilot.press("escape", "question_mark")
        await pilot.pause()
        assert await click("MOVE IN TIME") == at, "a page is over everything"

    play(ols, act, position=16)


def test_the_curve_is_a_scrubber(ols: Trace) -> None:
    async def act(app: App, pilot: Any) -> None:
        last = len(app.trace) - 1
        await pilot.mouse_down(offset=(60, 2))
        await pilot.pause()
        middle = app.cursor.position
        assert last * 2 // 5 < middle < last * 3 // 5
        assert place(app, "▲") == (60, 3), "the playhead is where one points"
        await pilot.hover(offset=(90, 2))
        await pilot.pause()
        assert app.cursor.position > middle
        await pilot.hover(offset=(119, 2))
        await pilot.mouse_up(offset=(119, 2))
        await pilot.pause()
        assert last - 5 <= app.cursor.position <= last
        await pilot.hover(offset=(40, 2))
        await pilot.pause()
        assert app.cursor.position >= last - 5, "without a button nothing moves"

    play(ols, act, position=16)


def test_the_wheel_is_an_iteration_over_the_timeline_and_an_event_elsewhere(ols: Trace) -> None:
    async def act(app: App, pilot: Any) -> None:
        from textual.events import MouseScrollDown, MouseScrollUp

        def wheel(event: Any, y: int) -> None:
            app.post_message(event(app.canvas, 60, y, 0, 0, 0, False, False, False, 60, y))

        for event, y, iteration in ((MouseScrollDown, 2, 1), (MouseScrollDown, 2, 2), (MouseScrollUp, 2, 1)):
            wheel(event, y)
            await pilot.pause()
            assert app.trace.event(app.cursor.position).iteration == iteration
        before = app.cursor.position
        wheel(MouseScrollDown, 20)
        await pilot.pause()
        assert app.cursor.position == before + 1

    play(ols, act, position=3)


def test_an_iteration_can_be_pointed_at_in_the_loss(ols: Trace) -> None:
    async def act(app: App, pilot: Any) -> None:
        await pilot.press("6")
        await pilot.pause()
        title = next(y for y, line in enumerate(app.lines_drawn()) if "6 Loss" in line)
        for x, iteration in ((118, len(app.trace.iterations) - 1), (0, 0)):
            await pilot.click(offset=(x if x else app.lines_drawn()[title].index("6 Loss") + 1, title + 3))
            await pilot.pause()
            assert app.trace.iteration_at(app.cursor.position) == iteration

    play(ols, act, position=16)
