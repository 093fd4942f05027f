"""The README tells what exists: its files, its commands, its options, and its Python runs."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from backstep.cli import cli
from tests.processes import ROOT, backstep, python

README = (ROOT / "README.md").read_text(encoding="utf-8")
PROGRAM = """
import torch

class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = torch.nn.Linear(3, 2)
    def forward(self, x):
        return self.fc1(x)

class trainer:
    def fit(model, loader):
        for _ in range(103):
            model(loader).square().mean().backward()

model, x = Model(), torch.ones(4, 3)
loader = x
import backstep
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_what_it_links_to_exists(target: str) -> None:
    assert (ROOT / target).is_file()


@pytest.mark.parametrize("path", sorted(set(re.findall(r"(?:scenarios|tests)/[\w/]+\.(?:py|txt)", README))))
def test_what_it_names_exists(path: str) -> None:
    assert (ROOT / path).is_file()


def test_it_has_every_command_and_no_other() -> None:
    named = set(re.findall(r"^\| `backstep (\w+)", README, re.MULTILINE))
    assert named == set(cli.commands)


def test_its_options_exist() -> None:
    known = {
        option
        for command in cli.commands.values()
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for option in parameter.opts
    }
    named = set(re.findall(r"`(?:backstep [^`]*)?(--[a-z-]+)", README)) - {"--help"}
    assert named
    assert named <= known


def test_it_never_sends_anyone_to_another_projects_package() -> None:
    assert not re.search(r"pip install\s+(?:-U\s+)?backstep", README)


def test_the_test_command_is_that_of_ci() -> None:
    (tests,) = [block for block in blocks("sh") if "pytest" in block]
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for part in ("--extra-index-url https://download.pytorch.org/whl/cpu", '-e ".[test]"', "python -m pytest -n auto"):
        assert part in tests and part in ci


def test_its_python_runs(tmp_path: Path) -> None:
    for block in blocks("python"):
        if "backprop" not in block:
            (tmp_path / "program.py").write_text(PROGRAM + block)
            outcome = python("program.py", cwd=tmp_path)
            assert (outcome.code, outcome.stderr) == (0, "")
    window = backstep("info", "run.backstep", cwd=tmp_path).stdout
    assert "3 backward passes" in window


def test_the_traces_that_its_workflow_uploads_are_there(tmp_path: Path) -> None:
    (workflow,) = blocks("yaml")
    (command,) = re.findall(r"run: python (.+)", workflow)
    (path,) = re.findall(r"path: ([^}]+)}", workflow)
    failing = "def test_it(backprop):\n    with backprop():\n        torch.ones(1)\n    assert False\n"
    (tmp_path / "test_it.py").write_text("import torch\n" + failing)
    assert python(*command.split(), "-p", "no:cacheprovider", cwd=tmp_path).code == 1
    assert [one.name for one in tmp_path.glob(path)] == ["test_it.backstep"]


def test_its_shell_recipes_give_what_they_promise(tmp_path: Path) -> None:
    """The fields that the recipes select by `jq` are in an export."""
    assert backstep("run", "-o", "run.backstep", ROOT / "scenarios" / "frozen.py", cwd=tmp_path).code == 0
    exported = backstep("export", "run.backstep", "--format", "jsonl", cwd=tmp_path).stdout
    recipes = [block for block in blocks("sh") if "jq" in block]
    assert recipes
    for field in re.findall(r"(?<=[ (|\[]\.)\w+", "".join(recipes)):
        assert f'"{field}":' in exported
