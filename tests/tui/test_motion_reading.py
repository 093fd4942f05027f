"""A long trace is read on while its first moments are on the screen; who asks for the rest has it at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backstep.trace.trace import Trace
from backstep.tui import App
from tests.handmade import ols_trace
from tests.tui.test_app import screen, strike

EVENTS = 3 + 13 * 20


@pytest.fixture(scope="module")
def long_trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ols_trace(tmp_path_factory.mktemp("reading") / "ols.backstep", 20, batch=20)


def test_what_is_left_is_read_by_refresh(long_trace: Path) -> None:
    with Trace(long_trace, patience=0) as trace, Trace(long_trace) as whole:
        assert trace.behind and len(trace) == 20 and not whole.behind
        while trace.behind:
            trace.refresh(0)
        assert len(trace) == len(whole) == EVENTS
        assert [event.as_dict() for event in trace.events] == [event.as_dict() for event in whole.events]
        assert not trace.refresh()


def with_patience(path: Path, act: Callable[[App, Any], Any]) -> None:
    async def run() -> None:
        with Trace(path, patience=0) as trace:
            app = App(trace)
            async with app.run_test(size=(80, 24)) as pilot:
                await act(app, pilot)

    asyncio.run(run())


def test_it_reads_on_by_itself(long_trace: Path) -> None:
    async def act(app: App, pilot: Any) -> None:
        while app.trace.behind:
            await asyncio.sleep(0.01)
        await pilot.pause()
        assert f"#0 of {EVENTS}" in screen(app) and "reading" not in screen(app)

    with_patience(long_trace, act)


@pytest.mark.parametrize(("keys", "position"), [(["end"], EVENTS - 1), (["g", *"e19", "enter"], 3 + 13 * 19)])
def test_who_asks_for_the_rest_has_it_at_once(long_trace: Path, keys: list[str], position: int) -> None:
    async def act(app: App, pilot: Any) -> None:
        strike(app, *keys)
        await pilot.pause()
        assert app.cursor.position == position

    with_patience(long_trace, act)
