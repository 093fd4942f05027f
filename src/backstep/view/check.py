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
    order = sorted(range(len(check.places)), key=lambda index: -abs(check.recorded[index]))
    for index in order[:SHOWN]:
        place, estimate = check.places[index], check.estimated[index]
        where = f"[{','.join(map(str, place))}]" if place else x[:13]
        rows.append([Segment(safe(f"{where:<14}"), theme.dim), Segment(f"{number(estimate.both):>14}", theme.text),
                     Segment(f"{number(check.recorded[index]):>14}", theme.backward)])  # fmt: skip
        if check.bends_at(index):
            sides = f"   a kink: {number(estimate.below)} from below, {number(estimate.above)} from above"
            rows[-1].append(Segment(sides, theme.warning))
    if len(order) > SHOWN:
        rows.append([Segment(f"… {len(order) - SHOWN} more", theme.dim)])
    return [*rows, [], *wrap([verdict(check, theme)], width, 0)]


def verdict(check: Check, theme: Theme) -> Segment:
    if not check.agrees:
        return Segment("✗ they differ: a hook, a backward() of its own, or a wrong derivative", theme.error)
    if check.bends:
        said = "✓ they agree; at a kink there are two slopes, and autograd takes one of them or one between"
        return Segment(said, theme.good)
    return Segment("✓ they agree", theme.good)
