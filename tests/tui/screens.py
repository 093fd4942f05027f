"""The README's pictures: golden SVG screens of the app. `python -m tests.tui.screens` draws them anew."""

from __future__ import annotations

import asyncio
import functools
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from backstep.trace.trace import Trace, load
from backstep.tui import App
from backstep.tui.look import Look
from backstep.tui.settings import Settings
from tests import processes
from tests.handmade import ols_trace

FOLDER = Path(__file__).parent / "screens"
SCENARIOS = Path(__file__).parents[2] / "scenarios"

Maker = Callable[[Path], Path]


def ols(folder: Path) -> Path:
    return ols_trace(folder / "ols.backstep", epochs=20)


def ols_no_zero(folder: Path) -> Path:
    return ols_trace(folder / "no_zero.backstep", epochs=20, zero=False)


def mlp(_: Path) -> Path:
    return Path(recorded_mlp().name) / processes.TRACE


@functools.cache
def recorded_mlp() -> tempfile.TemporaryDirectory[str]:
    """Recorded, once for all pictures of it: the numbers are a seeded run's."""
    folder = tempfile.TemporaryDirectory()
    processes.record(SCENARIOS / "mlp.py", cwd=Path(folder.name))
    return folder


@dataclass(frozen=True)
class Scene:
    """A trace at the first event with these fields, and what was pressed then."""

    make: Maker
    size: tuple[int, int]
    fields: dict[str, object]
    keys: tuple[str, ...] = ()
    theme: str = "dark"


MUL, ADDMM = {"kind": "backward", "op": "MulBackward0", "iteration": 1}, {"kind": "backward", "op": "AddmmBackward0"}
SCREENS = {
    "ols_forward_120x40": Scene(ols, (120, 40), {"kind": "forward", "op": "mul", "iteration": 1}),
    "ols_backward_120x40": Scene(ols, (120, 40), MUL),
    "ols_accumulate_120x40": Scene(ols_no_zero, (120, 40), {"kind": "accumulate", "iteration": 1}),
    "ols_update_120x40": Scene(ols, (120, 40), {"kind": "update", "iteration": 1}),
    "ols_backward_80x24": Scene(ols, (80, 24), MUL),
    "ols_light_120x40": Scene(ols, (120, 40), MUL, theme="light"),
    "findings_120x40": Scene(ols_no_zero, (120, 40), {"kind": "accumulate", "iteration": 1}, ("F",)),
    "mlp_200x60": Scene(mlp, (200, 60), {**ADDMM, "iteration": 7}),
    "tensor_120x40": Scene(mlp, (120, 40), {"kind": "update", "tensor": "fc1.weight", "iteration": 7}, ("T",)),
}


async def draw(trace: Trace, scene: Scene) -> str:
    """The screen as SVG, the same each time."""
    position = next(event.position for event in trace.find(**scene.fields))
    app = App(trace, position=position, look=Look(Settings(theme=scene.theme)))
    async with app.run_test(size=scene.size) as pilot:
        await pilot.press(*scene.keys)
        await app.workers.wait_for_complete()
        await pilot.pause()
        svg = app.export_screenshot(title="backstep")
    # Rich numbers the classes of a picture by a hash of its content; the place of the text is what matters.
    svg = re.sub(r"terminal-\d+", "terminal", svg)
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


def drawn(name: str, folder: Path) -> str:
    """One of the golden screens, drawn now."""
    scene = SCREENS[name]
    with load(scene.make(folder)) as trace:
        return asyncio.run(draw(trace, scene))


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
