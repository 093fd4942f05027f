"""The README names the tests that hold its guarantees: they are there, and they are tests."""

from __future__ import annotations

import re

from tests.processes import ROOT


def test_each_guarantee_names_its_tests():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.partition("## Guarantees")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")][2:]
    assert len(rows) >= 8
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)`", row)
        assert named, row
        assert all("\ndef test_" in (ROOT / file).read_text(encoding="utf-8") for file in named), row
