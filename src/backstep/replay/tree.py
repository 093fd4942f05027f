"""The scopes around a position: run > epoch > iteration > phase > modules and inner loops > ops made of parts.

Nothing is built for the whole trace. Each scope is found around one position, inside the one around it, by looking at
the columns in growing pieces; so two positions always agree on the scopes that both of them lie in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from backstep.replay.moment import phase_spans
from backstep.replay.runs import Runs, runs_of
from backstep.replay.steps import first_step, last_step
from backstep.trace.batch import KIND_CODE
from backstep.trace.memo import per_trace
from backstep.trace.records import Forward
from backstep.trace.trace import Trace

ACCUMULATE, FORWARD = KIND_CODE["accumulate"], KIND_CODE["forward"]
PIECE = 128
"""Events that are looked at first on either side of a position; then twice as many."""
BLOCK = 256
"""Events whose rows are read together to see what they are parts of."""


class ScopeKind(IntEnum):
    """What a scope is. Of scopes with the same events the greatest is kept."""

    RUN = 0
    PHASE = 1
    PASS = 2
    OP = 3
    MODULE = 4
    OUTSIDE = 5
    TRAINING = 6


@dataclass(frozen=True, slots=True)
class Scope:
    """Events that belong together, both ends included. `first_step` and `last_step` are the first and last of them
    that a step does not go over; `context` is the pass of a loop that it is."""

    kind: ScopeKind
    name: str
    first: int
    last: int
    first_step: int
    last_step: int
    context: int = 0

    def __contains__(self, position: int) -> bool:
        return self.first <= position <= self.last


@dataclass(frozen=True, slots=True)
class _Span:
    """A scope before it is known whether it says anything."""

    kind: ScopeKind
    name: str
    first: int
    last: int
    context: int = 0


def scopes_around(trace: Trace, position: int) -> tuple[Scope, ...]:
    """The scopes of two steps or more that a position lies in, the outermost first; each is smaller than the one
    before."""
    return _scopes_around(trace, position, len(trace), trace.contexts.version)


@per_trace(64)
def _scopes_around(trace: Trace, position: int, count: int, version: int) -> tuple[Scope, ...]:
    """`count` and `version` are of the trace as it was read by then."""
    found: list[Scope] = []
    for span in _spans(trace, position, count):
        first, last = first_step(trace, span.first, span.last), last_step(trace, span.first, span.last)
        if first is None or last is None or first == last:
            continue
        scope = Scope(span.kind, span.name, span.first, span.last, first, last, span.context)
        if found and (found[-1].first_step, found[-1].last_step) == (first, last):
            if found[-1].kind is not ScopeKind.RUN and scope.kind > found[-1].kind:
                found[-1] = scope
        else:
            found.append(scope)
    return tuple(found)


def _spans(trace: Trace, position: int, count: int) -> Iterator[_Span]:
    yield _Span(ScopeKind.RUN, "the run", 0, count - 1)
    runs = runs_of(trace)
    outer, inner = runs.outer_at(position), runs.inner_at(position)
    first, last = runs.outer_span(outer)
    root = _root(trace, position) if runs.outer_keys[outer] else 0
    yield _stretch(trace, root, runs, outer, first, last)
    iteration = iteration_context(trace, position)
    cell = runs.inner_span(inner)
    if iteration is not None:
        yield _Span(ScopeKind.TRAINING, "", *cell, iteration)
    phase = next(span for span in phase_spans(trace, *cell) if span.first <= position <= span.last)
    yield _Span(ScopeKind.PHASE, phase.phase, phase.first, phase.last)
    cell = phase.first, phase.last
    for span in _modules_and_passes(trace, position, cell, (root, iteration)):
        yield span
        cell = span.first, span.last
    yield from _ops(trace, position, cell)


def _stretch(trace: Trace, root: int, runs: Runs, index: int, first: int, last: int) -> _Span:
    if root:
        return _Span(ScopeKind.TRAINING, "", first, last, root)
    ends = index == 0, index == len(runs.outer) - 1
    name = "before the loop" if ends[0] else "after the loop" if ends[1] else "between loops"
    return _Span(ScopeKind.OUTSIDE, "the script" if all(ends) else name, first, last)


def _root(trace: Trace, position: int) -> int:
    chain = trace.contexts.chain(int(trace.columns["context"][position]))
    return chain[0] if chain else 0


def iteration_context(trace: Trace, position: int) -> int | None:
    """The pass of the training loop around a position."""
    number = trace.contexts.number
    context = int(trace.columns["context"][position])
    while context > 0:
        parent = trace.contexts.row(context).parent
        if number(context) is not None and number(context) != number(parent):
            return context
        context = parent
    return None


# runs of equal events

Holds = Callable[[int, int], npt.NDArray[np.bool_]]
"""Of the events from one position to before another: which of them belong."""


def _run(holds: Holds, position: int, first: int, last: int) -> tuple[int, int]:
    """How far the events around a position belong, between two others; looked at in growing pieces."""
    low, piece = position, PIECE
    while low > first:
        start = max(first, low - piece)
        outside = np.flatnonzero(~holds(start, low))
        if len(outside):
            low = start + int(outside[-1]) + 1
            break
        low, piece = start, piece * 2
    high, piece = position, PIECE
    while high < last:
        end = min(last + 1, high + 1 + piece)
        outside = np.flatnonzero(~holds(high + 1, end))
        if len(outside):
            high += int(outside[0])
            break
        high, piece = end - 1, piece * 2
    return low, high


def _pass_run(trace: Trace, context: int, position: int, cell: tuple[int, int]) -> _Span:
    """The events in a pass of a loop."""

    def holds(start: int, end: int) -> npt.NDArray[np.bool_]:
        contexts, inverse = np.unique(trace.columns["context"][start:end], return_inverse=True)
        return np.array([context in trace.contexts.chain(c) for c in contexts.tolist()], bool)[inverse]

    row = trace.contexts.row(context)
    return _Span(ScopeKind.PASS, trace.strings[row.name], *_run(holds, position, *cell), context)


def _module_run(trace: Trace, path: str, position: int, cell: tuple[int, int]) -> _Span:
    """The events in a module. An accumulation belongs to the node that ran before it."""

    def holds(start: int, end: int) -> npt.NDArray[np.bool_]:
        columns = trace.columns[start:end]
        modules, inverse = np.unique(columns["module"], return_inverse=True)
        inside = np.array([is_within(trace.strings[m], path) for m in modules.tolist()], bool)
        belongs: npt.NDArray[np.bool_] = inside[inverse] | (columns["kind"] == ACCUMULATE)
        return belongs

    first, last = _run(holds, position, *cell)
    while first < position and trace.kind_at(first) == ACCUMULATE:
        first += 1
    return _Span(ScopeKind.MODULE, path, first, last)


def is_within(path: str, module: str) -> bool:
    """Whether a module's path is that of another one, or of one in it."""
    return path == module or path.startswith(f"{module}.")


