"""Traces that are there already: `version_1.backstep.gz` is `scenarios/ols.py` as it was recorded first."""

from __future__ import annotations

import gzip
import sqlite3
from pathlib import Path

import pytest

import backstep
from backstep.trace.file import FORMAT_VERSION
from tests.commands import command

STORED = Path(__file__).parent / "version_1.backstep.gz"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "old.backstep"
    path.write_bytes(gzip.decompress(STORED.read_bytes()))
    return path


def test_an_old_trace_of_this_format_is_read_whole(old: Path) -> None:
    with backstep.load(old) as trace:
        assert [event["after"].scalar for event in trace.find(kind="accumulate")][:2] == [-2.0, pytest.approx(-1.96)]
        assert len(trace.loss) == 20 and len(trace.iterations) == 20
        assert not trace.norms, "what was not recorded then is not there"
    for words in (["info"], ["verify"], ["check"], ["show", "--at", "8"], ["export", "--format", "jsonl"]):
        told = command(words[0], old, *words[1:])
        assert told.code == 0 and "Error" not in told.stderr, (words, told)


@pytest.mark.parametrize("version", [FORMAT_VERSION + 1, 0, 99])
def test_another_format_is_refused_in_a_line_that_names_both(old: Path, version: int) -> None:
    with sqlite3.connect(old) as database:
        database.execute(f"PRAGMA user_version={version}")
    told = command("info", old)
    assert told.code == 2 and not told.stdout and told.stderr.count("\n") == 1
    assert str(version) in told.stderr and str(FORMAT_VERSION) in told.stderr
