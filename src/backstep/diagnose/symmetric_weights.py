"""The rows of a weight stay equal, bit for bit: its units compute the same and learn the same, for ever."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from backstep.diagnose.finding import Finding, Level, NotLooked, Rule
from backstep.diagnose.story import Leaf, Story
from backstep.diagnose.wording import figure, listed, told
from backstep.trace.event import Array, Event, Value

ENOUGH = 3
"""Updates after which the rows are still equal."""


def look(story: Story) -> Iterator[Finding | NotLooked]:
    """One finding: a layer that is symmetric makes those beside it so."""
    symmetric = [leaf for leaf in story.trained.values() if stays_symmetric(leaf)]
    if symmetric:
        yield found(story, symmetric)


def stays_symmetric(leaf: Leaf) -> bool:
    updates = leaf.updates
    if len(updates) < ENOUGH:
        return False
    if updates[0].before.array is None:
        return constant(updates[0].before)
    ends = (updates[0], updates[ENOUGH - 1], updates[-1])
    equal = all(equal_rows(update.before) and equal_rows(update.grad) for update in ends)
    return equal and equal_rows(updates[-1].after)


def constant(value: Value) -> bool:
    """Whether a large weight, of which only the summary was kept, starts with one number, and not with 0."""
    summary = value.summary
    several = len(value.shape) >= 2 and value.shape[0] >= 2
    return several and summary is not None and summary.min == summary.max and summary.min != 0


def equal_rows(value: Value | None) -> bool:
    """Whether a weight with several rows has only one: each a copy of the first."""
    array: Array | None = None if value is None else value.array
    if array is None or array.ndim < 2 or array.shape[0] < 2 or array[0].size < 1:
        return False
    return bool(np.array_equal(array, np.broadcast_to(array[:1], array.shape)))


def found(story: Story, symmetric: list[Leaf]) -> Finding:
    first = symmetric[0]
    filled = initialised(story, first)
    rows = first.updates[0].before.shape[0]
    row = first.updates[-1].after.array
    numbers = "" if row is None else f"all {rows} rows begin with {figure(float(row[0].ravel()[0]))}"
    updates = told(len(first.updates), "update")
    return Finding(
        Level.ERROR,
        f"The {rows} rows of {first.name} are equal, and so are those of its gradient, still after {updates}: its units"
        f" all compute the same ({listed(leaf.name for leaf in symmetric)}).",
        "Initialise the weights at random (nn.init.kaiming_uniform_ and the like); only biases may start equal.",
        first.updates[0].source if filled is None else filled.source,
        (*((filled.position,) if filled is not None else ()), first.updates[0].position, first.updates[-1].position),
        numbers,
    )


def initialised(story: Story, leaf: Leaf) -> Event | None:
    """The last write before the first update, or the factory: it made the rows equal."""
    writes = [write for write in leaf.writes if write.position < leaf.updates[0].position]
    return writes[-1] if writes else story.maker(leaf.number, leaf.updates[0].position)


RULE = Rule("symmetric-weights", "the units of a layer are equal and stay equal", look)
