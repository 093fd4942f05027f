"""`backstep demo`: every scenario is in the tour, can be recorded by it, and what is not there is told in one line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from backstep import demo
from backstep.trace.trace import load
from tests import processes


def test_without_a_terminal_the_scenarios_are_listed(tmp_path: Path) -> None:
    done = processes.backstep("demo", cwd=tmp_path)
    names = [line.split()[0] for line in done.stdout.splitlines()]
    assert done.code == 0 and done.stderr == ""
    assert names[:2] == ["ols", "ols_no_zero"] and set(names) == {path.stem for path in processes.SCENARIOS}


def test_an_unknown_scenario_is_one_line_with_those_that_are_there(tmp_path: Path) -> None:
    done = processes.backstep("demo", "nope", cwd=tmp_path)
    assert done.code == 2 and done.stdout == ""
    assert done.stderr.startswith("backstep demo: there is no scenario 'nope': ols, ") and done.stderr.count("\n") == 1


def test_a_scenario_is_recorded_for_the_tour(tmp_path: Path) -> None:
    with load(demo.record(demo.scenarios()["square"], tmp_path)) as trace:
        assert next(iter(trace.find(kind="accumulate", tensor="x"))).after.scalar == 12


def test_a_scenario_that_dies_is_shown_all_the_same(tmp_path: Path) -> None:
    with load(demo.record(demo.scenarios()["ols_no_no_grad"], tmp_path)) as trace:
        assert trace.header["exit"]["status"] == "exception"


def test_an_installation_has_them_under_its_prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "share" / "backstep" / "scenarios"
    folder.mkdir(parents=True)
    (folder / "ols.py").write_text('"""One weight."""\n')
    monkeypatch.setattr(demo, "FOLDERS", (tmp_path / "nowhere", folder))
    assert demo.listing(demo.scenarios()) == "ols  One weight."
    monkeypatch.setattr(demo, "FOLDERS", (tmp_path / "nowhere",))
    with pytest.raises(demo.DemoError, match="not installed"):
        demo.scenarios()


def test_what_cannot_be_recorded_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(demo.DemoError, match=r"ols.py could not be recorded: exit code 1"):
        demo.record(demo.scenarios()["ols"], tmp_path)
