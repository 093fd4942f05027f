"""The iteration in one row, event by event: with names if they fit, else a glyph each, else pooled into a bar."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from backstep.replay.moment import Moment
from backstep.replay.runs import runs_of
from backstep.trace.batch import KIND_CODE
from backstep.trace.records import KINDS, PHASES
from backstep.trace.trace import Trace
from backstep.view.glyphs import glyph, ink, op_name, short_node
from backstep.view.rows import Row, safe, tagged
from backstep.view.theme import Theme


@dataclass(frozen=True, slots=True)
class Chip:
    """An event, or a pool of them, in the iteration's row."""

    first: int
    last: int
    kind: str
    phase: str
    name: str = ""

    @property
    def text(self) -> str:
        return f"{glyph(self.kind)} {self.name}" if self.name else glyph(self.kind)


def chips(moment: Moment, room: int, theme: Theme) -> Row:
    """The events of the iteration around now, in at most `room` cells."""
    runs = runs_of(moment.trace)
    first, last = runs.inner_span(runs.inner_at(moment.position))
    shown = _shown(moment.trace, first, last, moment.position)
    for named in _named(moment.trace, shown, room):
        if _length(named, 1) <= room:
            return _drawn(named, moment, 1, theme)
    count = f"  {int(np.searchsorted(shown, moment.position, 'right'))}/{len(shown)}"
    room -= len(count) + 1
    plain = _plain(moment.trace, shown) if len(shown) <= room else ()
    for gap in (2, 1, 0):
        if plain and _length(plain, gap) <= room:
            return [*_drawn(plain, moment, gap, theme), Segment(count, theme.dim)]
    return [*_pooled(moment, shown, room, theme), Segment(count, theme.dim)]


def _shown(trace: Trace, first: int, last: int, position: int) -> npt.NDArray[np.int64]:
    """The events of an iteration that the cursor stops at, and the one that it is at."""
    kinds = trace.columns["kind"][first : last + 1]
    chosen = (kinds != KIND_CODE["output"]) & (kinds != KIND_CODE["backward_end"])
    chosen[position - first] = True
    return np.flatnonzero(chosen) + first


def _named(trace: Trace, shown: npt.NDArray[np.int64], room: int) -> list[tuple[Chip, ...]]:
    """The chips with their names, then with the dispensable ones left out; nothing where they cannot fit."""
    if len(shown) * 3 > room:
        return []
    full = tuple(_chip(trace, position) for position in shown.tolist())
    bare = tuple(Chip(c.first, c.last, c.kind, c.phase) if c.kind == "backward_start" else c for c in full)
    return [full, bare]


def _chip(trace: Trace, position: int) -> Chip:
    event = trace.event(position)
    match event.kind:
        case "backward_start":
            name = event["roots"][0].name if event["roots"] else "pass"
        case "backward":
            name = short_node(op_name(event))
        case "accumulate" | "zero_grad" | "grad_write":
            name = f"{event['tensor']}.grad"
        case "update":
            name = event["tensor"]
        case "output" | "note" | "exception":
            name = ""
        case _:
            name = op_name(event)
    return Chip(position, position, event.kind, event.phase, safe(str(name)))


def _plain(trace: Trace, shown: npt.NDArray[np.int64]) -> tuple[Chip, ...]:
    columns = trace.columns
    return tuple(
        Chip(p, p, KINDS[k], PHASES[f])
        for p, k, f in zip(
            shown.tolist(), columns["kind"][shown].tolist(), columns["phase"][shown].tolist(), strict=True
        )
    )


def _length(chips: tuple[Chip, ...], gap: int) -> int:
    breaks = sum(a.phase != b.phase for a, b in pairwise(chips))
    return sum(cell_len(chip.text) + gap for chip in chips) + 2 * breaks


def _drawn(chips: tuple[Chip, ...], moment: Moment, gap: int, theme: Theme) -> Row:
    """The chips: past bright, here on its phase's colour, future dim; a bar between phases."""
    row: Row = []
    for index, chip in enumerate(chips):
        here = _is_here(chip, moment.position)
        before = _blank(here and gap > 1, chip, theme)
        if index and chip.phase != chips[index - 1].phase:
            row += [Segment("│", theme.rule), before]
        elif row and here and gap > 1:
            row[-1] = before
        row += tagged([Segment(chip.text, _chip_style(chip, moment.position, theme))], seek=chip.first)
        if gap:
            row.append(_blank(here and gap > 1, chip, theme))
            row += [Segment(" ")] * (gap - 1)
    return row


def _blank(lit: bool, chip: Chip, theme: Theme) -> Segment:
    """A cell beside a chip; lone glyphs get a wider box where there is room."""
    return Segment(" ", theme.chip(chip.phase) if lit else None)


def _is_here(chip: Chip, position: int) -> bool:
    return chip.first <= position <= chip.last


def _chip_style(chip: Chip, position: int, theme: Theme) -> Style:
    if _is_here(chip, position):
        return theme.chip(chip.phase)
    return ink(chip.kind, chip.phase, theme) if chip.last < position else theme.dim


def _pooled(moment: Moment, shown: npt.NDArray[np.int64], room: int, theme: Theme) -> Row:
    """A bar of phases, each cell several events; here it shows the glyph of the event."""
    if room < 1:
        return []
    edges = np.arange(room + 1) * len(shown) // room
    phases = moment.trace.columns["phase"][shown[edges[:-1]]].tolist()
    here = int(np.searchsorted(shown, moment.position))
    cell = int(np.searchsorted(edges, here, "right")) - 1
    row: Row = []
    for index, code in enumerate(phases):
        if index == cell:
            event = moment.event
            drawn = Segment(glyph(event.kind), theme.chip(event.phase))
        else:
            drawn = Segment("━" if index < cell else "─", theme.phase(PHASES[code]) if index < cell else theme.dim)
        row += tagged([drawn], seek=int(shown[edges[index]]))
    return row
