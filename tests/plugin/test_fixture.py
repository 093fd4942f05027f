"""The fixture records, keeps what a failed test recorded and names it, and leaves nothing of a test that passed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import backstep
from tests.plugin.conftest import OLS, Run


def traces(pytester: pytest.Pytester) -> list[str]:
    """The traces that the run has left, by name."""
    return sorted(path.name for path in pytester.path.glob("base/**/*.backstep"))


def named(result: pytest.RunResult) -> list[Path]:
    """The traces that the report names."""
    return [Path(path) for path in re.findall(r"^backstep open (.*)$", result.stdout.str(), re.MULTILINE)]


def test_a_block_is_recorded_and_a_test_that_passes_leaves_nothing(run: Run, pytester: pytest.Pytester) -> None:
    result = run("""
def test_it(backprop):
    w = leaf()
    with backprop() as recording:
        train(w)
        assert len(recording.trace)
    (first, *_) = recording.trace.find(kind="accumulate", tensor="w")
    assert first.arrived.values == -2
    assert first.source.file == "test_training.py"
    assert first.source.code == "loss.backward()"
""")
    result.assert_outcomes(passed=1)
    assert named(result) == []
    assert not (pytester.path / "base" / "backstep").exists()


def test_the_trace_of_a_failed_test_is_kept_and_named(run: Run, pytester: pytest.Pytester) -> None:
    result = run("""
def test_it(backprop):
    w = leaf()
    with backprop() as recording:
        train(w)
    assert w == 2
""")
    result.assert_outcomes(failed=1)
    assert traces(pytester) == ["test_it.backstep"]
    (path,) = named(result)
    with backstep.load(path) as trace:
        assert trace.header["exit"]["status"] == "ok"
        assert len(list(trace.find(kind="update", tensor="w"))) == 3


def test_a_crash_inside_the_block_is_in_the_trace(run: Run) -> None:
    result = run("""
def test_it(backprop):
    w = leaf()
    with backprop() as recording:
        train(w)
        torch.ones(2) @ torch.ones(3)
""")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *RuntimeError: *"])
    (path,) = named(result)
    with backstep.load(path) as trace:
        assert trace.header["complete"]
        assert trace.header["exit"]["exception"].startswith("RuntimeError")
        assert trace.events[-1].kind == "exception"


def test_options_are_those_of_record(run: Run) -> None:
    result = run("""
def test_it(backprop):
    w = torch.ones(8, requires_grad=True)
    with backprop(values="summary", local="none") as recording:
        w.sum().backward()
    (received,) = recording.trace.find(kind="accumulate")
    assert received.arrived.values is None and received.arrived.summary.norm

def test_another(backprop):
    with backprop(values="some"):
        pass
""")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["E *ValueError: values is auto, all or summary, not 'some'"])


def test_several_recordings_in_one_test(run: Run, pytester: pytest.Pytester) -> None:
    result = run("""
def test_it(backprop):
    with backprop() as stale:
        train(leaf(), zero=False)
    w = leaf()
    with backprop():
        train(w)
    backprop.assert_fresh("w")
    backprop.assert_fresh("w", of=stale)
""")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(['>*backprop.assert_fresh("w", of=stale)', "E *was not fresh*"])
    assert traces(pytester) == ["test_it-2.backstep", "test_it.backstep"]
    assert [path.name for path in named(result)] == ["test_it.backstep", "test_it-2.backstep"]


def test_inside_a_recording_in_a_fixture_a_block_is_its_part(run: Run, pytester: pytest.Pytester) -> None:
    result = run("""
import pytest

@pytest.fixture
def trained(backprop):
    w = leaf()
    with backprop() as recording:
        train(w, zero=False)
        yield w, recording

def test_it(backprop, trained):
    w, outer = trained
    w.grad = None
    with backprop() as inner:
        train(w, epochs=1)
    assert inner.path == outer.path
    assert len(outer.trace) > len(inner.trace) > 0
    backprop.assert_no_nan()
    backprop.assert_fresh("w")
    assert 0
""")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([">*assert 0"])
    (path,) = named(result)
    assert traces(pytester) == [path.name]
    with backstep.load(path) as trace:
        assert trace.header["complete"], "the fixture's block has been left"


def test_parameters_of_a_test_are_in_the_name(run: Run, pytester: pytest.Pytester) -> None:
    result = run("""
