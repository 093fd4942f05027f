"""The chain so far in the Chain rule pane: the product from the root to here, or each path's part and their sum."""

from __future__ import annotations

import numpy as np
from rich.style import Style

from backstep.explain.chain_rule import EdgeStory, root_name, ways_to
from backstep.explain.formulas import base_name
from backstep.explain.names import derivative
from backstep.explain.paths import Chain, Link, Path, chain_to_edge, chain_to_leaf, product_is, tell_apart
from backstep.trace.event import AccumulateEvent, Array, BackwardEvent
from backstep.view.brief import figures, number
from backstep.view.numbers import shape_text
from backstep.view.pen import Pen
from backstep.view.rows import Row

LONGEST_PRODUCT = 16
"""Factors that are told one by one."""
ENDS, FEWEST, AROUND = 8, 2, 7
"""Paths, or ends of them, that are told one by one: at most, at least, and the rows that are needed beside them."""
LINKS = 4
"""Links of a way through matrices that are told."""


def way_so_far(pen: Pen, event: BackwardEvent, story: EdgeStory) -> list[Row]:
    """The product along the way to what leaves by this edge; of several paths, each one's part."""
    chain = chain_to_edge(pen.trace, event, story.index)
    ways = ways_to(pen.trace, event, story.edge)
    note = f"   one of {ways} contributions" if ways > 1 else ""
    return [] if chain is None else told(pen, chain, story.leaves, note)


def way_to_leaf(pen: Pen, event: AccumulateEvent) -> list[Row]:
    """The same for what a leaf received: said where several paths lead to it."""
    chain = chain_to_leaf(pen.trace, event)
    if chain is None or chain.count < 2:
        return []
    return told(pen, chain, derivative(root_name(pen.trace, event.position), event.tensor), "")


def told(pen: Pen, chain: Chain, left: str, note: str) -> list[Row]:
    theme = pen.theme
    lead: Row = [pen.say("so far  ", theme.dim), pen.say(f"{left} = ", theme.backward + Style(bold=True))]
    if not chain.agrees:
        return []
    if len(chain.paths) == 1:
        many = f"   over {how_many(chain.count)} paths" if chain.count > 1 else ""
        return [[*lead, *(product(pen, chain) or symbols(pen, chain.paths[0])), pen.say(many + note, theme.dim)]]
    what = "paths" if chain.count == len(chain.paths) else f"ends of {how_many(chain.count)} paths"
    rows: list[Row] = [[*lead, pen.say(f"sum over {len(chain.paths)} {what}", theme.dim), pen.say(note, theme.dim)]]
    ends = min(ENDS, max(FEWEST, pen.height - AROUND))
    for path, peculiar in largest(chain, tell_apart(pen.trace, chain), ends):
        rows.append([pen.say(f"  by {peculiar}: ", theme.dim), *part(pen, path)])
    if len(chain.paths) > ends:
        rows.append([pen.say(f"  … {len(chain.paths) - ends} more, each of them smaller", theme.dim)])
    rows.append([pen.say("  together "), pen.say(pen.brief(chain.recorded), theme.backward + Style(bold=True)),
                 pen.say("  which is what was recorded", theme.dim)])  # fmt: skip
    return rows


def largest(chain: Chain, names: list[str], ends: int) -> list[tuple[Path, str]]:
    """The paths that are told, in the order in which they came: of many those with the largest parts."""
    told = list(zip(chain.paths, names, strict=True))
    if len(told) <= ends:
        return told
    sizes = [0.0 if path.part is None else float(np.linalg.norm(path.part)) for path in chain.paths]
    kept = set(sorted(range(len(told)), key=lambda at: -sizes[at])[:ends])
    return [pair for at, pair in enumerate(told) if at in kept]


def how_many(count: int) -> str:
    """`1,295`, of more than a million `7.6e48`: of a long recurrence there are more paths than atoms."""
    return f"{count:,}" if count < 1_000_000 else number(float(count)) if count < 10**300 else "more than 1e300"


def part(pen: Pen, path: Path) -> Row:
    """A path's part of the gradient: as a product of numbers, or how large it is."""
    value = path.part
    if value is None:
        return [pen.say("not kept", pen.theme.dim)]
    result = [pen.say(one(value), pen.theme.backward)]
    if path.count > 1:
        result.append(pen.say(f"  ({how_many(path.count)} paths)", pen.theme.dim))
    factors = path.factors
    if factors is None or len(factors) < 2 or len(factors) > LONGEST_PRODUCT or value.size != 1:
        return result
    return [*factored(pen, factors), *result]


def product(pen: Pen, chain: Chain) -> Row:
    """`(-2) · 1 · 1 = -2`, where each factor on the way is one number."""
    path, result = chain.paths[0], chain.recorded.scalar
    factors = path.factors
    if factors is None or result is None or len(factors) > LONGEST_PRODUCT or not product_is(path, result):
        return []
    end = pen.say(number(result), pen.theme.backward + Style(bold=True))
    return [*(factored(pen, factors) if len(factors) > 1 else []), end]


def factored(pen: Pen, factors: tuple[float, ...]) -> Row:
    row: Row = []
    for index, factor in enumerate(factors):
        text = number(factor)
        row.append(pen.say(f"({text})" if factor < 0 else text, pen.theme.forward))
        row.append(pen.say(" · " if index + 1 < len(factors) else " = ", pen.theme.dim))
    return row


def symbols(pen: Pen, path: Path) -> Row:
    """`NllLoss ‖0.18‖ → LogSoftmax ‖0.11‖`: what the gradient was after each of the last links."""
    links = path.links[-LINKS:]
    cut = len(path.links) > len(links) or path.count > 1
    row: Row = [pen.say("… → ", pen.theme.dim)] if cut else []
    for link in links:
        arrow = "" if link is links[0] else "→ "
        row.append(pen.say(f"{arrow}{base_name(link.event.op)} ", pen.theme.dim))
        row.append(pen.say(f"{size(pen, link)} "))
    return row


def size(pen: Pen, link: Link) -> str:
    """What left there, as one number."""
    left = link.edge.downstream
    return "" if left is None else figures(pen.trace, left).text


def one(array: Array) -> str:
    """A number, or shape and norm."""
    if array.size == 1:
        return number(float(array.reshape(())))
    flat = array.ravel()
    return f"{shape_text(array.shape)} ‖{number(float((flat * flat).sum() ** 0.5))}‖"
