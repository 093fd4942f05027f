"""The probe: one number of what leaves, its row and column in what arrives and in the local gradient, its terms."""

from __future__ import annotations

import math

import numpy as np
from rich.segment import Segment

from backstep.explain.chain_rule import stories
from backstep.explain.element import Element, NoElement, Term, element, largest
from backstep.explain.figures import counted, shape_text
from backstep.explain.names import short
from backstep.explain.step import Step
from backstep.replay.moment import Moment
from backstep.trace.event import BackwardEvent
from backstep.view.grid import grid
from backstep.view.numbers import number
from backstep.view.rows import Row, safe, wrap
from backstep.view.theme import Theme

TERMS = 6
"""Terms that are told one by one."""


def probed_step(moment: Moment) -> Step:
    """The backward step whose first live edge is looked into; raises `NoElement` where there is none."""
    event = moment.event
    if not isinstance(event, BackwardEvent):
        raise NoElement("the probe looks into a backward step: go to one with p, or with t")
    live = [story for story in stories(moment.trace, event) if story.edge.needed]
    if not live:
        raise NoElement("no gradient leaves this node")
    return Step(moment.trace, event, live[0])


def first_place(moment: Moment) -> tuple[int, ...]:
    """Where the probe starts: at the greatest number that leaves."""
    step = probed_step(moment)
    array = None if step.left is None else step.left.array
    return () if array is None or not array.size else largest(array)


def moved(moment: Moment, at: tuple[int, ...], down: int, right: int) -> tuple[int, ...]:
    """The place so many rows down and columns right, as far as there are any."""
    step = probed_step(moment)
    shape = () if step.left is None else step.left.shape
    if not at or not shape:
        return at
    row, column = divmod(int(np.ravel_multi_index(at, shape)), shape[-1])
    rows, columns = max(1, math.prod(shape[:-1])), shape[-1]
    row, column = max(0, min(rows - 1, row + down)), max(0, min(columns - 1, column + right))
    return tuple(int(index) for index in np.unravel_index(row * columns + column, shape))


def build(moment: Moment, at: tuple[int, ...], width: int, height: int, theme: Theme) -> list[Row]:
    """The three matrices as numbers, and the sum that makes up the one that is looked at."""
    try:
        step = probed_step(moment)
        found = element(step, at)
    except NoElement as reason:
        return wrap([Segment(safe(str(reason)), theme.warning)], width)
    sums = sentence(step, found, width, theme)
    heights = shares(found, height - len(sums) - 4)
    rows: list[Row] = []
    parts = (
        ("leaves ", step.story.leaves, found.left, found.cell, frozenset({found.cell})),
        ("arrives ", step.story.arrives, found.arrived, focus_of(found, True), lit(found, True)),
        ("local ", short(found.local_name, 40), found.local, focus_of(found, False), lit(found, False)),
    )
    for (role, name, matrix, focus, cells), tall in zip(parts, heights, strict=True):
        rows.append([Segment(safe(f"{role}{name} {shape_text(matrix.shape)}"), theme.strong)])
        rows += grid(matrix, focus, cells, width, tall, theme)
    return [*rows, [], *sums]


def shares(found: Element, room: int) -> list[int]:
    """How many rows each matrix gets: what it needs, or its share of the room."""
    needs = [matrix.shape[0] + 1 for matrix in (found.left, found.arrived, found.local)]
    left, given = max(6, room - 3), []
    for index, need in enumerate(needs):
        given.append(max(2, min(need, left // (3 - index))))
        left -= given[-1]
    return given


def lit(found: Element, arrives: bool) -> frozenset[tuple[int, int]]:
    """The places of the numbers that it is made of."""
    return frozenset(term.arrived_at if arrives else term.local_at for term in found.terms)


def focus_of(found: Element, arrives: bool) -> tuple[int, int]:
    """The greatest term's place, so that it is always seen."""
    if not found.terms:
        return (0, 0)
    return found.terms[0].arrived_at if arrives else found.terms[0].local_at


def sentence(step: Step, found: Element, width: int, theme: Theme) -> list[Row]:
    """`[9,0] = Σ over 64 products: -0.054 × (-3.37) + … = 0.5163`."""
    place = f"[{','.join(map(str, found.at))}]" if found.at else step.story.leaves
    if not found.terms:
        return [[Segment(f"{place} = 0: nothing that arrives reaches it", theme.strong)]]
    shown = [told(term) for term in found.terms[:TERMS]]
    more = len(found.terms) - len(shown)
    if more:
        shown.append(f"… {counted(more, 'smaller term')}")
    over = f"Σ over {counted(len(found.terms), 'product')}: " if len(found.terms) > 1 else ""
    ends = number(found.recorded)
    if not found.agrees:
        ends = f"{number(found.total)}, but recorded is {ends}"
    style = theme.strong if found.agrees else theme.warning
    return wrap([Segment(f"{place} = {over}{' + '.join(shown)} = {ends}", style)], width)


def told(term: Term) -> str:
    factor = number(term.factor)
    upstream = number(term.upstream)
    return f"{upstream} × {f'({factor})' if factor.startswith('-') else factor}"
