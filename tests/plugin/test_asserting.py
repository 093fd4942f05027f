"""The assertions as a test makes them: what the report shows, and where the golden files and the rules come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.test_readme import blocks
from tests.plugin.conftest import Run
from tests.schema import parse_export


def golden_test(training: str = "train(leaf())") -> str:
    return f"""
def test_it(backprop):
    with backprop():
        {training}
    backprop.assert_golden("golden/train.jsonl")
"""


@pytest.fixture
def golden(run: Run, pytester: pytest.Pytester) -> Path:
    """The file that `--backstep-update` has written for `golden_test()`."""
    run(golden_test(), "--backstep-update").assert_outcomes(passed=1)
    return pytester.path / "golden" / "train.jsonl"


MODEL = """
model = torch.nn.Sequential()
model.add_module("fc1", torch.nn.Linear(3, 2))
batches = [torch.ones(4, 3)] * 3
for parameter in model.parameters():
    parameter.data = torch.linspace(-1, 1, parameter.numel()).view_as(parameter)


def train(model, batches):
    for batch in batches:
        model(batch).square().mean().backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= 0.1 * parameter.grad
        model.zero_grad()

"""
"""What the example in the README speaks of. By hand, since a seed and an optimizer load half of torch."""


def test_the_example_in_the_readme_passes(run: Run) -> None:
    (example,) = [block for block in blocks("python") if "backprop" in block]
    run(MODEL + example, "--backstep-update").assert_outcomes(passed=1)
    run(MODEL + example).assert_outcomes(passed=1)


def test_a_golden_file_is_written_and_the_same_run_equals_it(run: Run, golden: Path) -> None:
    header, events = parse_export(golden.read_bytes())
    assert header["argv"] == [] and events
    before = golden.read_bytes()
    run(golden_test()).assert_outcomes(passed=1)
    run(golden_test(), "--backstep-update").assert_outcomes(passed=1)
    assert golden.read_bytes() == before


def test_without_a_golden_file_it_says_how_to_write_it(run: Run) -> None:
    result = run(golden_test())
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *there is no golden trace */golden/train.jsonl yet: pytest --backstep-update *"])


def test_code_that_moved_is_no_difference(run: Run, golden: Path) -> None:
    run("# a line more\n\n" + golden_test()).assert_outcomes(passed=1)


def test_rounding_is_no_difference(run: Run, golden: Path) -> None:
    run(golden_test("train(leaf(1.0000001))")).assert_outcomes(passed=1)


def test_the_first_difference_is_shown(run: Run, golden: Path) -> None:
    result = run(golden_test("train(leaf(), target=2.01)"))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            '>*backprop.assert_golden("golden/train.jsonl")',
            "E *AssertionError: the trace is not the golden one, train.jsonl: forward at #3 (iteration 0,"
            " test_training.py:10, `w * x - target`)",
            "E *field     outputs[[]0].values",
            "E *expected  -1.0",
            "E *got       -1.00*",
            "E *pytest --backstep-update writes the golden trace anew.",
            "backstep open *test_it.backstep",
        ]
    )


def test_another_course_of_events_is_shown(run: Run, golden: Path) -> None:
    result = run(golden_test("train(leaf(), zero=False)"))
    result.stdout.fnmatch_lines(["E *field     kind", 'E *expected  "zero_grad"', 'E *got       "forward"'])
    shorter = run(golden_test("train(leaf(), epochs=2)"))
    shorter.stdout.fnmatch_lines(["E *the trace ends before #*, the golden trace train.jsonl goes on", "E *missing: *"])


def test_a_golden_file_of_another_torch_says_so(run: Run, golden: Path) -> None:
    golden.write_text(golden.read_text().replace('"torch":"', '"torch":"0.', 1))
    run(golden_test()).assert_outcomes(passed=1)
    run(golden_test("train(leaf(2.0))")).stdout.fnmatch_lines(["E *was recorded with torch 0.*, this one with *"])


def test_a_failed_assertion_shows_the_test_and_not_the_plugin(run: Run) -> None:
    result = run("""
def test_it(backprop):
    with backprop():
        train(leaf(), zero=False)
    backprop.assert_fresh("w")
""")
    result.stdout.fnmatch_lines(
        [
            '>*backprop.assert_fresh("w")',
            "E *AssertionError: the gradient of w was not fresh at #*iteration 1, test_training.py:11,"
            " `loss.backward()`): -1.96 was added to -2, which was still there",
            "test_training.py:*: AssertionError",
            "backstep open *",
        ]
    )
    result.stdout.no_fnmatch_line("*assertions.py*")
    result.stdout.no_fnmatch_line("*pytest_plugin.py*")


CHECKED = """
def test_it(backprop):
    with backprop():
        train(leaf(), zero=ZERO)
    assert not backprop.check(OPTIONS)
"""


def test_a_training_without_a_fault_has_no_findings(run: Run) -> None:
    run(CHECKED.replace("ZERO", "True").replace("OPTIONS", "")).assert_outcomes(passed=1)


def test_a_finding_fails_with_its_line(run: Run) -> None:
    result = run(CHECKED.replace("ZERO", "False").replace("OPTIONS", ""))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E *AssertionError: 1 finding",
            "E *test_training.py:11: error missing-zero-grad",
            "E *11 │ loss.backward() *",
            "E *Fix: *",
            "E *Evidence: *",
        ]
    )


def test_rules_are_ignored_by_name_in_the_test_and_in_pyproject(run: Run, pytester: pytest.Pytester) -> None:
    faulty = CHECKED.replace("ZERO", "False")
    run(faulty.replace("OPTIONS", 'ignore=["missing-zero-grad"]')).assert_outcomes(passed=1)
    run(faulty.replace("OPTIONS", 'ignore=["missing"]')).stdout.fnmatch_lines(["E *there is no rule named 'missing'*"])
    pytester.makepyprojecttoml('[tool.backstep.check]\nignore = ["missing-zero-grad"]\n')
    run(faulty.replace("OPTIONS", "")).assert_outcomes(passed=1)