def _module_at(trace: Trace, position: int, first: int) -> tuple[int, str]:
    """The event that tells the module of a position, and the module's path."""
    while position > first and trace.kind_at(position) == ACCUMULATE:
        position -= 1
    return position, trace.strings[int(trace.columns["module"][position])]


def _modules_and_passes(
    trace: Trace, position: int, cell: tuple[int, int], known: tuple[int | None, ...]
) -> Iterator[_Span]:
    """Modules and the passes of inner loops, the larger first. A pass that crosses a module is none."""
    told, path = _module_at(trace, position, cell[0])
    parts = path.split(".") if path else []
    paths = [".".join(parts[: end + 1]) for end in range(len(parts))]
    chain = trace.contexts.chain(int(trace.columns["context"][position]))
    passes = [c for c in chain if c not in known and trace.contexts.number(c) == _iteration(trace, position)]
    while paths or passes:
        module = _module_run(trace, paths[0], told, cell) if paths else None
        loop = _pass_run(trace, passes[0], position, cell) if passes else None
        if loop is not None and _crosses_a_module(trace, loop, cell, len(parts) - len(paths)):
            passes.pop(0)
            continue
        if module is None or (loop is not None and loop.last - loop.first >= module.last - module.first):
            assert loop is not None
            passes.pop(0)
            span = loop
        else:
            paths.pop(0)
            span = module
        cell = span.first, span.last
        yield span


def _iteration(trace: Trace, position: int) -> int | None:
    return trace.contexts.number(int(trace.columns["context"][position]))


def _crosses_a_module(trace: Trace, loop: _Span, cell: tuple[int, int], level: int) -> bool:
    """Whether a module that reaches into a pass reaches out of it, and does not hold all of it. `level` is in how many
    modules the cell lies."""
    for end in (loop.first, loop.last):
        told, path = _module_at(trace, end, cell[0])
        around = path.split(".")[: level + 1]
        if len(around) <= level or not path:
            continue
        module = _module_run(trace, ".".join(around), told, cell)
        within = loop.first <= module.first and module.last <= loop.last
        if not within and not (module.first <= loop.first and loop.last <= module.last):
            return True
    return False


# ops that are made of parts


def _ops(trace: Trace, position: int, cell: tuple[int, int]) -> Iterator[_Span]:
    """The ops that a position is a part of, the outermost first, and the op itself if it has parts."""
    if trace.kind_at(position) != FORWARD:
        return
    for whole in [*reversed(wholes_of(trace, position)), position]:
        end = min(whole, cell[1])
        first = _first_part(trace, whole, min(position, end), cell[0])
        if first < end:
            yield _Span(ScopeKind.OP, "", first, end)


def _first_part(trace: Trace, whole: int, position: int, first: int) -> int:
    """The first of the parts of an op, not before a position."""
    found = at = position
    while at > first:
        at -= 1
        if trace.kind_at(at) != FORWARD:
            continue
        if whole not in wholes_of(trace, at):
            break
        found = at
    return found


def wholes_of(trace: Trace, position: int) -> list[int]:
    """The ops that an op is a part of, the innermost first."""
    wholes: list[int] = []
    parent = parent_of(trace, position)
    while parent > (wholes[-1] if wholes else position) and parent < len(trace):
        wholes.append(parent)
        parent = parent_of(trace, parent)
    return wholes


def parent_of(trace: Trace, position: int) -> int:
    """The op that one is directly a part of; -1 if of none."""
    base = position - position % BLOCK
    return int(_parents(trace, base, min(len(trace), base + BLOCK))[position - base])


@per_trace(64)
def _parents(trace: Trace, first: int, end: int) -> npt.NDArray[np.int64]:
    rows = trace.rows(range(first, end))
    return np.array([row.parent if isinstance(row, Forward) else -1 for row in rows], np.int64)
