"""Stops on the screen: asked for, run to in both directions, listed, drawn, and kept for the next time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from backstep.stops import shelf
from backstep.stops.search import hits
from backstep.stops.stop import parse_stop
from backstep.trace.trace import Trace, load
from backstep.tui import App
from backstep.tui.look import Look
from backstep.tui.settings import Settings
from tests.handmade import ols_trace

SIZE = (120, 40)


@pytest.fixture(scope="module")
def ols(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trace]:
    with load(ols_trace(tmp_path_factory.mktemp("stops") / "ols.backstep", epochs=20)) as trace:
        yield trace


def play(trace: Trace, act: Callable[[App, Any], Any], folder: Path | None = None, position: int = 0) -> None:
    async def run() -> None:
        app = App(trace, position, look=Look(Settings(folder=folder)))
        async with app.run_test(size=SIZE) as pilot:
            await pilot.pause()
            await act(app, pilot)

    asyncio.run(run())


def screen(app: App) -> str:
    return "\n".join(strip.text for strip in app.canvas.strips)


async def type_(pilot: Any, text: str) -> None:
    await pilot.press("ctrl+e", "ctrl+u")
    for character in text:
        await pilot.press({" ": "space", "<": "less_than_sign", "|": "vertical_line"}.get(character, character))


async def stop_at(pilot: Any, text: str) -> None:
    await pilot.press("b")
    await type_(pilot, text)
    await pilot.press("enter")
    await pilot.pause()


def test_every_hit_is_run_to_and_back(ols: Trace) -> None:
    expected = hits(ols, parse_stop("op MulBackward0"))

    async def act(app: App, pilot: Any) -> None:
        await stop_at(pilot, "op MulBackward0")
        assert f"{len(expected)} hits" in screen(app) and "●" in app.canvas.strips[3].text
        seen = []
        for _ in expected:
            await pilot.press("c")
            seen.append(app.cursor.position)
        assert seen == expected
        await pilot.press("c")
        await pilot.pause()
        assert app.cursor.position == expected[-1] and "no later hit" in screen(app)
        await pilot.press("C", "C")
        assert app.cursor.position == expected[-3]

    play(ols, act)


def test_what_it_would_do_is_told_while_it_is_typed(ols: Trace) -> None:
    async def act(app: App, pilot: Any) -> None:
        await pilot.press("b")
        await type_(pilot, "loss < many")
        await pilot.pause()
        assert "'many' is no number" in screen(app)
        await pilot.press("enter")
        await pilot.pause()
        assert "loss < many" in screen(app), "the text is kept"
        await type_(pilot, "write w.grad")
        await pilot.pause()
        assert f"{len(hits(ols, parse_stop('write w.grad')))} hits, next iteration 0 #" in screen(app)
        await pilot.press("escape", "c")
        await pilot.pause()
        assert "no stop is set" in screen(app)

    play(ols, act)


@pytest.mark.parametrize(
    ("pane", "kind", "asked"),
    [
        ("1", "backward_start", "line "), ("2", "backward", "op "), ("5", "forward", "op "),
        ("4", "accumulate", "write w.grad"), ("3", "update", "write w"),
    ],
)  # fmt: skip
def test_the_question_is_filled_in_from_what_one_looks_at(ols: Trace, pane: str, kind: str, asked: str) -> None:
    at = next(event.position for event in ols.find(kind=kind) if kind != "forward" or event.nodes)

    async def act(app: App, pilot: Any) -> None:
        await pilot.press(pane, "b")
        prompt = app.view.prompt
        assert prompt is not None and prompt.line.text.startswith(asked)
        await pilot.press("enter")
        await pilot.pause()
        assert "hit" in screen(app)

    play(ols, act, position=at)


def test_the_list_switches_edits_deletes_and_goes(ols: Trace) -> None:
    async def act(app: App, pilot: Any) -> None:
        await stop_at(pilot, "op pow")
        await stop_at(pilot, "write w")
        await pilot.press("B")
        await pilot.pause()
        assert "● op pow" in screen(app) and "● write w" in screen(app)
        await pilot.press("space")
        await pilot.pause()
        assert "○ op pow" in screen(app)
        await pilot.press("down", "enter")
        await pilot.pause()
        assert app.cursor.position == hits(ols, parse_stop("write w"))[0]
        await pilot.press("B", "e")
        await type_(pilot, "op sub")
        await pilot.press("enter", "B")
        await pilot.pause()
        assert "op pow" not in screen(app) and "● op sub" in screen(app)
        await pilot.press("d", "d")
        await pilot.pause()
        assert "no stops: b sets one" in screen(app)

    play(ols, act)


def test_stops_are_there_the_next_time(ols: Trace, tmp_path: Path) -> None:
    async def set_one(app: App, pilot: Any) -> None:
        await stop_at(pilot, "op pow")
        await stop_at(pilot, "line 9")
        await pilot.press("B", "space")

    async def look(app: App, pilot: Any) -> None:
        await pilot.pause(0.2)
        await pilot.press("B")
        await pilot.pause()
        assert "○ op pow" in screen(app) and "● line 9" in screen(app)
        await pilot.press("d", "d")

    play(ols, set_one, tmp_path)
    play(ols, look, tmp_path)
    assert not list(tmp_path.rglob("*.json")), "without stops no file is left"


def test_a_spoilt_file_of_stops_spoils_nothing(ols: Trace, tmp_path: Path) -> None:
    file = shelf.file_of(tmp_path, ols)
    assert file is not None
    file.parent.mkdir(parents=True)
    for text in ("", "[[", '[1, {}, {"stop": 3}, {"stop": "line x"}]', "[" * 10_000, "{}"):
        file.write_text(text)
        assert shelf.read(file) == []
    file.write_text('[{"stop": "nonsense"}, {"stop": "op pow", "on": false}]')
    assert [(stop.text, on) for stop, on in shelf.read(file)] == [("op pow", False)]


def test_the_gutter_shows_and_sets_stops(ols: Trace) -> None:
    at = next(event.position for event in ols.find(kind="backward_start"))

    async def act(app: App, pilot: Any) -> None:
        line = ols.event(at).source.line  # type: ignore[union-attr]
        row = next(y for y, strip in enumerate(app.canvas.strips) if strip.text.lstrip().startswith(f"{line} "))
        await pilot.click(offset=(1, row))
        await pilot.pause()
        assert f"{line}●" in app.canvas.strips[row].text
        await pilot.click(offset=(1, row))
        await pilot.pause()
        assert f"{line}●" not in app.canvas.strips[row].text

    play(ols, act, position=at)
