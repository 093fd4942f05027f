"""Findings as SARIF 2.1.0, which code hosts show beside the lines of a change."""

from __future__ import annotations

from typing import Any

from backstep.diagnose.finding import Finding
from backstep.diagnose.rules import RULES
from backstep.trace.event import Source

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def sarif(findings: tuple[Finding, ...], version: str) -> dict[str, Any]:
    """The log of one run."""
    rules = [{"id": rule.name, "shortDescription": {"text": rule.summary}} for rule in RULES]
    driver = {"name": "backstep", "version": version, "rules": rules}
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": [result(one) for one in findings]}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def result(finding: Finding) -> dict[str, Any]:
    """A finding; the positions in the trace are among its properties."""
    related = [
        {"id": number, **location(one.source), "message": {"text": one.message}}
        for number, one in enumerate(finding.related)
        if one.source is not None
    ]
    return {
        "ruleId": finding.rule,
        "level": finding.level.value,
        "message": {"text": f"{finding.message} {finding.fix}"},
        "locations": [] if finding.source is None else [location(finding.source)],
        "relatedLocations": related,
        "properties": {"evidence": list(finding.evidence)},
    }


def location(source: Source) -> dict[str, Any]:
    region = {
        "startLine": source.line,
        "startColumn": source.column + 1,
        "endLine": source.end_line,
        "endColumn": source.end_column + 1,
        "snippet": {"text": source.code},
    }
    return {"physicalLocation": {"artifactLocation": {"uri": source.file}, "region": region}}
