"""Where the boxes of a small graph stand, and the ways of the wires between them: geometry alone.

Nodes stand in columns, each op to the right of all its inputs, an input just before the first op that takes it. A wire
that passes a column takes a place in it, as a box of one row would, so that no wire runs through a box.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import mean, median
from typing import NamedTuple

STUB = 2
"""Cells of a wire between a box and the nearest upright: one for the head of an arrow."""
WIDEST_GAP, NARROWEST, WIDEST = 12, 11, 22
"""Cells between two columns at most; of a box at least and at most."""
LOWEST, FLAT = 4, 3
"""Rows of a box: a value and a gradient between two borders, or both on one row."""
SWEEPS = 8

Point = tuple[int, int]


class Box(NamedTuple):
    """Cells: left, top, width, height."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Node:
    """A box to be placed: the nodes that its wires come from, all of them before it."""

    inputs: tuple[int, ...] = ()
    flat: bool = False

    @property
    def height(self) -> int:
        """A row for each input; the last one of a flat box comes in at its border."""
        return max(FLAT, 1 + len(self.inputs)) if self.flat else max(LOWEST, 2 + len(self.inputs))


@dataclass(frozen=True, slots=True)
class Wire:
    """A way from one box to the next: its corners, the first and the last beside a box."""

    source: int
    target: int
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """`boxes`: one for each node, in order. Wires with one source share their cells as far as they go together."""

    boxes: tuple[Box, ...]
    wires: tuple[Wire, ...]


@dataclass(eq=False, slots=True)
class _Item:
    """What takes a place in a column: a node, or a wire on its way past it."""

    column: int
    height: int = 1
    node: int = -1
    y: int = 0
    before: list[_Item] = field(default_factory=list)
    after: list[_Item] = field(default_factory=list)

    @property
    def out(self) -> int:
        """The row where its wires leave, below its top."""
        return 0 if self.node < 0 else 1

    def port(self, source: _Item) -> int:
        """The row where the wire from another one comes in, below its top."""
        return 0 if self.node < 0 else 1 + self.before.index(source)


def lay_out(nodes: Sequence[Node], width: int, height: int) -> Layout | None:
    """The layout within so many cells; None where there is no room, or nothing to place."""
    if not nodes:
        return None
    columns = _columns(nodes)
    _order(columns)
    if not _stack(columns, height):
        return None
    gaps = [_tracks(column) for column in columns[:-1]]
    tracks = [found for found in gaps if found is not None]
    if len(tracks) < len(gaps):
        return None
    across = _across(len(columns), [_count(found) for found in tracks], width)
    return None if across is None else _drawn(columns, tracks, *across)


def _columns(nodes: Sequence[Node]) -> list[list[_Item]]:
    """The items by column, connected."""
    depth = [0] * len(nodes)
    for index, node in enumerate(nodes):
        if node.inputs:
            depth[index] = 1 + max(depth[one] for one in node.inputs)
    takers: dict[int, list[int]] = {}
    for index, node in enumerate(nodes):
        for one in node.inputs:
            takers.setdefault(one, []).append(index)
    for index, node in enumerate(nodes):
        if not node.inputs and index in takers:
            depth[index] = min(depth[taker] for taker in takers[index]) - 1
    columns: list[list[_Item]] = [[] for _ in range(max(depth) + 1)]
    items = [_Item(depth[index], node.height, index) for index, node in enumerate(nodes)]
    for index, item in enumerate(items):
        columns[item.column].append(item)
        at = item
        for taker in sorted(takers.get(index, ()), key=lambda taker: depth[taker]):
            while at.column < depth[taker] - 1:
                passing = _Item(at.column + 1)
                columns[passing.column].append(passing)
                _connect(at, passing)
                at = passing
            _connect(at, items[taker])
    return columns


def _connect(source: _Item, target: _Item) -> None:
    source.after.append(target)
    target.before.append(source)


def _order(columns: list[list[_Item]]) -> None:
    """Puts each column in the order of what it is connected with, as long as fewer wires cross."""
    best, fewest = [list(column) for column in columns], _crossings(columns)
    for sweep in range(SWEEPS):
        forwards = sweep % 2 == 0
        for column in columns[1:] if forwards else columns[-2::-1]:
            column[:] = _by_neighbours(column, _places(columns), forwards)
        crossings = _crossings(columns)
        if crossings < fewest:
            best, fewest = [list(column) for column in columns], crossings
    for column, kept in zip(columns, best, strict=True):
        column[:] = kept
    places = _places(columns)
    for column in columns:
        for item in column:
            item.before = sorted(item.before, key=lambda source: places[id(source)])


def _places(columns: list[list[_Item]]) -> dict[int, int]:
    """The place of each item in its column, by its `id`."""
    return {id(item): place for column in columns for place, item in enumerate(column)}


def _by_neighbours(column: list[_Item], places: dict[int, int], forwards: bool) -> list[_Item]:
    """The column sorted by where its items' inputs are, or its items' takers."""

    def middle(item: _Item) -> float:
        neighbours = item.before if forwards else item.after
        return mean(places[id(one)] for one in neighbours) if neighbours else places[id(item)]

    return sorted(column, key=middle)


