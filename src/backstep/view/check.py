"""The finite-difference check of a backward step: estimates beside what autograd left, number by number."""

from __future__ import annotations

from rich.segment import Segment

from backstep.explain.finite_difference import Check
from backstep.explain.step import Step
from backstep.view.numbers import number
from backstep.view.rows import Row, safe, wrap
from backstep.view.theme import Theme

SHOWN = 12


def build(step: Step, check: Check, width: int, theme: Theme) -> list[Row]:
    """One row for each element, the verdict below."""
    x, y = step.story.name, step.story.result
    said = f"{y} was computed again in double precision, a little above and a little below the recorded {x}; " \
           f"the difference, weighted with {step.story.arrives}, estimates {step.story.leaves}."  # fmt: skip
    rows = [*wrap([Segment(safe(said), theme.text)], width, 0), []]
    rows.append([Segment(f"{'element':<14}{'estimate':>14}{'recorded':>14}", theme.dim)])
    told = list(zip(check.places, check.estimated, check.recorded, strict=True))
    told.sort(key=lambda one: -abs(one[2]))
    for place, estimated, recorded in told[:SHOWN]:
        where = f"[{','.join(map(str, place))}]" if place else x[:13]
        rows.append([Segment(safe(f"{where:<14}"), theme.dim), Segment(f"{number(estimated):>14}", theme.text),
                     Segment(f"{number(recorded):>14}", theme.backward)])  # fmt: skip
    if len(told) > SHOWN:
        rows.append([Segment(f"… {len(told) - SHOWN} more", theme.dim)])
    verdict = Segment("✓ they agree", theme.good)
    if not check.agrees:
        verdict = Segment("✗ they differ: a kink here, a hook, or a wrong derivative", theme.error)
    return [*rows, [], [verdict]]
