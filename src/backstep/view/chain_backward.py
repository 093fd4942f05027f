"""A backward step in the Chain rule pane: what arrives, the local gradient, what leaves; a sentence; the way so far."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from rich.segment import Segment

from backstep.explain.chain_rule import EdgeStory, stories
from backstep.explain.names import LONGEST
from backstep.explain.sentence_backward import backward_sentence
from backstep.explain.step import Step
from backstep.trace.event import Array, BackwardEvent, Edge, Local, Value
from backstep.view.brief import FEW, number
from backstep.view.chain_paths import way_so_far
from backstep.view.numbers import shape_text
from backstep.view.panels import Panel
from backstep.view.pen import TALL, TALLEST, Pen
from backstep.view.places import Line, Places, fits
from backstep.view.rows import Row, width_of, wrap

DRAWN = 8
"""From so many rows on a backward step with matrices is drawn as heat maps."""
SHORT = 5
"""In fewer rows the words over the columns are left out."""
HEADS = (
    ("gradient that arrives (grad_output)", "× local gradient", "= gradient that leaves (grad_input)"),
    ("gradient that arrives", "× local gradient", "= gradient that leaves"),
    ("arrives", "× local", "= leaves"),
)
"""The words over the three places, the longest first."""
NAMES = (LONGEST, 48, 36, 24)
"""So many characters of a name are told, the most for which everything has room."""


def backward(pen: Pen, event: BackwardEvent) -> list[Row]:
    told = fitting(pen, event)
    live = turned([story for story in told if story.edge.needed], pen.term)
    dead = [story for story in told if not story.edge.needed]
    rows = live_edges(pen, event, live, min(2, len(dead)))
    rows += sentence(pen, event, live)
    rows += way_so_far(pen, event, live[0]) if live else []
    rows += [not_needed(pen, story) for story in dead]
    return rows or [[pen.say(event.why or "no gradient leaves this node", pen.theme.dim)]]


def turned(live: list[EdgeStory], term: int) -> list[EdgeStory]:
    """The inputs from number `term` on, then those before it."""
    first = term % len(live) if live else 0
    return [*live[first:], *live[:first]]


def fitting(pen: Pen, event: BackwardEvent) -> list[EdgeStory]:
    """The edges with names as long as there is room for."""
    for longest in NAMES:
        told = stories(pen.trace, event, longest)
        if all(has_room(pen, event, story) for story in told if story.edge.needed):
            break
    return told


def has_room(pen: Pen, event: BackwardEvent, story: EdgeStory) -> bool:
    """Whether the symbols of an edge fit into the pane without being wrapped."""
    if story.edge.downstream is not None and story.edge.downstream.shape:
        return len(story.equation) + len(story.target) + 20 <= pen.width
    return fits(edge(pen, event, story), pen.width)


def live_edges(pen: Pen, event: BackwardEvent, live: Sequence[EdgeStory], below: int) -> list[Row]:
    """Numbers in three places, or matrices: drawn for the first input when there is room, else in figures."""
    if not live:
        return []
    rest = pen.placed([line for story in live[1:] for line in edge(pen, event, story)])
    place = f"   input {pen.term % len(live) + 1} of {len(live)}" if rest else ""
    head = wrap(
        [
            pen.say(live[0].equation, pen.theme.strong),
            pen.say(f"{place} → {live[0].target}", pen.theme.dim),
        ],
        pen.width,
    )
    room = pen.height - len(head) + 1 - below
    drawn = matrices(pen, event, live[0], room - len(rest))
    if not drawn and pen.height >= DRAWN:
        rest = [in_one_row(pen, story) for story in live[1:]]
        drawn = matrices(pen, event, live[0], room - len(rest))
    if drawn:
        apart: list[Row] = [[]] if rest and pen.height >= TALL else []
        return [*head, *drawn, *apart, *rest]
    first, *others = (edge(pen, event, story) for story in live)
    heads = 1 if pen.height >= SHORT else 0
    needed = heads + len(first) + sum(map(len, others)) + len(others[:1])  # the sentence is to be seen, too
    if others and needed > pen.height:
        others = [[in_one_row(pen, story)] for story in live[1:]]
    lines = [*first, *(line for other in others for line in other)]
    return pen.placed(pen.headed(lines, HEADS) if heads else lines)


def in_one_row(pen: Pen, story: EdgeStory) -> Row:
    """An input beside the one that is drawn; where it goes is told if there is room."""
    chip = pen.chip(story.edge.downstream, "backward")
    row = [pen.say(f"{story.equation}  ", pen.theme.text), chip]
    if width_of(row) > pen.width:
        row = [pen.say(f"{story.leaves} = ", pen.theme.text), chip]
    goal = pen.say(f" → {story.target}", pen.theme.dim)
    return [*row, goal] if width_of([*row, goal]) <= pen.width else row


def edge(pen: Pen, event: BackwardEvent, story: EdgeStory) -> list[Line]:
    """One input in symbols and in numbers, and why a number is missing."""
    theme, edge = pen.theme, story.edge
    arrived = next((value for value in event.upstream if value is not None), None)
    symbols = (story.arrives, with_numbers(story), story.leaves)
    names: Line = pen.places(symbols, theme.backward, theme.forward, theme.backward)
    if edge.downstream is not None and edge.downstream.shape:
        names = [pen.say(story.equation, theme.strong)]
    leaves = [pen.chip(edge.downstream, "backward"), pen.say(f" → {story.target}", theme.dim)]
    if edge.hooked:
        leaves.append(pen.say("  a hook replaced it on its way", theme.warning))
    if edge.downstream is None and edge.why:
        leaves.append(pen.say(f"  {edge.why}", theme.dim))
    arrives, factors = [pen.chip(arrived, "backward")], [local_chip(pen, edge)]
    lines: list[Line] = [names, Places((arrives, factors, leaves), ("×", "="))]
    if edge.local is not None and edge.local.array is None and edge.local.omitted:
        lines.append([pen.say(f"local gradient not kept: {edge.local.omitted}", theme.dim)])
    return lines


def local_chip(pen: Pen, edge: Edge) -> Segment:
    local = edge.local
    if local is None or local.array is None:
        return pen.box("not recorded" if local is None else "not kept", "")
    return pen.box(few_numbers(local, local.array, edge.downstream), "forward")


def few_numbers(local: Local, array: Array, left: Value | None) -> str:
    """The number, a few of them, or what it is and how large."""
    if array.size == 1:
        return number(float(array.reshape(())))
    if array.size <= FEW and array.ndim == 1:
        return f"[{', '.join(number(one) for one in array.tolist())}]"
    if local.form == "jacobian":
        return jacobian(local, left)
    return f"{shape_text(local.shape)} ‖{number(float(np.linalg.norm(array.ravel())))}‖"


def jacobian(local: Local, left: Value | None) -> str:
    """`Jacobian 128×288`: outputs by inputs."""
    inputs = math.prod(left.shape) if left is not None else 0
    size = math.prod(local.shape)
    if not inputs or size % inputs:
        return f"Jacobian {shape_text(local.shape)}"
    return f"Jacobian {size // inputs}×{inputs}"


def not_needed(pen: Pen, story: EdgeStory) -> Row:
    """An input that gets no gradient, and why."""
    why = story.edge.why or "not needed"
    what = story.name if why.startswith("a number") else f"{story.leaves}  not computed"
    return [pen.say(f"{what}: {why}", pen.theme.dim)]


def with_numbers(story: EdgeStory) -> str:
    """`dloss/dl = 2·l = 2·(-1)`: the local derivative, and with the numbers in it where that says more."""
    plain = story.filled is None or story.filled == story.formula or is_plain_number(story.filled)
    return story.local if plain else f"{story.local} = {story.filled}"


def is_plain_number(text: str) -> bool:
    """Whether there is nothing to be worked out."""
    return text.strip("()-").replace(".", "").isdigit()


def sentence(pen: Pen, event: BackwardEvent, live: Sequence[EdgeStory]) -> list[Row]:
    """One plain sentence on the first input."""
    said = backward_sentence(Step(pen.trace, event, live[0])) if live else ""
    return pen.aside(said) if said else []


def matrices(pen: Pen, event: BackwardEvent, story: EdgeStory, height: int) -> list[Row]:
    """What arrives, what it is multiplied with, and what leaves; nothing when there is no room or no numbers."""
    arrived = next((value for value in event.upstream if value is not None), None)
    left = story.edge.downstream
    if arrived is None or left is None or arrived.drawn is None or left.drawn is None:
        return []
    if not pen.drawn or max(arrived.drawn.size, left.drawn.size) < 4 or height < 6:
        return []
    row = [pen.panel("arrives ", story.arrives, arrived), *middle(pen, event, story, len(arrived.shape))]
    row.append(pen.panel("leaves ", story.leaves, left))
    signs = ["@" if story.operand is not None else "×", "="] if len(row) == 3 else ["→"]
    return pen.pictures(row, signs, min(TALLEST, height - 3))


def middle(pen: Pen, event: BackwardEvent, story: EdgeStory, output_dims: int) -> list[Panel]:
    """The other matrix of a product, the local gradient of each element, or the Jacobian, outputs by inputs."""
    if story.operand is not None and story.operand.drawn is not None:
        return [pen.panel("local ", Step(pen.trace, event, story).operand_name, story.operand)]
    local = story.edge.local
    if local is None or local.array is None:
        return []
    if local.form == "elementwise":
        return [Panel(f"local {shape_text(local.shape)}", local)]
    return [Panel(jacobian(local, story.edge.downstream), local, output_dims=output_dims)]
