"""`backstep check` from outside: stdout holds the findings alone, and the exit code says whether there are any."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.handmade import ols_trace
from tests.processes import Outcome, backstep

FAULTY = """\
import sys
import torch

print("hello from the script", sys.argv[1:])
w = torch.ones(1, requires_grad=True)
for step in range(5):
    loss = (w - 3).pow(2).sum()
    loss.backward()
    with torch.no_grad():
        w -= 0.01 * w.grad
"""
SOUND = FAULTY + "    w.grad = None\n"
RAISING = """\
import torch
w = torch.ones(2, requires_grad=True)
loss = w.exp().sum()
loss.backward()
loss.backward()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in (("faulty", FAULTY), ("sound", SOUND), ("raising", RAISING)):
        (tmp_path / f"{name}.py").write_text(text)
    return tmp_path


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    """A trace of the lecture's script without its zeroing."""
    return ols_trace(tmp_path / "bad.backstep", epochs=4, zero=False)


def rules_of(outcome: Outcome) -> list[tuple[str, int]]:
    return [(one["rule"], one["source"]["line"]) for one in json.loads(outcome.stdout)["findings"]]


def test_a_faulty_script_gives_exactly_one_json_object_and_leaves_no_file(folder: Path) -> None:
    before = sorted(folder.iterdir())
    outcome = backstep("check", "faulty.py", "--epochs", "3", "--format", "json", cwd=folder)
    assert outcome.code == 1
    (finding,) = json.loads(outcome.stdout)["findings"]
    assert {"rule", "level", "message", "fix", "source", "evidence"} <= finding.keys()
    assert (finding["rule"], finding["level"]) == ("missing-zero-grad", "error")
    assert (finding["source"]["file"], finding["source"]["line"]) == ("faulty.py", 8)
    assert "hello from the script ['--epochs', '3']" in outcome.stderr
    assert sorted(folder.iterdir()) == before


def test_a_sound_script_is_silent_on_stdout(folder: Path) -> None:
    outcome = backstep("check", "sound.py", cwd=folder)
    assert (outcome.code, outcome.stdout) == (0, "")
    assert "nothing found in" in outcome.stderr and "5 backward passes" in outcome.stderr


def test_options_stand_before_or_after_the_target(bad: Path) -> None:
    before = backstep("check", "--format", "json", bad, cwd=bad.parent)
    after = backstep("check", bad, "--format", "json", cwd=bad.parent)
    assert before.stdout == after.stdout and before.code == after.code == 1


def test_the_text_shows_the_line_with_its_numbers(bad: Path) -> None:
    outcome = backstep("check", bad, cwd=bad.parent)
    assert "ols.py:14: error missing-zero-grad" in outcome.stdout
    assert "loss.backward()" in outcome.stdout and "w.grad = -2 (used) + -1.96" in outcome.stdout
    assert "Fix: " in outcome.stdout and "Evidence: #" in outcome.stdout


def test_a_script_that_raises_is_diagnosed(folder: Path) -> None:
    outcome = backstep("check", "raising.py", "--format", "json", cwd=folder)
    assert outcome.code == 1 and rules_of(outcome) == [("backward-twice", 5)]
    assert "Traceback" in outcome.stderr and outcome.stderr.count("RuntimeError") == 1


def test_the_trace_is_kept_where_it_is_asked_for_and_can_be_checked_again(folder: Path) -> None:
    first = backstep("check", "-o", "kept.backstep", "faulty.py", "--format", "json", cwd=folder)
    assert first.code == 1 and (folder / "kept.backstep").exists()
    again = backstep("check", "kept.backstep", "--format", "json", cwd=folder)
    assert (again.code, again.stdout) == (1, first.stdout)
    refused = backstep("check", "-o", "kept.backstep", "faulty.py", cwd=folder)
    assert refused.code == 2 and len(refused.stderr.splitlines()) == 1


def test_a_trace_needs_no_script(bad: Path) -> None:
    ols_trace(bad.parent / "good.backstep", epochs=4)
    assert rules_of(backstep("check", bad, "--format", "json", cwd=bad.parent)) == [("missing-zero-grad", 14)]
    assert backstep("check", "good.backstep", cwd=bad.parent).code == 0


def test_a_folder_of_traces_is_checked_as_a_whole(tmp_path: Path) -> None:
    ols_trace(tmp_path / "rank0.backstep", epochs=4)
    ols_trace(tmp_path / "rank1.backstep", epochs=4, zero=False)
    outcome = backstep("check", ".", "--format", "json", cwd=tmp_path)
    assert outcome.code == 1 and rules_of(outcome) == [("missing-zero-grad", 14)]


def test_rules_are_selected_and_silenced_by_name(bad: Path) -> None:
    assert backstep("check", bad, "--ignore", "missing-zero-grad", cwd=bad.parent).code == 0
    assert backstep("check", "--select", "non-finite,divergence", bad, cwd=bad.parent).code == 0
    assert backstep("check", "--select", "missing-zero-grad", bad, cwd=bad.parent).code == 1
    (bad.parent / "pyproject.toml").write_text('[tool.backstep.check]\nignore = ["missing-zero-grad"]\n')
    assert backstep("check", bad, cwd=bad.parent).code == 0


def test_sarif_points_to_the_line(bad: Path) -> None:
    outcome = backstep("check", bad, "--format", "sarif", cwd=bad.parent)
    log = json.loads(outcome.stdout)
    (result,) = log["runs"][0]["results"]
    assert log["version"] == "2.1.0" and result["ruleId"] == "missing-zero-grad" and result["level"] == "error"
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "ols.py" and place["region"]["startLine"] == 14


@pytest.mark.parametrize(
    "arguments",
    [
        ["missing.py"],
        ["missing.backstep"],
        ["notes.backstep"],
        ["no_torch.py"],
        ["faulty.py", "--select", "no-such-rule"],
        ["faulty.py", "--format", "xml"],
        [],
    ],
    ids=" ".join,
)
def test_what_cannot_be_looked_at_is_exit_code_2(folder: Path, arguments: list[str]) -> None:
    (folder / "notes.backstep").write_text("no trace")
    (folder / "no_torch.py").write_text("pass\n")
    outcome = backstep("check", *arguments, cwd=folder)
    assert (outcome.code, outcome.stdout) == (2, "")
    said = [line for line in outcome.stderr.splitlines() if line.startswith("backstep")]
    assert len(said) == 1 and "Traceback" not in outcome.stderr


def test_the_rules_are_listed(tmp_path: Path) -> None:
    outcome = backstep("check", "--rules", cwd=tmp_path)
    assert outcome.code == 0 and "missing-zero-grad" in outcome.stdout