import pytest

@pytest.mark.parametrize("way", ["a/b c", "a b/c", "good"])
def test_it(backprop, way):
    with backprop():
        train(leaf(), epochs=1)
    assert way == "good"
""")
    result.assert_outcomes(failed=2, passed=1)
    assert traces(pytester) == ["test_it_a_b_c-2.backstep", "test_it_a_b_c.backstep"]


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("@pytest.fixture\ndef after(backprop):\n    yield\n    assert 0\n\ndef test_it(backprop, after):", "errors"),
        ("@pytest.mark.xfail(strict=True)\ndef test_it(backprop):", "failed"),
        ("@pytest.mark.xfail\ndef test_it(backprop):", "xpassed"),
        ("@pytest.mark.skipif(True, reason='')\ndef test_it(backprop):", "skipped"),
    ],
    ids=["teardown fails", "strict xfail passes", "xfail passes", "skipped"],
)
def test_kept_is_what_failed_in_any_phase(run: Run, text: str, outcome: str) -> None:
    result = run(f"import pytest\n\n{text}\n    with backprop():\n        train(leaf())\n")
    assert result.parseoutcomes().get(outcome) == 1
    kept = named(result)
    assert len(kept) == (outcome in ("errors", "failed"))
    assert all(path.exists() for path in kept)


def test_a_setup_that_fails_names_its_trace(run: Run) -> None:
    result = run("""
import pytest

@pytest.fixture
def trained(backprop):
    with backprop():
        train(leaf(), target=None)

def test_it(trained):
    pass
""")
    result.assert_outcomes(errors=1)
    (path,) = named(result)
    assert path.exists()


def test_a_trace_that_is_still_being_read_is_removed_with_what_lies_beside_it(
    run: Run, pytester: pytest.Pytester
) -> None:
    result = run("""
def test_it(backprop):
    with backprop() as recording:
        train(leaf())
        read = recording.trace
    assert len(list(read.events))
""")
    result.assert_outcomes(passed=1)
    assert not (pytester.path / "base" / "backstep").exists()


def test_the_file_alone_is_the_whole_trace_though_it_is_still_being_read(run: Run, pytester: pytest.Pytester) -> None:
    """As a CI job keeps it: `*.backstep`, without what SQLite puts beside it while somebody reads."""
    result = run("""
def test_it(backprop):
    with backprop() as recording:
        train(leaf())
        read = recording.trace
    assert not read
""")
    (path,) = named(result)
    with backstep.load(shutil.copy(path, pytester.path / "copy.backstep")) as trace:
        assert trace.header["complete"]
        assert len(list(trace.find(kind="update", tensor="w"))) == 3


def test_nothing_recorded_is_said(run: Run) -> None:
    result = run("def test_it(backprop):\n    backprop.assert_no_nan()\n")
    result.stdout.fnmatch_lines(["E *RuntimeError: nothing has been recorded yet: *"])


def test_of_an_empty_block_nothing_is_asserted(run: Run) -> None:
    result = run("""
def test_it(backprop):
    with backprop():
        pass
    backprop.assert_no_nan()
""")
    result.stdout.fnmatch_lines(["E *AssertionError: nothing can be said of an empty recording: *"])
    result.stdout.fnmatch_lines(["test_training.py:*: AssertionError"])


def test_it_works_in_parallel(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_training=OLS
        + """
import pytest

@pytest.mark.parametrize("target", [2.0, 3.0, 4.0, 5.0])
def test_it(backprop, target):
    w = leaf()
    with backprop():
        train(w, target=target)
    backprop.assert_fresh("w")
    assert target < 5
"""
    )
    result = pytester.runpytest_subprocess("-n", "2", "--basetemp=base", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=3, failed=1)
    assert traces(pytester) == ["test_it_5.0.backstep"]
    (path,) = named(result)
    with backstep.load(path) as trace:
        assert len(trace)


IMPORTED = """
import sys

import backstep.pytest_plugin

heavy = {"torch", "textual", "rich", "numpy", "msgspec", "sqlite3", "backstep.recorder", "backstep.trace"}
assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()
"""


def test_the_start_of_pytest_loads_nothing_for_it() -> None:
    process = subprocess.run([sys.executable, "-c", IMPORTED], capture_output=True, text=True, env=dict(os.environ))
    assert process.returncode == 0, process.stderr
