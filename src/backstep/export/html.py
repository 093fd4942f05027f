"""`export --format html`: one file that steps through a part of the trace in a browser, without a network.

It shows what the screen shows, made by the same panes. Each row is in it once, however many moments show it; nothing of
a trace can become markup or code: texts come as data and stay texts, and the policy runs no script but the page's own.
"""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import Any, BinaryIO

import msgspec
import numpy as np
from rich.segment import Segment
from rich.style import Style

from backstep.export.page import BUTTONS, LIGHT_OR_PAPER, PAGE, SCRIPT, STYLE
from backstep.replay.moment import Moment
from backstep.replay.runs import runs_of
from backstep.replay.steps import PASSED_OVER
from backstep.trace.trace import Trace
from backstep.view import chain, graph, header, source, tensors
from backstep.view.heatmap import LEVELS, color
from backstep.view.highlight import lines_of
from backstep.view.rows import Row
from backstep.view.theme import DARK, LIGHT

MOST = 1500
"""Events in a page; it is told which."""
PANES = ((source, 66, 44), (graph, 104, 18), (chain, 104, 15), (tensors, 104, 12))
"""Each pane with its cells and rows."""
CRUMB = 150
Parts = tuple[int | str, ...]
"""A row: the number of a class, a text, and so on."""
CURVE = 52
"""Height of the loss curve in pixels."""


def write(
    trace: Trace, stream: BinaryIO, *, at: int | None = None, iterations: tuple[int, int | None] | None = None
) -> None:
    """The page, opened at a position; of a long trace a part around it, or these iterations (half open)."""
    stream.write(page(trace, at=at, iterations=iterations).encode())


def page(
    trace: Trace, *, at: int | None = None, iterations: tuple[int, int | None] | None = None, most: int = MOST
) -> str:
    """The page as a text, with at most so many events. ValueError where there is nothing to show."""
    positions = chosen(trace, at, iterations, most)
    ink, rows = _Inks(trace), _Rows()
    index = {position: number for number, position in enumerate(positions)}
    steps = [_step(trace, position, index, ink, rows) for position in positions]
    start = min(range(len(positions)), key=lambda number: abs(positions[number] - (positions[0] if at is None else at)))
    told = {"rows": rows.rows, "steps": steps, "start": start, "extent": len(trace)}
    style, script = STYLE + ink.rules(), SCRIPT
    curve, label = _curve(trace)
    return PAGE.format(
        policy=f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'",
        title=escape(f"{trace.header['script'] or 'recording'} - backstep"),
        style=style, script=script, curve=curve, part=_part(trace, positions), label=escape(label),
        last=len(positions) - 1,
        buttons="".join(f'<button data-key="{key}">{escape(word)}</button>' for key, word in BUTTONS),
        footer=escape(_footer(trace, positions, most)),
        data=msgspec.json.encode(told).decode().replace("<", "\\u003c").replace("\u2028", "\\u2028"),
    )  # fmt: skip


