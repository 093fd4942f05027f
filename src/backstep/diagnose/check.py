"""Runs the rules over a trace: what they found, what was looked at, what could not be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from backstep.diagnose.finding import Finding, Level, NotLooked, Rule
from backstep.diagnose.rules import RULES
from backstep.diagnose.selection import EVERYTHING, Selection
from backstep.diagnose.story import Story
from backstep.diagnose.wording import told
from backstep.trace.trace import Trace

ORDER = {level: rank for rank, level in enumerate(Level)}


@dataclass(frozen=True, slots=True)
class Report:
    """What `check` tells. `looked` says what was read, `not_looked` which rules could not judge, and why."""

    findings: tuple[Finding, ...]
    looked: str
    not_looked: tuple[tuple[str, str], ...]

    @property
    def faulty(self) -> bool:
        """Whether anything above a note was found."""
        return any(finding.level is not Level.NOTE for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        return {
            "findings": [finding.as_dict() for finding in self.findings],
            "looked": self.looked,
            "not_looked": [{"rule": rule, "why": why} for rule, why in self.not_looked],
        }


def check(trace: Trace, selection: Selection = EVERYTHING, others: Sequence[Trace] = ()) -> Report:
    """Judges a trace by the selected rules, beside those of the other ranks; the surest and earliest comes first."""
    story = Story(trace, others)
    findings: list[Finding] = []
    not_looked: list[tuple[str, str]] = []
    for rule in RULES:
        if not selection.takes(rule.name):
            continue
        for said in looked(rule, story):
            if isinstance(said, NotLooked):
                not_looked.append((rule.name, said.why))
            else:
                findings.append(replace(said, rule=rule.name))
    causes = without_consequences(findings)
    causes.sort(key=lambda finding: (ORDER[finding.level], finding.evidence[:1]))
    return Report(tuple(causes), looked_at(story), tuple(not_looked))


def looked(rule: Rule, story: Story) -> Iterator[Finding | NotLooked]:
    """What a rule says; one that stumbles over what it did not expect says so, and the others go on."""
    try:
        yield from rule.look(story)
    except (LookupError, ValueError, TypeError, AttributeError, ArithmeticError) as error:
        yield NotLooked(f"it stumbled: {type(error).__name__}: {error}")


def without_consequences(findings: list[Finding]) -> list[Finding]:
    """One finding a line: what a line does wrong in the first place leads to what later rules find there."""
    blamed: set[tuple[str, int]] = set()
    kept = []
    for finding in findings:
        line = None if finding.source is None else (finding.source.file, finding.source.line)
        if line is None or line not in blamed:
            kept.append(finding)
        if line is not None and finding.level is not Level.NOTE:
            blamed.add(line)
    return kept


def looked_at(story: Story) -> str:
    """In words, what of the trace was read."""
    parts = [
        told(sum(end - first for first, end in story.spans), "event"),
        told(len(story.passes), "backward pass", "backward passes"),
        told(len([step for step in story.steps if any(update.grad for update in step)]), "update"),
    ]
    text = ", ".join(parts)
    numbers = {one.start.iteration for one in story.passes if one.start.iteration is not None}
    if numbers and len(numbers) <= max(numbers) and len(story.spans) == 1:
        text += f" of {len(numbers)} iterations; of {max(numbers) + 1} not all were recorded"
    if len(story.spans) > 1:
        (_, gap), (end, count) = story.spans
        text += f"; of {count} events those from {gap} to {end - 1} were not read"
    return text
