"""Law 1, recording changes nothing: each script runs bare and recorded, and both must leave the same.

The same to the bit: parameters, gradients, optimizer state, buffers and random states, as the script itself writes them
down (`scripts/digest.py`), what it printed, the warnings and the traceback on stderr, and the exit code.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.processes import SCENARIOS, TRACE, Outcome, python, record

SCRIPTS = Path(__file__).parent / "scripts"
DIGEST = "digest.json"


@dataclass(frozen=True, slots=True)
class Left:
    """What a run left behind."""

    outcome: Outcome
    digest: dict[str, object] | None


def read_digest(folder: Path) -> dict[str, object] | None:
    file = folder / DIGEST
    return json.loads(file.read_text()) if file.exists() else None


def run_both(folder: Path, *script: str | Path, **environment: str) -> tuple[Left, Left, Path]:
    """The same command line in two folders of the same depth; scripts see the same arguments."""
    left = []
    for name, start in (("bare", python), ("seen", record)):
        cwd = folder / name
        cwd.mkdir()
        outcome = start(*script, DIGEST, "--flag", "two words", cwd=cwd, stdin="one\ntwo\n", **environment)
        left.append(Left(outcome, read_digest(cwd)))
    return left[0], left[1], folder / "seen" / TRACE


def assert_unnoticed(bare: Left, seen: Left, trace: Path) -> None:
    assert seen.digest == bare.digest
    assert seen.outcome.stdout == bare.outcome.stdout
    # After all that the script has to say, backstep adds a summary of its own, with the trace's path.
    assert seen.outcome.stderr[: len(bare.outcome.stderr)] == bare.outcome.stderr
    summary = seen.outcome.stderr[len(bare.outcome.stderr) :]
    assert trace.name in summary
    assert all(line.startswith("backstep: ") for line in summary.splitlines())
    assert seen.outcome.code == bare.outcome.code


DUMPING = [
    "checkpointing",
    "compiled",
    "draws_random",
    "functional",
    "hooks",
    "loads_data",
    "reads_argv",
    "saved_tensors",
    "saves_model",
    "threads",
    "training",
    "transformer",
    "warn",
]
ENDING = {
    "exits_with_code": 7,
    "exits_with_text": 1,
    "interrupted": 130,
    "raises_in_backward": 1,
    "raises_in_forward": 1,
}


def test_every_script_is_run():
    support = {"digest", "neighbour"}
    assert {script.stem for script in SCRIPTS.glob("*.py")} == {*DUMPING, *ENDING, *support}


@pytest.mark.parametrize("script", SCENARIOS, ids=lambda script: script.stem)
def test_scenario(script: Path, tmp_path: Path):
    bare, seen, trace = run_both(tmp_path, script)
    assert bare.outcome.stdout
    assert_unnoticed(bare, seen, trace)


@pytest.mark.parametrize("name", DUMPING)
def test_state_and_output(name: str, tmp_path: Path):
    bare, seen, trace = run_both(tmp_path, SCRIPTS / f"{name}.py")
    assert bare.outcome.code == 0, bare.outcome.stderr
    assert bare.digest is not None
    assert_unnoticed(bare, seen, trace)


@pytest.mark.parametrize(("name", "code"), ENDING.items())
def test_how_it_ends(name: str, code: int, tmp_path: Path):
    bare, seen, trace = run_both(tmp_path, SCRIPTS / f"{name}.py")
    assert bare.outcome.code == code
    assert_unnoticed(bare, seen, trace)


def test_compiled_code_stays_one_graph(tmp_path: Path):
    seen = record(SCRIPTS / "compiled.py", DIGEST, cwd=tmp_path)
    assert seen.stdout.splitlines()[-1] == "graphs 1 breaks {}"


@pytest.mark.parametrize("filters", ["always", "module", "error::DeprecationWarning"])
def test_warnings_under_the_filters_of_the_environment(filters: str, tmp_path: Path):
    bare, seen, trace = run_both(tmp_path, SCRIPTS / "warn.py", PYTHONWARNINGS=filters)
    assert "Warning" in bare.outcome.stderr
    assert_unnoticed(bare, seen, trace)


def test_module(tmp_path: Path):
    for folder in ("bare", "seen"):
        package = tmp_path / folder / "lesson"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("print('the package', __name__)\n")
        shutil.copy(SCRIPTS / "neighbour.py", package)
        (package / "first.py").write_text(
            "import sys\nimport torch\nfrom . import neighbour\n"
            "print(__name__, __package__, __spec__.name, sys.argv[1:], sys.path[0] == sys.argv[1])\n"
            "w = torch.ones(2, requires_grad=True)\nneighbour.double(w).sum().backward()\nprint(w.grad)\n"
        )
    bare = python("-m", "lesson.first", "a", "--flag", cwd=tmp_path / "bare")
    seen = record("-m", "lesson.first", "a", "--flag", cwd=tmp_path / "seen")
    assert bare.code == 0, bare.stderr
    assert_unnoticed(Left(bare, None), Left(seen, None), tmp_path / "seen" / TRACE)


def test_syntax_error(tmp_path: Path):
    script = tmp_path / "broken.py"
    script.write_text("import torch\nprint('never'\nw = torch.ones(1)\n")
    bare, seen, _ = run_both(tmp_path, script)
    assert bare.outcome.code == seen.outcome.code == 1
    assert seen.outcome.stderr.startswith(bare.outcome.stderr)
    assert seen.outcome.stdout == bare.outcome.stdout == ""
