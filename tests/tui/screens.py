"""The README's pictures: golden SVG screens of the app. `python -m tests.tui.screens` draws them anew."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

from backstep.trace.trace import Trace, load
from backstep.tui import App
from tests import processes
from tests.handmade import ols_trace

FOLDER = Path(__file__).parent / "screens"
SCENARIOS = Path(__file__).parents[2] / "scenarios"

Maker = Callable[[Path], Path]


def ols(folder: Path) -> Path:
    return ols_trace(folder / "ols.backstep", epochs=20)


def ols_no_zero(folder: Path) -> Path:
    return ols_trace(folder / "no_zero.backstep", epochs=20, zero=False)


def mlp(folder: Path) -> Path:
    """Recorded: the numbers are a seeded run's."""
    processes.record(SCENARIOS / "mlp.py", cwd=folder)
    return folder / processes.TRACE


SCREENS: dict[str, tuple[Maker, tuple[int, int], dict[str, object]]] = {
    "ols_forward_120x40": (ols, (120, 40), {"kind": "forward", "op": "mul", "iteration": 1}),
    "ols_backward_120x40": (ols, (120, 40), {"kind": "backward", "op": "MulBackward0", "iteration": 1}),
    "ols_accumulate_120x40": (ols_no_zero, (120, 40), {"kind": "accumulate", "iteration": 1}),
    "ols_update_120x40": (ols, (120, 40), {"kind": "update", "iteration": 1}),
    "ols_backward_80x24": (ols, (80, 24), {"kind": "backward", "op": "MulBackward0", "iteration": 1}),
    "mlp_200x60": (mlp, (200, 60), {"kind": "backward", "op": "AddmmBackward0", "iteration": 7}),
}


async def draw(trace: Trace, size: tuple[int, int], fields: dict[str, object]) -> str:
    """The screen at the first event with these fields, as SVG, the same each time."""
    position = next(event.position for event in trace.find(**fields))
    app = App(trace, position=position)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        svg = app.export_screenshot(title="backstep")
    # Rich numbers the classes of a picture by a hash of its content; the place of the text is what matters.
    svg = re.sub(r"terminal-\d+", "terminal", svg)
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


def drawn(name: str, folder: Path) -> str:
    """One of the golden screens, drawn now."""
    make, size, fields = SCREENS[name]
    with load(make(folder)) as trace:
        return asyncio.run(draw(trace, size, fields))


def text_of_svg(svg: str) -> list[str]:
    """What the picture says, piece by piece."""
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name in SCREENS:
        with tempfile.TemporaryDirectory() as folder:
            (FOLDER / f"{name}.svg").write_text(drawn(name, Path(folder)), encoding="utf-8")


if __name__ == "__main__":
    main()
