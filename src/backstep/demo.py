"""`backstep demo`: a tour over the scenarios that come with backstep, each recorded on the spot and opened."""

from __future__ import annotations

import ast
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ORDER = ("ols", "ols_no_zero", "chain", "square", "fan_out", "mean", "dataset", "mlp", "frozen", "ols_no_no_grad")
"""The lecture first, then one thing after the other."""
FOLDERS = (Path(__file__).parents[2] / "scenarios", Path(sys.prefix) / "share" / "backstep" / "scenarios")
"""Where the scenarios are: beside the source tree, or where an installation puts them."""


WIDEST = 92
"""Cells of a scenario's introduction."""


class DemoError(Exception):
    """One plain line on why there is no tour."""


def scenarios() -> dict[str, Path]:
    """The scenarios by name, in the order of the tour; those that it does not know come last."""
    folder = next((folder for folder in FOLDERS if (folder / "ols.py").is_file()), None)
    if folder is None:
        raise DemoError("the scenarios are not installed: run it from a clone, or install the package anew")
    found = {path.stem: path for path in sorted(folder.glob("*.py"))}
    ordered = [name for name in ORDER if name in found]
    return {name: found[name] for name in (*ordered, *(name for name in found if name not in ordered))}


def chosen(name: str | None) -> dict[str, Path]:
    """One scenario, or all."""
    found = scenarios()
    if name is None:
        return found
    if name not in found:
        raise DemoError(f"there is no scenario {name!r}: {', '.join(found)}")
    return {name: found[name]}


def told(script: Path) -> str:
    """What a scenario shows, by its docstring."""
    return ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))) or script.stem


def listing(found: dict[str, Path]) -> str:
    """A line for each scenario."""
    wide = max(map(len, found))
    return "\n".join(f"{name:<{wide}}  {told(script).splitlines()[0]}" for name, script in found.items())


def record(script: Path, folder: Path) -> Path:
    """The trace of a scenario; `DemoError` with the last line of what went wrong."""
    trace = folder / f"{script.stem}.backstep"
    command = [sys.executable, "-m", "backstep", "run", "--headless", "--force", "-o", str(trace), str(script)]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if not trace.is_file():
        last = done.stderr.strip().rpartition("\n")[2]
        raise DemoError(f"{script.name} could not be recorded: {last or f'exit code {done.returncode}'}")
    return trace


def tour(found: dict[str, Path], look: dict[str, Any]) -> int:
    """Opens one scenario after the other, until somebody has had enough."""
    from rich.console import Console
    from rich.markdown import Markdown
    from rich.panel import Panel
    from rich.theme import Theme

    from backstep.screen import screen
    from backstep.trace.trace import load

    console = Console(theme=Theme({"markdown.code": "bold"}))
    with tempfile.TemporaryDirectory(prefix="backstep-demo-") as folder:
        for number, (name, script) in enumerate(found.items(), 1):
            title = f"{number}/{len(found)}  {name}.py"
            width = min(WIDEST, console.width)
            console.print(Panel(Markdown(told(script)), title=title, title_align="left", padding=(1, 2), width=width))
            if len(found) > 1 and not asked_to_go_on():
                return 0
            with load(record(script, Path(folder))) as trace:
                app = screen(trace, look, lecture=True)
                app.run()
            if app.return_code:
                return app.return_code
    return 0


def asked_to_go_on() -> bool:
    """Enter goes on; q, or the end of the input, ends the tour."""
    try:
        return input("Enter: step through it   q: end the tour  ").strip().lower() != "q"
    except EOFError:
        return False
