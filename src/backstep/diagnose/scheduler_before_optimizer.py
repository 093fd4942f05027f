"""A learning rate scheduler steps before the optimizer does, as torch itself warns."""

from __future__ import annotations

from collections.abc import Iterator

from backstep.diagnose.finding import Finding, Level, NotLooked, Rule
from backstep.diagnose.story import Story

WARNING = "lr_scheduler.step()` before `optimizer.step()"


def look(story: Story) -> Iterator[Finding | NotLooked]:
    for event in story.outputs:
        if WARNING in event.text:
            step = next((update for one in story.steps for update in one if update.lr is not None), None)
            yield Finding(
                Level.WARNING,
                "The scheduler steps before the optimizer has made its first step: the first value of the schedule is"
                " skipped.",
                "Call scheduler.step() after optimizer.step(), at the end of the epoch.",
                event.source,
                (event.position, *((step.position,) if step is not None else ())),
                "" if step is None else f"the first update has lr {step.lr:.4g}",
            )
            return


RULE = Rule("scheduler-before-optimizer", "the scheduler steps before the optimizer", look)
