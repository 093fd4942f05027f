"""The first row: where one is in the run, and in what state the run is. Parts give way by rank when it is narrow."""

from __future__ import annotations

from dataclasses import dataclass

from rich.segment import Segment
from rich.style import Style

from backstep.replay.moment import Moment
from backstep.view.glyphs import PHASE_WORDS, glyph, ink, op_name
from backstep.view.rows import Row, fit, safe, tagged, width_of
from backstep.view.theme import Theme

ALWAYS, DISPENSABLE = 0, 6
"""The ranks of what never goes, and of what goes before the op is cropped."""
SHORTEST = 8
"""An op is cropped to no fewer cells; below that it goes."""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of the header; the highest rank goes first when there is no room."""

    row: Row
    rank: int


def build(moment: Moment, width: int, height: int, theme: Theme, *, playing: str = "") -> list[Row]:
    """The header: the crumb on the left, the state and the position on the right; `playing` is how fast it plays."""
    crumb, state = _crumb(moment, theme), _state(moment, theme, playing)
    arrow, blank = Segment(" › ", theme.bar + theme.dim), Segment(" ", theme.bar)
    op = [arrow, *tagged([], go="step"), Segment(op_name(moment.event), theme.bar + theme.strong)]
    for rank in range(DISPENSABLE, ALWAYS - 1, -1):
        left, right = _joined(crumb, arrow), _joined(state, blank)
        room = width - width_of(left) - width_of(right) - 1
        if room >= (width_of(op) if rank == DISPENSABLE else 0):
            break
        crumb, state = _without(crumb, rank), _without(state, rank)
    if room >= min(width_of(op), SHORTEST):
        left = fit([*left, *op], width - width_of(right) - 1, theme.bar)
    return [fit([*fit(left, max(0, width - width_of(right)), theme.bar), *right], width, theme.bar)][:height]


def _crumb(moment: Moment, theme: Theme) -> list[Part]:
    event = moment.event
    color = theme.bar + ink(event.kind, event.phase, theme)
    script = str(moment.trace.header["script"] or "recording")
    brand = [Segment(" backstep ", theme.brand), Segment(" ", theme.bar)]
    parts = [Part([*brand, Segment(safe(script), theme.bar + theme.strong)], 4)]
    for depth, (name, value) in enumerate(event.loops.items()):
        row = tagged([Segment(f"{safe(name) or 'pass'} {value}", theme.bar)], go="iteration" if depth else "epoch")
        parts.append(Part(row, 3 if depth > 1 else 1))
    word = PHASE_WORDS[event.phase].upper()
    sign = "" if event.kind == "output" else f"{glyph(event.kind)} "
    parts.append(Part(tagged([Segment(f"{sign}{word}", color + Style(bold=True))], go="phase"), ALWAYS))
    return parts


def _state(moment: Moment, theme: Theme, playing: str) -> list[Part]:
    mark, word, color = ("▶", playing, theme.good) if playing else _status(moment, theme)
    style = theme.bar + color
    return [
        Part([Segment(mark, style)], ALWAYS),
        Part([Segment(f"{word} ", style)], 2),
        Part([Segment("event", theme.bar)], DISPENSABLE),
        Part([Segment(f"#{moment.position:,} of {moment.count:,} ", theme.bar)], ALWAYS),
    ]


def _status(moment: Moment, theme: Theme) -> tuple[str, str, Style]:
    """Whether the script still runs, and how it ended if not well."""
    if moment.trace.behind:
        return "…", "reading", theme.dim
    status = moment.trace.header["exit"]["status"]
    return {
        "running": ("●", "LIVE", theme.good),
        "exception": ("✗", "crashed", theme.error),
        "killed": ("✗", "killed", theme.error),
        "interrupted": ("✗", "interrupted", theme.error),
    }.get(status, ("■", "paused", theme.text))


def _joined(parts: list[Part], between: Segment) -> Row:
    row: Row = []
    for part in parts:
        row += [between, *part.row] if row else part.row
    return row if row and row[0].text.startswith(" ") else [Segment(" ", between.style), *row]


def _without(parts: list[Part], rank: int) -> list[Part]:
    return [part for part in parts if part.rank != rank]