def _crossings(columns: list[list[_Item]]) -> int:
    """How many wires cross between neighbouring columns."""
    count = 0
    for left, right in pairwise(columns):
        places = _places([right])
        ends = [(place, places[id(target)]) for place, item in enumerate(left) for target in item.after]
        count += sum(a < c and b > d for a, b in ends for c, d in ends)
    return count


def _stack(columns: list[list[_Item]], height: int) -> bool:
    """Gives every item its row, near what it is connected with; False where a column is too high."""
    tallest = max(sum(item.height for item in column) + len(column) - 1 for column in columns)
    if tallest > height:
        return False
    for column in columns:
        _settle(column, [0.0] * len(column), tallest)
    for sweep in range(SWEEPS):
        forwards = sweep % 2 == 0
        for column in columns[1:] if forwards else columns[-2::-1]:
            wished = []
            for item in column:
                if forwards:
                    rows = [source.y + source.out - item.port(source) for source in item.before]
                else:
                    rows = [target.y + target.port(item) - item.out for target in item.after]
                wished.append(median(rows) if rows else float(item.y))
            _settle(column, wished, tallest)
    return True


def _settle(column: list[_Item], wished: list[float], height: int) -> None:
    """The rows nearest to the wished ones at which nothing overlaps."""
    top = 0
    for item, wish in zip(column, wished, strict=True):
        item.y = max(top, round(wish))
        top = item.y + item.height + 1
    bottom = height
    for item in reversed(column):
        item.y = min(item.y, bottom - item.height)
        bottom = item.y - 1


@dataclass(frozen=True, slots=True)
class _Bend:
    """The wires of one item that change their row on the way to the next column."""

    item: _Item
    start: int
    ends: tuple[int, ...]

    @property
    def span(self) -> tuple[int, int]:
        return min(self.start, *self.ends), max(self.start, *self.ends)

    @property
    def turn(self) -> tuple[bool, int]:
        """Of those that go down the lower one turns first, of those that go up the upper one: so they do not cross."""
        down = max(self.ends) > self.start
        return down, -self.start if down else self.start


def _tracks(column: list[_Item]) -> dict[int, int] | None:
    """The upright that each item's wires take to the next column, by the item's `id`; None where two would have to
    run on one row in opposite order."""
    bends = [
        _Bend(item, item.y + item.out, tuple(t.y + t.port(item) for t in item.after)) for item in column if item.after
    ]
    waiting = sorted((bend for bend in bends if set(bend.ends) != {bend.start}), key=lambda bend: bend.turn)
    tracks: list[list[tuple[int, int]]] = []
    taken: dict[int, int] = {}
    rows: dict[int, int] = {}
    while waiting:
        # A row on which one ends where another starts: the one that starts there turns off before.
        free = (bend for bend in waiting if not any(o.start in bend.ends for o in waiting if o is not bend))
        bend = next(free, None)
        if bend is None:
            return None
        waiting.remove(bend)
        first, last = bend.span
        track = max((rows[row] + 1 for row in bend.ends if row in rows), default=0)
        while track < len(tracks) and any(first <= low_end and low <= last for low, low_end in tracks[track]):
            track += 1
        tracks += [[] for _ in range(track + 1 - len(tracks))]
        tracks[track].append((first, last))
        taken[id(bend.item)] = rows[bend.start] = track
    return taken


def _count(tracks: dict[int, int]) -> int:
    return 1 + max(tracks.values(), default=0)


def _across(count: int, tracks: list[int], width: int) -> tuple[int, list[int]] | None:
    """Cells of a box and of each gap; None where that is too little."""
    gaps = [2 * STUB + count for count in tracks]
    box = min(WIDEST, (width - sum(gaps)) // count)
    if box < NARROWEST:
        return None
    spare = width - sum(gaps) - box * count
    if gaps:
        gaps = [min(max(gap, WIDEST_GAP), gap + spare // len(gaps)) for gap in gaps]
    return box, gaps


def _drawn(columns: list[list[_Item]], tracks: list[dict[int, int]], box: int, gaps: list[int]) -> Layout:
    lefts = [0]
    for gap in gaps:
        lefts.append(lefts[-1] + box + gap)
    items = {item.node: item for column in columns for item in column if item.node >= 0}
    boxes = tuple(Box(lefts[items[n].column], items[n].y, box, items[n].height) for n in range(len(items)))
    wires = []
    for node, item in items.items():
        for way in _ways(item):
            points: list[Point] = [(lefts[item.column] + box, item.y + item.out)]
            for source, target in pairwise(way):
                row = target.y + target.port(source)
                if row != points[-1][1]:
                    spare = gaps[source.column] - _count(tracks[source.column])
                    upright = lefts[source.column] + box + spare // 2 + tracks[source.column][id(source)]
                    points += [(upright, points[-1][1]), (upright, row)]
            points.append((lefts[way[-1].column] - 1, points[-1][1]))
            wires.append(Wire(node, way[-1].node, tuple(points)))
    return Layout(boxes, tuple(wires))


def _ways(item: _Item) -> list[list[_Item]]:
    """The items on the way to each node that a wire of this one leads to."""
    found = []
    for target in item.after:
        if target.node >= 0:
            found.append([item, target])
        else:
            found += [[item, *way] for way in _ways(target)]
    return found
