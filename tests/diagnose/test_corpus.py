"""The rules over the corpus: every fault is found at its line, and nothing is said of a sound script."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from backstep.diagnose.check import Report, check
from backstep.diagnose.finding import Level
from backstep.trace.trace import load
from tests.diagnose.corpora import CLEAN, FAULTS, Recorded, expected, mended

Reports = Callable[[str, str], Report]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Reports:
    """What check says of a script of one kind; the three kinds are recorded side by side."""
    folder = tmp_path_factory.mktemp("corpus")
    recorded = {
        "faulty": Recorded(folder / "faulty", {path.stem: path.read_text() for path in FAULTS}),
        "mended": Recorded(folder / "mended", {path.stem: mended(path.read_text()) for path in FAULTS}),
        "clean": Recorded(folder / "clean", {path.stem: path.read_text() for path in CLEAN}),
    }

    def report(kind: str, name: str) -> Report:
        with load(recorded[kind].trace(name)) as trace:
            assert len(trace), f"nothing was recorded of {name}"
            judged = check(trace)
        assert not [why for _, why in judged.not_looked if "stumbled" in why], judged.not_looked
        return judged

    return report


def above_notes(report: Report) -> set[tuple[str, int | None]]:
    found = [finding for finding in report.findings if finding.level is not Level.NOTE]
    return {(one.rule, one.source.line if one.source else None) for one in found}


@pytest.mark.parametrize("script", FAULTS, ids=lambda path: path.stem)
def test_a_fault_is_found_at_its_line_and_nothing_else(script: Path, report: Reports) -> None:
    told = report("faulty", script.stem)
    assert above_notes(told) == expected(script.read_text())
    for finding in told.findings:
        assert finding.message.endswith(".") and finding.fix.endswith(".") and "\n" not in finding.message
        assert finding.evidence and len(finding.message) < 320


@pytest.mark.parametrize("script", FAULTS, ids=lambda path: path.stem)
def test_the_mended_twin_is_clean(script: Path, report: Reports) -> None:
    assert above_notes(report("mended", script.stem)) == set()


@pytest.mark.parametrize("script", CLEAN, ids=lambda path: path.stem)
def test_a_sound_script_is_clean_however_unusual(script: Path, report: Reports) -> None:
    assert above_notes(report("clean", script.stem)) == set()
