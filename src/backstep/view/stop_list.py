"""The stops as a list: each with its hits, and whether it is on."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.segment import Segment

from backstep.stops.search import Search
from backstep.trace.trace import Trace
from backstep.view.rows import Row, fit, safe
from backstep.view.theme import Theme

SIGN, OFF = "●", "○"
NARROWEST = 24


def place_text(trace: Trace, position: int) -> str:
    """`iteration 3 #781`, or the event alone where there is no iteration."""
    iteration = trace.iteration_at(position)
    return f"#{position}" if iteration is None else f"iteration {iteration} #{position}"


def hits_text(search: Search, trace: Trace, position: int) -> str:
    """`12 hits, next iteration 3 #781`, as far as is known."""
    count = len(search.hits)
    told = "no hit" if count == 0 else "1 hit" if count == 1 else f"{count:,} hits"
    if not search.is_done(trace):
        return f"{told} so far, {100 * search.looked // max(1, len(trace))}% looked at"
    if not count:
        return told
    ahead, behind = search.next(position, 1), search.next(position, -1)
    if position in search.hits[-1:] and behind is None:
        return f"{told}, here"
    if ahead is not None:
        return f"{told}, next {place_text(trace, ahead)}"
    return f"{told}, last {place_text(trace, search.hits[-1])}"


def build(
    stops: Sequence[tuple[Search, bool]], chosen: int, trace: Trace, position: int, width: int, height: int,
    theme: Theme,
) -> list[Row]:  # fmt: skip
    """At most `height` rows, the chosen stop among them."""
    if not stops:
        return [[Segment("no stops: b sets one", theme.text)]]
    room = max(1, height)
    top = max(0, min(chosen - room // 2, len(stops) - room))
    longest = max(NARROWEST, *(cell_len(safe(search.stop.text)) for search, _ in stops))
    rows = []
    for index, (search, on) in enumerate(stops[top : top + room], top):
        text = set_width(safe(search.stop.text), min(longest, width // 2))
        here = index == chosen
        row: Row = [
            Segment("▸ " if here else "  ", theme.key),
            Segment(f"{SIGN if on else OFF} ", theme.error if on else theme.dim),
            Segment(text, theme.strong if here else theme.text if on else theme.dim),
            Segment(f"  {hits_text(search, trace, position) if on else 'off'}", theme.dim),
        ]
        rows.append(fit(row, width))
    return rows


def set_width(text: str, width: int) -> str:
    """The text in so many cells."""
    return "".join(segment.text for segment in fit([Segment(text)], width))
