"""Typing in the last row: every key in its order, the answer before Enter, a wrong text kept with what is wrong."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstep.tui import App
from backstep.tui.prompt import Answer, Line, Prompt, prompt_row
from backstep.view.theme import DARK
from tests.handmade import ols_trace
from tests.tui.test_app import play, screen


def told(text: str) -> Answer:
    return Answer("a number", True) if text.isdigit() else Answer("no number", False)


def test_a_question_takes_every_key_and_keeps_what_is_wrong(tmp_path: Path) -> None:
    taken: list[str] = []

    def accept(text: str) -> str | None:
        if not text.isdigit():
            return f"{text} is no number"
        taken.append(text)
        return None

    async def act(app: App, pilot: Any) -> None:
        app.ask("go to", told, accept, prefilled="q", examples="50%")
        await pilot.press("e", "left", "backspace", "n")
        await pilot.pause()
        assert "go to ne" in screen(app) and "no number" in screen(app) and app.cursor.position == 0
        await pilot.press("enter")
        await pilot.pause()
        assert "ne is no number" in screen(app) and not taken
        await pilot.press("ctrl+u", "delete", "4", "2")
        await pilot.pause()
        assert "→ a number" in screen(app)
        await pilot.press("enter", "right")
        await pilot.pause()
        assert taken == ["42"] and app.cursor.position == 1 and "go to" not in screen(app)
        app.ask("go to", told, accept)
        await pilot.press("7", "escape", "q")
        await asyncio.sleep(0)
        assert taken == ["42"] and app.return_code == 0

    play(ols_trace(tmp_path / "ols.backstep"), (80, 24), act)


@given(st.text(alphabet="abc", max_size=5), st.integers(0, 5), st.sampled_from("xyz"))
def test_a_letter_put_and_taken_back_leaves_the_line(text: str, caret: int, typed: str) -> None:
    line = Line(text).at(caret)
    assert line.put(typed).edited("backspace") == line
    assert line.edited("f5") is None


@pytest.mark.parametrize("width", [12, 40, 80])
@pytest.mark.parametrize(
    "typed", ["", "w", "w.grad > 10 and then a great deal more than fits in the row of a terminal"]
)
def test_the_caret_is_always_in_sight(width: int, typed: str) -> None:
    prompt = Prompt("go to", told, lambda _: None, Line(typed, len(typed)), Answer("event 7"), "50%")
    row = prompt_row(prompt, width, DARK)
    assert sum(segment.cell_length for segment in row) == width
    assert any(segment.style is not None and segment.style.reverse for segment in row)
