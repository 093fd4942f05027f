"""The keys of motion, as a user presses them: where they lead, what they say, and that a way leaves no trace."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from backstep.replay.nodes import Node
from backstep.trace import records as r
from backstep.tui import App
from backstep.tui.keys import KEYS
from backstep.tui.playing import SPEEDS
from backstep.view.rows import Row
from tests.handmade import HandmadeTrace, ols_trace
from tests.replay.random_traces import random_trace
from tests.tui.test_app import play, screen, strike
from tests.view.traces import composite_trace


@pytest.fixture(scope="module")
def ols(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ols_trace(tmp_path_factory.mktemp("keys") / "ols.backstep")


async def pressed(app: App, pilot: Any, *keys: str) -> int:
    """Where one is after these keys."""
    strike(app, *keys)
    await pilot.pause()
    return app.cursor.position


def test_writes_uses_and_selection(ols: Path) -> None:
    async def act(app: App, pilot: Any) -> None:
        # Nothing selected: what the event is about, here y_hat.
        assert await pressed(app, pilot, "u") == 4
        assert await pressed(app, pilot, "left", "w") == 16
        assert await pressed(app, pilot, "W") == 3
        assert await pressed(app, pilot, "W") == 3
        assert "no earlier write of y_hat in this trace" in screen(app)
        # Selected in Tensors: it stays.
        await pressed(app, pilot, "4", "home", "end", "k", "k", "k", "k", "k")
        await pressed(app, pilot, "home", "e", "down", "up", "enter")
        assert app.view.selected is not None and str(app.view.selected) == "w.grad"
        assert "w.grad is followed" in screen(app)
        assert await pressed(app, pilot, "w") == 10
        assert await pressed(app, pilot, "w") == 14
        assert await pressed(app, pilot, "U") == 13
        assert await pressed(app, pilot, "enter", "w") == 26
        await pressed(app, pilot, "escape")
        assert app.view.selected is None and "is followed" not in screen(app)
        await pressed(app, pilot, "7", "escape", "end", "u")
        assert "select one in Tensors" in screen(app)

    play(ols, (120, 40), act, position=3)


def test_history_marks_and_search(ols: Path) -> None:
    async def act(app: App, pilot: Any) -> None:
        await pressed(app, pilot, "backspace")
        assert "no jump to take back" in screen(app)
        assert await pressed(app, pilot, "e", "e", "right") == 17
        assert await pressed(app, pilot, "backspace") == 3
        assert await pressed(app, pilot, "left_square_bracket") == 0
        assert await pressed(app, pilot, "right_square_bracket") == 3
        await pressed(app, pilot, "apostrophe")
        assert "no marks yet" in screen(app)
        await pressed(app, pilot, "m", "enter")
        assert "marked as a" in screen(app)
        await pressed(app, pilot, "end")
        assert "◆" in screen(app)
        assert await pressed(app, pilot, "end", "apostrophe") == 3
        await pressed(app, pilot, "right", "m", "ctrl+u", "h", "i", "enter", "home", "apostrophe")
        assert "a #3  hi #4" in screen(app)
        assert await pressed(app, pilot, "h", "i", "enter") == 4
        assert await pressed(app, pilot, "home", "slash", *"powb", "enter") == 7
        assert await pressed(app, pilot, "full_stop") == 20
        assert await pressed(app, pilot, "comma") == 7
        await pressed(app, pilot, "comma")
        assert "no earlier event has 'powb' in it" in screen(app)

    play(ols, (120, 40), act)


def test_go_to_tells_before_enter_and_keeps_what_is_wrong(ols: Path) -> None:
    async def act(app: App, pilot: Any) -> None:
        await pressed(app, pilot, "g")
        assert "e2i14" in screen(app)
        await pressed(app, pilot, *"e2i")
        assert "'e2i' is no position and no tensor" in screen(app)
        assert await pressed(app, pilot, "enter") == 0
        assert "go to e2i" in screen(app) and "is no position" in screen(app)
        await pressed(app, pilot, "0")
        assert "→ epoch 2 · forward · #29 mul" in screen(app)
        assert await pressed(app, pilot, "enter") == 29
        assert await pressed(app, pilot, "home", "g", *"|w.grad|>1.95", "enter") == 10
        assert await pressed(app, pilot, "g", *"loss<0.95", "enter") == 31
        await pressed(app, pilot, "g", *"nan")
        assert "not from here to the end of the trace" in screen(app)
        await pressed(app, pilot, "ctrl+u", *"loss<")
        assert "is no number" in screen(app) or "is no condition" in screen(app)
        await pressed(app, pilot, "escape")

    play(ols, (120, 40), act)


def test_nodes_and_wholes(tmp_path: Path) -> None:
    async def act(app: App, pilot: Any) -> None:
        await pressed(app, pilot, "N")
        assert tuple(app.cursor.node) == (2, 1)
        assert "linear as a whole" in screen(app) and "#0 to #2" in screen(app)
        whole = screen(app)
        await pressed(app, pilot, "S", "S", "O", "o")
        assert tuple(app.cursor.node) == (2, 1) and screen(app) == whole
        await pressed(app, pilot, "o", "o")
        assert "nothing is around the whole run" in screen(app)
        await pressed(app, pilot, "left", "right")
        assert tuple(app.cursor.node) == (3, 0) and "as a whole" not in screen(app)

    play(composite_trace(tmp_path / "t.backstep"), (120, 40), act, position=3)


def test_anomalies_are_told(tmp_path: Path) -> None:
    t = HandmadeTrace(tmp_path / "t.backstep")
    for before, after in ((1.0, 2.0), (1.0, float("nan")), (float("nan"), float("nan"))):
        t.forward("log", (t.value(t.tensor(), before, "x"),), (t.value(t.tensor(), after, "y"),), 9)
    t.close()

    async def act(app: App, pilot: Any) -> None:
        assert await pressed(app, pilot, "a") == 1
        assert "! NaN comes into being in y" in screen(app)
        await pressed(app, pilot, "a")
        assert "no later anomaly" in screen(app)
        assert await pressed(app, pilot, "end", "A") == 1

    play(tmp_path / "t.backstep", (120, 40), act)


def test_play_goes_on_by_itself_until_a_key_or_the_end(ols: Path) -> None:
    async def act(app: App, pilot: Any) -> None:
        await pressed(app, pilot, "less_than_sign")
        assert "space plays 2 events/s" in screen(app)
        await pressed(app, pilot, *["greater_than_sign"] * 3, "space")
        assert str(SPEEDS[app._speed]) == "30 events/s" and "30 events/s" in screen(app)
        while app.cursor.position < 3:
            await asyncio.sleep(0.01)
        here = await pressed(app, pilot, "left")
        await asyncio.sleep(0.1)
        assert app.cursor.position == here and "30 events/s" not in screen(app)
        await pressed(app, pilot, "r")
        while app.cursor.position > 0 or app.view.playing:
            await asyncio.sleep(0.01)
        await pilot.pause()
        assert "first event recorded" in screen(app)
        await pressed(app, pilot, *["greater_than_sign"] * 4)
        assert "faster than 20 iterations/s it does not go" in screen(app)

    play(ols, (120, 40), act)


def test_play_stops_at_a_stop(ols: Path) -> None:
    async def act(app: App, pilot: Any) -> None:
        await pressed(app, pilot, "b", "ctrl+u", *"write w", "enter", "home", *["greater_than_sign"] * 3, "space")
        while app.view.playing:
            await asyncio.sleep(0.01)
        await pilot.pause()
        assert app.cursor.position == 2 and "write w" in screen(app)
        await pressed(app, pilot, *["greater_than_sign"] * 2, "space")
        while app.view.playing:
            await asyncio.sleep(0.01)
        assert app.cursor.position == 13
        assert await pressed(app, pilot, "backspace") == 2
        assert await pressed(app, pilot, "backspace") == 0

    play(ols, (120, 40), act)


def test_the_next_input_comes_first_until_one_moves(tmp_path: Path) -> None:
    t = HandmadeTrace(tmp_path / "t.backstep")
    a, b = t.tensor(), t.tensor()
    t.leaf(a, "a")
    t.leaf(b, "b")
    inputs = tuple(t.value(n, 2.0 + n, name, requires_grad=True, leaf=True) for n, name in ((a, "a"), (b, "b")))
    at = t.forward("mul", inputs, (t.value(t.tensor(), 6.0, "y", requires_grad=True),), 9, nodes=1, first_node=t.node())
    seed = t.value(t.tensor(), 1.0, "y.grad")
    edges = tuple(
        t.edge(name, leaf=n, local=t.local(other), downstream=t.value(t.tensor(), other, f"{name}.grad"))
        for n, name, other in ((a, "a", 3.0), (b, "b", 2.0))
    )
    row = r.Backward(0, 0, t.batch.strings.number("MulBackward0"), at, 0, (seed,), edges)
    t.add(row, "backward", 14, subject=0)
    t.close()

    async def act(app: App, pilot: Any) -> None:
        await pressed(app, pilot, "escape")
        first = screen(app)
        await pressed(app, pilot, "x")
        turned = screen(app)
        assert turned != first
        await pressed(app, pilot, "x")
        assert screen(app) == first
        await pressed(app, pilot, "x", "left", "right")
        assert screen(app) == first

    play(tmp_path / "t.backstep", (120, 40), act, position=1)


MOVING = {"step", "over", "into", "out", "phase", "iter", "epoch", "run", "anomaly", "write", "use", "twin", "hist"}
MOTIONS = [key.action for key in KEYS if key.id.split(".")[0] in MOVING]


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
def test_a_place_looks_the_same_whichever_way_it_was_reached(tmp_path: Path, size: tuple[int, int]) -> None:
    """To the last cell and colour, but for what the last row says of the way."""
    draw = random.Random(7)

    async def act(app: App, pilot: Any) -> None:
        seen: dict[Node, list[Row]] = {}
        met_again = 0
        for _ in range(250):
            action = draw.choice(MOTIONS)
            await app.run_action(action)
            rows = app._rows(*size)[:-1]
            met_again += app.cursor.node in seen
            assert rows == seen.setdefault(app.cursor.node, rows)
        assert met_again > 50

    play(random_trace(tmp_path / "t.backstep", 11), size, act)