def chosen(trace: Trace, at: int | None, iterations: tuple[int, int | None] | None, most: int) -> list[int]:
    """The positions in the page: at most `most`, all that a step stops at between the first and the last of them."""
    if not len(trace):
        raise ValueError("the trace has no events")
    first, last = 0, len(trace) - 1
    if iterations is not None:
        wanted, end = iterations
        runs = runs_of(trace)
        inside = [n for n, key in enumerate(runs.inner_keys) if key >= wanted and (end is None or key < end)]
        if not inside:
            raise ValueError(f"no iterations {wanted}:{'' if end is None else end} in this trace")
        first, last = runs.inner_span(inside[0])[0], runs.inner_span(inside[-1])[1]
    elif at is not None and last >= most:
        first = max(0, min(at - most // 2, last + 1 - most))
    kinds = trace.columns["kind"][first : min(last + 1, first + 4 * most)].tolist()
    steps = [position for position, kind in enumerate(kinds, first) if kind not in PASSED_OVER]
    return steps[:most] or [first]


def _step(trace: Trace, position: int, index: dict[int, int], ink: _Inks, rows: _Rows) -> dict[str, Any]:
    moment = Moment(trace, position)
    panes = []
    for module, width, height in PANES:
        heading = _heading(module.title(moment, width, DARK))
        drawn = [heading, *_trimmed(module.build(moment, width, height, DARK))]
        panes.append([rows.number(ink.parts(row)) for row in drawn])
    twin = moment.twin
    return {
        "position": position,
        "crumb": rows.number(ink.parts(header.build(moment, CRUMB, 1, DARK)[0])),
        "phase": f"{runs_of(trace).inner_at(position)} {trace.phase_at(position)}",
        "iteration": runs_of(trace).inner_at(position),
        "twin": -1 if twin is None else index.get(twin, -1),
        "panes": panes,
    }


def _heading(title: Row) -> Row:
    """A pane's title without its rule and without keys, which are the screen's."""
    words = [segment for segment in title if segment.style not in (DARK.key, DARK.rule)]
    return [Segment(text.replace(graph.UNFOLDS, ""), style) for text, style, _ in words]


def _trimmed(rows: list[Row]) -> list[Row]:
    """The rows without the empty ones at the end."""
    rows = list(rows)
    while rows and not any(segment.text.strip() for segment in rows[-1]):
        rows.pop()
    return rows


class _Rows:
    """Rows by number, each once."""

    def __init__(self) -> None:
        self.rows: list[Parts] = []
        self._numbers: dict[Parts, int] = {}

    def number(self, row: Parts) -> int:
        found = self._numbers.get(row)
        if found is None:
            found = self._numbers[row] = len(self.rows)
            self.rows.append(row)
        return found


class _Inks:
    """Styles as classes of the page, each colour with the one that takes its place on a light ground."""

    def __init__(self, trace: Trace) -> None:
        self._classes: dict[tuple[str, str, bool, bool], int] = {}
        self._light = _light_colours(trace)

    def parts(self, row: Row) -> Parts:
        """The row as texts, each after the number of its class; what is blank at its end is left out."""
        parts: list[int | str] = []
        for segment in Segment.simplify(row):
            if segment.text:
                parts += [self._class(segment.style or Style.null()), segment.text]
        while parts and not parts[-2] and str(parts[-1]).isspace():
            del parts[-2:]
        return tuple(parts)

    def _class(self, style: Style) -> int:
        """The number of a style; 0 for none."""
        key = (_hex(style.color), _hex(style.bgcolor), bool(style.bold), bool(style.italic))
        return self._classes.setdefault(key, len(self._classes) + 1) if any(key) else 0

    def rules(self) -> str:
        """The classes, dark, then light."""
        dark = "".join(_rule(name, *key) for key, name in self._classes.items())
        light = "".join(
            _rule(name, self._light.get(color, color), self._light.get(ground, ground), bold, italic)
            for (color, ground, bold, italic), name in self._classes.items()
        )
        bars = (f"h1{{background:{_hex(theme.bar.bgcolor)}}}\n" for theme in (DARK, LIGHT))
        return f"{next(bars)}{dark}{LIGHT_OR_PAPER} {{\n{next(bars)}{light}}}\n"


def _rule(number: int, color: str, ground: str, bold: bool, italic: bool) -> str:
    parts = [f"color:{color}" if color else "", f"background:{ground}" if ground else ""]
    parts += ["font-weight:bold" if bold else "", "font-style:italic" if italic else ""]
    return f".k{number}{{{';'.join(part for part in parts if part)}}}\n"


def _hex(color: Any) -> str:
    return "" if color is None or color.is_default else color.get_truecolor().hex


def _light_colours(trace: Trace) -> dict[str, str]:
    """For each colour of the dark theme, and of its code, that of the light one."""
    dark_heat, light_heat = ((theme.negative, theme.neutral, theme.positive) for theme in (DARK, LIGHT))
    found = {color(level, dark_heat): color(level, light_heat) for level in range(-LEVELS, LEVELS + 1)}
    for name in DARK.__dataclass_fields__:
        dark, light = getattr(DARK, name), getattr(LIGHT, name)
        if isinstance(dark, Style):
            found.setdefault(_hex(dark.color), _hex(light.color))
            found.setdefault(_hex(dark.bgcolor), _hex(light.bgcolor))
    for text in trace.sources.values():
        for one, other in zip(lines_of(text, DARK.syntax), lines_of(text, LIGHT.syntax), strict=True):
            for dark_, light_ in zip(one.row, other.row, strict=False):
                if dark_.text == light_.text and dark_.style and light_.style:
                    found.setdefault(_hex(dark_.style.color), _hex(light_.style.color))
    return found


def _curve(trace: Trace) -> tuple[str, str]:
    """The loss over the positions as a path, and what it says."""
    known = [(position, loss) for position, loss in trace.losses if loss == loss and abs(loss) != float("inf")]
    if not known:
        return "", "no loss was recorded"
    low, high = min(loss for _, loss in known), max(loss for _, loss in known)
    step = max(1, len(known) // 2000)
    extent = max(1, len(trace) - 1)
    points = [
        f"{1000 * position / extent:.1f},{2 + CURVE * (1 - (loss - low) / ((high - low) or 1)):.1f}"
        for position, loss in known[::step]
    ]
    return f"M {' L '.join(points)}", f"loss from {known[0][1]:.6g} to {known[-1][1]:.6g}"


def _part(trace: Trace, positions: list[int]) -> str:
    """What of the curve is in the page, where that is not all of it: the slider has no more."""
    if len(positions) < 2 or _is_whole(trace, positions):
        return ""
    left, right = (1000 * position / max(1, len(trace) - 1) for position in (positions[0], positions[-1]))
    return f'<rect x="{left:.1f}" width="{right - left:.1f}" y="0" height="56"/>'


def _is_whole(trace: Trace, positions: list[int]) -> bool:
    """Whether what was passed over at both ends is all that is not in the page."""
    kinds = trace.columns["kind"]
    ends = np.concatenate([kinds[: positions[0]], kinds[positions[-1] + 1 : len(trace)]])
    return bool(np.isin(ends, PASSED_OVER).all())


def _footer(trace: Trace, positions: list[int], most: int) -> str:
    told = f"events #{positions[0]:,} to #{positions[-1]:,} of {len(trace):,}"
    if not _is_whole(trace, positions):
        told += f" (at most {most:,}: export --format html --iterations A:B has others)"
    return f"{told}. Recorded with PyTorch {trace.header['torch']}, shown by backstep."


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
