"""Lines of the script that left no event: where an optimizer was made, where a model was switched to eval.

A rule asks here only when recorded facts have proven a fault, to name the line that caused it.
"""

from __future__ import annotations

import re

from backstep.diagnose.story import Story
from backstep.trace.event import Event, Source


def optimizer_made(story: Story, step: Event) -> Source | None:
    """Where the optimizer of a step was made: the last assignment to the name that the step was called on."""
    if step.source is None:
        return None
    receiver = re.match(r"\s*([\w.\[\]]+)\.step\s*\(", step.source.code)
    if receiver is None:
        return None
    lines = lines_like(story, step.source.file, rf"(?<![\w.]){re.escape(receiver[1])}\s*(?::[^=]+)?=[^=]")
    return lines[0] if lines else None


def bound(story: Story, file: str, name: str) -> bool:
    """Whether a variable or an attribute of this name is assigned anywhere in a file."""
    return bool(lines_like(story, file, rf"\b{re.escape(name)}\s*(?::[^=]+)?=[^=]"))


def optimizers_in_text(story: Story) -> list[Source]:
    """The lines that make an optimizer of torch's."""
    made = r"\boptim\.\w+\(|\b(?:SGD|Adam|AdamW|RMSprop|Adagrad|NAdam|RAdam|Adamax|Adadelta)\("
    return [line for file in story.trace.sources for line in lines_like(story, file, made)]


def switched_to_eval(story: Story, use: Event) -> Source | None:
    """The `.eval()` that stands nearest before a line, else the nearest after it."""
    return nearest(story, use, r"\.eval\(\)|\.train\(False\)")


def switched_to_frozen(story: Story, use: Event) -> Source | None:
    """The line that stands nearest before another, else after it, and takes leaves their need of a gradient."""
    return nearest(story, use, r"\.requires_grad_\(False\)|\.requires_grad\s*=\s*False")


def nearest(story: Story, use: Event, pattern: str) -> Source | None:
    if use.source is None:
        return None
    lines = lines_like(story, use.source.file, pattern)
    before = [line for line in lines if line.line <= use.source.line]
    return before[-1] if before else lines[0] if lines else None


def lines_like(story: Story, file: str, pattern: str) -> list[Source]:
    """The lines of a file in which a pattern is found, but for comments."""
    found = []
    for number, line in enumerate(story.trace.sources.get(file, "").splitlines(), 1):
        code = line.split("#", 1)[0].rstrip()
        if re.search(pattern, code):
            start = len(code) - len(code.lstrip())
            found.append(Source(file, number, start, number, len(code), code.strip()))
    return found
