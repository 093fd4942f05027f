"""Which scopes of a graph are open. Folded, a module or passes of a loop are one row; the way to now is always open."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from backstep.trace.memo import per_trace
from backstep.trace.trace import Trace
from backstep.view.ops import ops_of
from backstep.view.scopes import LOOP, MODULE, PASS, Scope, scopes_of

OPEN_UP_TO = 40
"""Ops and inputs of a graph that is shown unfolded when nothing else is asked for."""


@dataclass(frozen=True, slots=True)
class Line:
    """A row to be drawn: one op, ops folded under a label, or (`count` 0) the label over ops that are open."""

    first: int
    count: int
    label: str = ""


def levels_of(trace: Trace, first: int, last: int) -> int:
    """How many times the graph between two positions can be unfolded."""
    return max((scope.depth for scope in scopes_of(trace, first, last)), default=0)


def level_shown(trace: Trace, first: int, last: int, asked: int | None) -> int:
    """How often it is unfolded: as often as was asked, by itself all or nothing."""
    levels = levels_of(trace, first, last)
    if asked is not None:
        return max(0, min(asked, levels))
    ops = ops_of(trace, first, last)
    inputs = {value.tensor for op in ops.ops for value in op.taken} - {t for op in ops.ops for t in op.outputs}
    return levels if len(ops.ops) + len(inputs) <= OPEN_UP_TO else 0


def way_to(trace: Trace, first: int, last: int, op: int) -> tuple[tuple[int, int], ...]:
    """The extents of the scopes around an op, the outermost first."""
    way = []
    scopes: Sequence[Scope] = scopes_of(trace, first, last)
    while (around := next((one for one in scopes if one.first <= op <= one.last), None)) is not None:
        way.append((around.first, around.last))
        scopes = around.inner
    return tuple(way)


@per_trace(24)
def lines_of(
    trace: Trace, first: int, last: int, level: int, way: tuple[tuple[int, int], ...]
) -> tuple[Line, ...]:  # fmt: skip
    """The rows for the ops between two positions, unfolded so many times and along the way to one op."""
    count = len(ops_of(trace, first, last).ops)
    headed = level < levels_of(trace, first, last)
    return tuple(_within(scopes_of(trace, first, last), 0, count - 1, level, set(way), headed))


def _within(
    scopes: Sequence[Scope], first: int, last: int, level: int, way: set[tuple[int, int]], headed: bool,
    around: str = "",
) -> Iterator[Line]:  # fmt: skip
    """The rows of a run of ops and of the scopes in it, which lie in the module `around`."""
    at = first
    for scope in _merged(scopes, level, way):
        yield from (Line(op, 1) for op in range(at, scope.first))
        at = scope.last + 1
        if scope.count == 1:
            yield Line(scope.first, 1)
        elif level > 0 or (scope.first, scope.last) in way:
            if headed and scope.kind != LOOP:
                yield Line(scope.first, 0, label_of(scope).removeprefix(f"{around}."))
            inside = scope.label if scope.kind == MODULE else around
            yield from _within(scope.inner, scope.first, scope.last, level - 1, way, headed, inside)
        else:
            yield Line(scope.first, scope.count, label_of(scope).removeprefix(f"{around}."))
    yield from (Line(op, 1) for op in range(at, last + 1))


def _merged(scopes: Sequence[Scope], level: int, way: set[tuple[int, int]]) -> Iterator[Scope]:
    """Passes of a loop that are folded and follow one another as one, unless the loop itself was to be unfolded."""

    def is_folded_pass(scope: Scope) -> bool:
        return level < 0 and scope.kind == PASS and (scope.first, scope.last) not in way

    for together, group in groupby(scopes, is_folded_pass):
        run = tuple(group)
        if together and len(run) > 1:
            yield Scope(LOOP, run[0].label, run[0].first, run[-1].last, 0, run)
        else:
            yield from run


def label_of(scope: Scope) -> str:
    """`blocks.1`; `t 5` for a pass of a loop; `t 0…63` for several."""
    if scope.kind == LOOP:
        return f"{scope.label} {scope.inner[0].value}…{scope.inner[-1].value}"
    return f"{scope.label} {scope.value}" if scope.kind == PASS else scope.label
