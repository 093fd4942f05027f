"""The floors of the house: who may import whom. DESIGN.md has the table; the reason is that everything right of the
trace opens without torch, in a fraction of a second, and cannot disturb the run.

The static test names the line; the one in a fresh interpreter catches what comes in sideways.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "backstep"

FLOORS = {
    "trace": set(),
    "writer": {"trace", "stops"},
    "recorder": {"trace", "writer", "stops"},
    "replay": {"trace"},
    "stops": {"trace"},
    "explain": {"trace", "replay"},
    "diagnose": {"trace", "replay", "explain"},
    "view": {"trace", "replay", "stops", "explain", "diagnose"},
    "export": {"trace", "replay", "explain", "diagnose", "view"},
    "cli": {
        "trace", "recorder", "replay", "stops", "diagnose", "view", "export",
        "checking", "child", "demo", "launch", "screen", "serving",
    },
    "tui": {"trace", "replay", "stops", "explain", "diagnose", "view"},
}  # fmt: skip
"""The folders of the package that each one may import, beside itself."""

THIRD_PARTY = {
    "trace": {"msgspec", "numpy", "pandas"},
    "writer": {"msgspec", "numpy"},
    "recorder": {"torch", "numpy", "msgspec"},
    "replay": {"numpy"},
    "stops": {"numpy"},
    "explain": {"numpy"},
    "diagnose": {"numpy"},
    "view": {"rich", "numpy"},
    "export": {"rich", "numpy", "msgspec"},
    "cli": {"click", "rich"},
    "tui": {"textual", "rich", "numpy"},
}
"""numpy is what the values of a trace are read as, so every floor may compute with it. pandas is used where it is."""

FOLDERS = [folder for folder in FLOORS if (PACKAGE / folder).is_dir()]


def imports(file: Path) -> Iterator[tuple[int, str]]:
    """The line and the full name of each import of a file, also of those inside functions and conditions."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"), str(file))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: a relative import"
            if node.module == "backstep":
                yield from ((node.lineno, f"backstep.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, node.module or ""


def floor_of(name: str) -> str:
    """The folder (or file) of the package that `backstep.x.y` lies in."""
    return name.split(".")[1] if "." in name else ""


def test_every_folder_has_a_floor() -> None:
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders <= FLOORS.keys()
    assert {"trace", "recorder", "replay", "explain", "view", "export", "tui"} <= folders


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_imports_only_the_floors_above(folder: str) -> None:
    allowed = {folder, *FLOORS[folder]}
    wrong = [
        f"{file.relative_to(PACKAGE)}:{line}: imports {name}"
        for file in sorted((PACKAGE / folder).rglob("*.py"))
        for line, name in imports(file)
        if name.split(".")[0] == "backstep" and floor_of(name) not in allowed
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_uses_only_its_own_third_parties(folder: str) -> None:
    allowed = {"backstep", *sys.stdlib_module_names, *THIRD_PARTY[folder]}
    wrong = [
        f"{file.relative_to(PACKAGE)}:{line}: imports {name}"
        for file in sorted((PACKAGE / folder).rglob("*.py"))
        for line, name in imports(file)
        if name.split(".")[0] not in allowed
    ]
    assert not wrong, "\n".join(wrong)


def test_the_walls_are_seen(tmp_path: Path) -> None:
    """What the static tests go by does find an import, wherever it hides."""
    file = tmp_path / "hidden.py"
    file.write_text("def f():\n    if True:\n        from backstep import recorder\n        import torch.nn as nn\n")
    assert sorted(imports(file)) == [(3, "backstep.recorder"), (4, "torch.nn")]


IMPORT_EACH = """
import importlib, pkgutil, sys
import backstep

def loaded(*names):
    return [name for name in names if name in sys.modules]

assert not loaded("torch", "textual", "rich", "numpy"), "import backstep"
for folder in {folders!r}:
    package = importlib.import_module("backstep." + folder)
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
        assert not loaded("torch", "backstep.recorder"), module.name
        if folder != "tui":
            assert not loaded("textual"), module.name
        if folder in ("trace", "replay", "explain"):
            assert not loaded("rich"), module.name
import backstep.cli
assert not loaded("torch", "backstep.recorder"), "backstep.cli"
"""


def test_nothing_right_of_the_trace_loads_torch() -> None:
    """In the order of the floors, so that each step sees what the folder itself brought in."""
    folders = [folder for folder in FOLDERS if folder != "recorder"]
    program = IMPORT_EACH.format(folders=folders)
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=dict(os.environ))
    assert process.returncode == 0, process.stderr
