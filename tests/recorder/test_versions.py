"""The versions of torch that were tried: said of others in one line, and they are recorded all the same."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import torch

import backstep
from backstep.recorder.versions import NEWEST, OLDEST, untried, warn_if_untried
from tests.processes import ROOT


@pytest.mark.parametrize("version", ["2.10.0", "2.13.0+cpu", "2.15.1"])
def test_of_a_version_that_was_tried_nothing_is_said(version: str) -> None:
    assert untried(version) == ""


@pytest.mark.parametrize("version", ["2.9.1", "2.16.0a0+git12", "3.0.0", "nightly"])
def test_of_another_one_a_line_is_said(version: str) -> None:
    said = untried(version)
    assert said == f"backstep was tried with torch 2.10 to 2.15; with {version} what it records may be wrong"


def test_another_version_is_recorded_after_one_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(torch, "__version__", "2.99.0")
    warn_if_untried.cache_clear()
    for name in "ab":
        with backstep.record(tmp_path / name) as recording:
            w = torch.ones(2, requires_grad=True)
            (w * 2).sum().backward()
        assert len(list(recording.trace.find(kind="accumulate"))) == 1
    assert capfd.readouterr().err.count("\n") == 1


def test_the_package_and_the_readme_say_the_same_range() -> None:
    first, last = (".".join(map(str, version)) for version in (OLDEST, NEWEST))
    package = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert f"torch>={first},<3" in package["project"]["dependencies"]
    assert re.search(rf"torch {re.escape(first)}\s+to\s+{re.escape(last)}", (ROOT / "README.md").read_text())
