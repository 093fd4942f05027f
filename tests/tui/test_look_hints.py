"""What is said unasked, and the list of everything that can be done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from backstep.replay.moment import Moment
from backstep.trace import records as r
from backstep.trace.trace import Trace, load
from backstep.tui import App
from backstep.tui.commands import commands_of
from backstep.tui.hinting import announcement, changed_sources, hints_at
from backstep.tui.keys import KEYS, SECTIONS
from backstep.tui.look import HINTS, Look
from backstep.tui.settings import Settings
from backstep.view.theme import LIGHT
from tests.handmade import HandmadeTrace, ols_trace

Press = Callable[..., Awaitable[str]]


def play(path: Path, look: Look, act: Callable[[App, Press], Awaitable[None]], position: int = 0) -> None:
    async def run() -> None:
        with load(path) as trace:
            app = App(trace, position=position, look=look)
            async with app.run_test(size=(100, 30)) as pilot:

                async def press(*keys: str) -> str:
                    await pilot.press(*keys)
                    await pilot.pause()
                    await pilot.pause()
                    return "\n".join(strip.text for strip in app.canvas.strips)

                await act(app, press)

    asyncio.run(run())


@pytest.fixture(scope="module")
def ols(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ols_trace(tmp_path_factory.mktemp("hints") / "ols.backstep")


def test_a_hint_belongs_to_its_moment_until_it_is_closed(ols: Path, tmp_path: Path) -> None:
    async def act(app: App, press: Press) -> None:
        first, backward, accumulate = "→ runs the next operation", "t shows the forward op", "what is in each .grad"
        assert first in (await press("left")).split("\n")[4]
        drawn = await press("right", "right")
        assert backward in drawn and first not in drawn and app.trace.event(app.cursor.position).kind == "backward"
        assert first in await press("right"), "the next one is not the first backward event"
        assert backward in await press("left")
        assert backward not in await press("escape") and first in await press("right")
        assert first not in await press("escape")
        assert accumulate in await press("right", "right")
        assert not set(app.look.settings.closed) & {"accumulate"}
        assert "closed" in (tmp_path / "settings.toml").read_text()

    play(ols, Look(Settings(folder=tmp_path), hints=frozenset(HINTS)), act, position=6)


def test_without_hints_there_is_no_row_for_them(ols: Path) -> None:
    async def act(app: App, press: Press) -> None:
        assert "Source" in (await press("right")).split("\n")[4]
        assert "Esc closes" in await press("colon", *"hints", "enter")

    play(ols, Look(), act)


def test_the_keys_that_matter_at_a_moment_come_first(ols: Path) -> None:
    trace = Trace(ols)
    shown = {}
    for kind in ("accumulate", "update", "backward"):
        at = next(event.position for event in trace.find(kind=kind))
        shown[kind] = [word for _, word in hints_at(Moment(trace, at), SECTIONS)]
    assert all(words[0] == "step" for words in shown.values())
    assert ".grads" in shown["accumulate"][:4] and "picture" in shown["update"][:3]
    assert shown["backward"].index("twin") < shown["update"].index("twin")
    assert all(words[-2:] == ["help", "quit"] for words in shown.values())


def test_every_command_is_listed_found_and_done(ols: Path) -> None:
    listed = commands_of(SECTIONS)
    told = {command.name: command.text for command in listed}
    assert told["phase.fwd"] == "next phase" and told["phase.back"] == "previous phase" and told["copy"] == "copy"
    assert {command.name for command in listed} >= {key.id for key in KEYS} - {"commands"} and len(listed) < 300

    async def act(app: App, press: Press) -> None:
        drawn = await press("colon")
        assert "commands" in drawn and "one event" in drawn, drawn
        drawn = await press(*"light")
        assert "light colours" in drawn and "one event" not in drawn
        await press("enter")
        assert app.palette == LIGHT and app.look.settings.theme == "light"
        background = LIGHT.background.bgcolor
        assert all(s.style is not None and s.style.bgcolor for s in app.canvas.strips[10]) and background is not None
        drawn = await press("colon", *"next iteration", "enter")
        assert app.trace.event(app.cursor.position).iteration == 0 and "▸" not in drawn.split("\n")[0]
        assert "nothing is called that" in await press("ctrl+p", *"zzz", "enter")
        assert "nothing is called that" not in await press("escape")

    play(ols, Look(), act)


def test_remapped_keys_work_and_are_shown(ols: Path) -> None:
    async def act(app: App, press: Press) -> None:
        drawn = await press("d")
        assert app.cursor.position == 1 and "d/←" in drawn
        await press("right")
        assert app.cursor.position == 1, "the old key does nothing"
        assert "d ←" in await press("question_mark")

    play(ols, Look(Settings(keys={"step.fwd": "d"})), act)


def test_how_a_run_ended_is_said_at_once(tmp_path: Path) -> None:
    t = HandmadeTrace(tmp_path / "t", "t.py", "x = 1\nraise ValueError\n")
    t.forward("ones", (), (t.value(t.tensor(), 1.0, "x"),), 1)
    t.add(r.Raised("ValueError", "no", False), "other", 2)
    t.close("exception", 1, "ValueError: no")
    told, grave = announcement(Trace(tmp_path / "t"), Look(), SECTIONS)
    assert told.startswith("✗ the script stopped after event #1: ValueError: no (t.py:2)") and grave
    assert told.endswith("F: what is wrong, 7: traceback")


def test_what_is_missing_is_said_at_once(tmp_path: Path, ols: Path) -> None:
    t = HandmadeTrace(tmp_path / "t", "t.py", "x = 1\n")
    t.forward("ones", (), (t.value(t.tensor(), 1.0, "x"),), 1)
    t.close()
    assert "no backward pass was recorded" in announcement(Trace(tmp_path / "t"), Look(), SECTIONS)[0]
    assert announcement(Trace(ols), Look(), SECTIONS) == ("", False)
    assert "keys.toml: bad" in announcement(Trace(ols), Look(Settings(complaint="keys.toml: bad")), SECTIONS)[0]


def test_a_source_that_is_another_by_now_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    trace = Trace(ols_trace(tmp_path / "ols.backstep"))
    assert changed_sources(trace) == []
    (tmp_path / "ols.py").write_text(trace.sources["ols.py"])
    assert changed_sources(trace) == []
    (tmp_path / "ols.py").write_text("print()\n")
    assert changed_sources(trace) == ["ols.py"] and "ols.py" in announcement(trace, Look(), SECTIONS)[0]


def test_a_name_in_a_trace_leads_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "secret.py").write_text("secret")
    (tmp_path / "here").mkdir()
    for name in ("../secret.py", str(tmp_path / "secret.py"), "/dev/zero", "\0"):
        path = tmp_path / "here" / f"{abs(hash(name))}.backstep"
        HandmadeTrace(path, name, "x = 1\n").close()
        assert changed_sources(Trace(path)) == []
