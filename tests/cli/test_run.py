"""`backstep run`, headless, from outside: stdout, stderr and the exit code, each as under `python`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from backstep.trace.trace import load
from tests.processes import Outcome, backstep, python

OLS = """
    import torch
    w = torch.tensor(1.0, requires_grad=True)
    for epoch in range(2):
        loss = (w * 3) ** 2
        loss.backward()
        w.grad = None
"""


def write(path: Path, text: str = OLS) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


def both(folder: Path, *command: str, stdin: str = "") -> tuple[Outcome, Outcome]:
    """The same command line under `python` and under `backstep run`."""
    return python(*command, cwd=folder, stdin=stdin), backstep("run", "--headless", *command, cwd=folder, stdin=stdin)


def without_summary(stderr: str) -> str:
    return "".join(line for line in stderr.splitlines(True) if not line.startswith("backstep: "))


def assert_alike(bare: Outcome, recorded: Outcome) -> None:
    assert (recorded.code, recorded.stdout) == (bare.code, bare.stdout)
    assert without_summary(recorded.stderr) == bare.stderr


def test_arguments_reach_the_script_untouched(tmp_path: Path) -> None:
    write(tmp_path / "args.py", "import sys; print(sys.argv)")
    arguments = ["--headless", "-o", "x", "--help", "--", "-m", "a b", "--values=all", ""]
    bare, recorded = both(tmp_path, "args.py", *arguments)
    assert_alike(bare, recorded)
    assert "--values=all" in recorded.stdout


def test_a_module_runs_as_python_dash_m(tmp_path: Path) -> None:
    write(tmp_path / "package" / "__init__.py", "")
    write(tmp_path / "package" / "deep.py", "import sys; print(__name__, __package__, sys.argv[1:], sys.path[0])")
    bare, recorded = both(tmp_path, "-m", "package.deep", "--flag", "-m")
    assert_alike(bare, recorded)
    assert (tmp_path / "deep.backstep").exists()


def test_a_script_sees_its_own_world(tmp_path: Path) -> None:
    write(tmp_path / "far" / "neighbour.py", "NUMBER = 7")
    write(
        tmp_path / "far" / "script.py",
        """
        import os, sys
        import neighbour
        print(neighbour.NUMBER, __name__, __file__, sys.path[0], os.getcwd(), sys.stdin.read())
        """,
    )
    assert_alike(*both(tmp_path, "far/script.py", stdin="typed"))


@pytest.mark.parametrize(
    "ending",
    [
        "sys.exit(7)",
        "sys.exit()",
        "sys.exit('a message')",
        "raise ValueError('no\\nmore')",
        "os._exit(9)",
        "os.kill(os.getpid(), 15)",
        "raise KeyboardInterrupt",
        "def f(): 1 / 0\nf()",
    ],
)
def test_the_end_is_the_scripts_own(tmp_path: Path, ending: str) -> None:
    write(tmp_path / "end.py", f"import os, sys\nprint('before', flush=True)\n{ending}\n")
    assert_alike(*both(tmp_path, "end.py"))


def test_an_interrupt_reaches_the_script(tmp_path: Path) -> None:
    write(tmp_path / "wait.py", "import time\nprint('ready', flush=True)\ntime.sleep(60)\n")
    command = [sys.executable, "-m", "backstep", "run", "--headless", "wait.py"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode in (-signal.SIGINT, 128 + signal.SIGINT)
    assert stderr.count("Traceback") == 1
    with load(tmp_path / "wait.backstep") as trace:
        assert trace.header["exit"]["status"] == "interrupted"


def test_headless_is_implied_without_a_terminal(tmp_path: Path) -> None:
    write(tmp_path / "ols.py")
    outcome = backstep("run", "ols.py", cwd=tmp_path)
    assert (outcome.code, outcome.stdout) == (0, "")
    assert "ols.backstep" in outcome.stderr
    assert len(outcome.stderr.splitlines()) <= 3


def test_interpreter_flags_reach_the_script(tmp_path: Path) -> None:
    write(tmp_path / "flags.py", "import sys; print(sys.flags.optimize, sys.warnoptions, sys.flags.dev_mode)")
    flags = ["-O", "-W", "error::UserWarning"]
    bare = python(*flags, "flags.py", cwd=tmp_path)
    recorded = python(*flags, "-m", "backstep", "run", "--headless", "flags.py", cwd=tmp_path)
    assert recorded.stdout == bare.stdout


def test_the_default_name_is_the_next_free_one(tmp_path: Path) -> None:
    write(tmp_path / "scripts" / "my.model.py", "print('hi')")
    for _ in range(3):
        assert backstep("run", "scripts/my.model.py", cwd=tmp_path).code == 0
    found = {path.name for path in tmp_path.glob("*.backstep")}
    assert found == {"my.model.backstep", "my.model-2.backstep", "my.model-3.backstep"}


def test_an_existing_file_is_refused_unless_forced(tmp_path: Path) -> None:
    write(tmp_path / "ols.py")
    (tmp_path / "mine.backstep").write_text("precious")
    refused = backstep("run", "--headless", "-o", "mine.backstep", "ols.py", cwd=tmp_path)
    assert (refused.code, refused.stdout, len(refused.stderr.splitlines())) == (2, "", 1)
    assert "--force" in refused.stderr
    assert (tmp_path / "mine.backstep").read_text() == "precious"
    forced = backstep("run", "--headless", "-o", "mine.backstep", "--force", "ols.py", cwd=tmp_path)
    assert forced.code == 0
    with load(tmp_path / "mine.backstep") as trace:
        assert trace.header["exit"]["status"] == "ok"


@pytest.mark.parametrize(
    "command",
    [
        ["none.py"],
        ["--no-such-option", "ols.py"],
        ["--values", "some", "ols.py"],
        ["--max-elements", "-1", "ols.py"],
        ["-o", "no/such/folder/x.backstep", "ols.py"],
        ["-o", ".", "ols.py"],
        ["-o", "ols.py", "--force", "ols.py"],
        ["-m"],
        [],
    ],
)
def test_a_wrong_command_is_one_line_and_exit_code_2(tmp_path: Path, command: list[str]) -> None:
    script = write(tmp_path / "ols.py")
    text = script.read_text()
    outcome = backstep("run", "--headless", *command, cwd=tmp_path)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert len(outcome.stderr.splitlines()) == 1
    assert outcome.stderr.startswith("backstep run: ")
    assert [path.name for path in tmp_path.iterdir()] == ["ols.py"]
    assert script.read_text() == text


@pytest.mark.parametrize(
    ("options", "kept", "source", "output"),
    [
        ([], True, True, True),
        (["--values", "summary"], False, True, True),
        (["--max-elements", "2"], False, True, True),
        (["--max-elements", "2", "--values", "all"], True, True, True),
        (["--no-source"], True, False, True),
        (["--no-output"], True, True, False),
    ],
)
def test_what_is_kept(tmp_path: Path, options: list[str], kept: bool, source: bool, output: bool) -> None:
    write(tmp_path / "three.py", "import torch\nx = torch.ones(3) * 2\nprint('secret')\n")
    assert backstep("run", *options, "three.py", cwd=tmp_path).code == 0
    with load(tmp_path / "three.backstep") as trace:
        product = next(trace.find(op="mul")).outputs[0]
        assert (product.values == [2.0, 2.0, 2.0]) is kept
        assert kept or product.omitted
        assert product.summary.max == 2.0
        assert bool(trace.sources) is source
        assert any(event.text == "secret\n" for event in trace.find(kind="output")) is output


@pytest.mark.parametrize(("local", "kept"), [("auto", True), ("all", True), ("none", False)])
def test_local_gradients_are_kept_as_asked(tmp_path: Path, local: str, kept: bool) -> None:
    write(tmp_path / "ols.py")
    assert backstep("run", "--local", local, "ols.py", cwd=tmp_path).code == 0
    with load(tmp_path / "ols.backstep") as trace:
        edges = [edge for event in trace.find(kind="backward") for edge in event.edges if edge.needed]
        assert edges
        assert {edge.local is not None and edge.local.values is not None for edge in edges} == {kept}


def test_the_trace_can_be_read_while_the_script_runs(tmp_path: Path) -> None:
    write(
        tmp_path / "slow.py",
        """
        import sys
        import torch
        w = torch.tensor(1.0, requires_grad=True)
        (w * 3).backward()
        print("done", flush=True)
        sys.stdin.read()
        """,
    )
    command = [sys.executable, "-m", "backstep", "run", "--headless", "slow.py"]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "done\n"
    with load(tmp_path / "slow.backstep") as trace:
        deadline = time.monotonic() + 30
        while not any(trace.find(kind="accumulate")) and time.monotonic() < deadline:
            time.sleep(0.02)
            trace.refresh()
        assert trace.running
        assert next(trace.find(kind="accumulate")).after.values == 3.0
        process.communicate("", timeout=60)
        trace.refresh()
        assert not trace.running
    assert process.returncode == 0
    assert os.path.exists(tmp_path / "slow.backstep")


def test_a_script_that_goes_to_another_folder_leaves_its_trace_where_it_began(tmp_path: Path) -> None:
    write(tmp_path / "go.py", "import os, torch; os.chdir('/'); torch.ones(2) + 1")
    recorded = backstep("run", "--headless", "go.py", cwd=tmp_path)
    assert "backstep: trace in go.backstep\n" in recorded.stderr
    assert len(load(tmp_path / "go.backstep")) == 2
