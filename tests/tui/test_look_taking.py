"""`y` copies, `Y` writes files; a letter chooses, and while it does no letter is anything else."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest

from backstep.screen import screen
from backstep.trace.trace import load
from backstep.tui import App
from tests.handmade import ols_trace


def test_a_moment_is_taken_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    async def run() -> None:
        with load(ols_trace(tmp_path / "ols.backstep")) as trace:
            (at,) = [event.position for event in trace.find(kind="update")][:1]
            app = App(trace, position=at)
            async with app.run_test(size=(100, 30)) as pilot:

                async def press(*keys: str) -> str:
                    await pilot.press(*keys)
                    await pilot.pause()
                    return "\n".join(strip.text for strip in app.canvas.strips)

                drawn = await press("y")
                assert "formula as LaTeX" in drawn
                drawn = await press("v")
                assert app.clipboard == "1.0199999809265137" and "copied 18 characters: 1.0199999809265137" in drawn
                assert "LaTeX" not in drawn
                drawn = await press("y", "e")
                assert "none of these" in drawn and app.cursor.position == at, "e is no key while one chooses"
                await press("y", "p")
                assert app.clipboard.endswith(f"--at {at}")
                assert "written: ols-" in await press("Y", "n")
                assert np.load(tmp_path / f"ols-{at}.npy") == np.float32(1.02)
                await press("Y", "n")
                assert (tmp_path / f"ols-{at}-2.npy").exists(), "nothing is overwritten"
                before = await press("escape")
                await press("Y", "t")
                lines = (tmp_path / f"ols-{at}.txt").read_text().splitlines()
                assert lines[4:] == [line.rstrip() for line in before.split("\n")[4:]], "without the menu"
                await press("Y", "s")
                svg = (tmp_path / f"ols-{at}.svg").read_text()
                assert "<svg" in svg and "Chain&#160;rule" in svg and "this&#160;screen" not in svg
                assert "@font-face" not in svg, "it fetches nothing from elsewhere"
                await press("Y", "j")
                events = [json.loads(line) for line in (tmp_path / f"ols-{at}.jsonl").read_text().splitlines()]
                assert {event["iteration"] for event in events} == {0} and at in [one["position"] for one in events]
                drawn = await press("Y", "escape")
                assert "write to a file" not in drawn and app.is_running
                (tmp_path / "taken").mkdir()
                monkeypatch.chdir(tmp_path / "taken")
                (tmp_path / "taken").rmdir()
                assert "✗" in await press("Y", "m")

    asyncio.run(run())


def test_the_formats_of_export_are_written_without_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))

    async def run() -> None:
        with load(ols_trace(tmp_path / "ols.backstep")) as trace:
            app = screen(trace, {}, position=13)
            async with app.run_test(size=(100, 30)) as pilot:
                for letter, suffix, start in (("g", "graph.svg", b"<svg"), ("h", "html", b"<!"), ("z", "npz", b"PK")):
                    await pilot.press("Y", letter)
                    await app.workers.wait_for_complete()
                    await pilot.pause()
                    assert f"written: ols-13.{suffix}" in app.canvas.strips[-1].text
                    assert start in (tmp_path / f"ols-13.{suffix}").read_bytes()[:200]
                await pilot.press("Y", "d", "Y", "c")
                await app.workers.wait_for_complete()
                assert (tmp_path / "ols-13.mmd").exists() and (tmp_path / "ols-13.csv").read_text().count("\n") > 42

    asyncio.run(run())
