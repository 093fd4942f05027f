"""A trace in a notebook: real notebooks are run, and what they show is a page in a frame that can do nothing else."""

from __future__ import annotations

import html
import sys
import types
from pathlib import Path

import pytest

import backstep
from tests.handmade import HandmadeTrace, ols_trace


@pytest.fixture
def ipython(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))


def test_a_trace_shows_itself(ipython: None, tmp_path: Path) -> None:
    trace = backstep.load(ols_trace(tmp_path / "ols.backstep", epochs=60))
    told = trace._repr_html_()  # type: ignore[attr-defined]
    assert told.startswith('<iframe sandbox="allow-scripts"') and told.count("<") == 2, "all else is in the attribute"
    page = html.unescape(told.partition('srcdoc="')[2].rpartition('"')[0])
    assert page.startswith("<!doctype html>") and "MulBackward0" in page and "at most 400" in page


def test_one_without_events_says_what_it_is(ipython: None, tmp_path: Path) -> None:
    HandmadeTrace(tmp_path / "empty.backstep", "<b>.py", "\n").close()
    assert backstep.load(tmp_path / "empty.backstep")._repr_html_().startswith("<code>&lt;Trace ")  # type: ignore[attr-defined]
