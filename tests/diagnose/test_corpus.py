"""The rules over the corpus: every fault is found at its line, and nothing is said of a sound script."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from backstep.diagnose.check import Report, check
from backstep.diagnose.finding import Level
from backstep.trace.trace import load
from tests.diagnose.corpora import CLEAN, FAULTS, expected, mended, record_folder

Reports = Callable[[str], Report]


def reports_of(folder: Path, scripts: dict[str, str]) -> Reports:
    traces = record_folder(folder, scripts)

    def report(name: str) -> Report:
        with load(traces[name]) as trace:
            assert len(trace), f"nothing was recorded of {name}"
            return check(trace)

    return report


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Reports:
    return reports_of(tmp_path_factory.mktemp("faults") / "faulty", {path.stem: path.read_text() for path in FAULTS})


@pytest.fixture(scope="module")
def repaired(tmp_path_factory: pytest.TempPathFactory) -> Reports:
    scripts = {path.stem: mended(path.read_text()) for path in FAULTS}
    return reports_of(tmp_path_factory.mktemp("faults") / "mended", scripts)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Reports:
    return reports_of(tmp_path_factory.mktemp("clean") / "clean", {path.stem: path.read_text() for path in CLEAN})


def above_notes(report: Report) -> set[tuple[str, int | None]]:
    found = [finding for finding in report.findings if finding.level is not Level.NOTE]
    return {(one.rule, one.source.line if one.source else None) for one in found}


@pytest.mark.parametrize("script", FAULTS, ids=lambda path: path.stem)
def test_a_fault_is_found_at_its_line_and_nothing_else(script: Path, faulty: Reports) -> None:
    report = faulty(script.stem)
    assert above_notes(report) == expected(script.read_text())
    for finding in report.findings:
        assert finding.message.endswith(".") and finding.fix.endswith(".") and "\n" not in finding.message
        assert finding.evidence and len(finding.message) < 320


@pytest.mark.parametrize("script", FAULTS, ids=lambda path: path.stem)
def test_the_mended_twin_is_clean(script: Path, repaired: Reports) -> None:
    assert above_notes(repaired(script.stem)) == set()


@pytest.mark.parametrize("script", CLEAN, ids=lambda path: path.stem)
def test_a_sound_script_is_clean_however_unusual(script: Path, clean: Reports) -> None:
    assert above_notes(clean(script.stem)) == set()
