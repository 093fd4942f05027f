"""The modules and the passes of inner loops that the ops of an iteration lie in, as a tree over the ops.

A scope is a run of ops; which of two encloses the other is told by their extents. What says nothing is left out: a
scope of one op, a loop with one pass, a list of modules, the loop over such a list.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from backstep.trace.memo import per_trace
from backstep.trace.trace import Trace
from backstep.view.ops import Op, ops_of
from backstep.view.runs import context_name, context_value

MODULE, LOOP, PASS = "module", "loop", "pass"


@dataclass(frozen=True, slots=True)
class Scope:
    """The ops with indices from `first` to `last`; `value` is the loop variable of a pass."""

    kind: str
    label: str
    first: int
    last: int
    value: int = 0
    inner: tuple[Scope, ...] = ()

    @property
    def count(self) -> int:
        return self.last - self.first + 1

    @property
    def depth(self) -> int:
        """How many scopes lie in one another here."""
        return 1 + max((scope.depth for scope in self.inner), default=0)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an op was called: the passes of loops within the iteration, and its module's path by its prefixes."""

    passes: tuple[int, ...]
    modules: tuple[str, ...]


@per_trace(24)
def scopes_of(trace: Trace, first: int, last: int) -> tuple[Scope, ...]:
    """The outermost scopes of the ops between two positions."""
    ops = ops_of(trace, first, last).ops
    places = [_place(trace, op) for op in ops]
    return tuple(_telling(_Tree(trace, places).within(0, len(places) - 1, 0, 0)))


def _place(trace: Trace, op: Op) -> _Place:
    column = trace.columns[op.position]
    number = trace.contexts.number
    passes = trace.contexts.chain(int(column["context"]))
    while passes and any(number(c) != number(passes[-1]) or _is_iteration(trace, c) for c in passes):
        passes = passes[1:]
    path = trace.strings[int(column["module"])]
    parts = path.split(".") if path else []
    return _Place(tuple(passes), tuple(".".join(parts[: end + 1]) for end in range(len(parts))))


def _is_iteration(trace: Trace, context: int) -> bool:
    """Whether this pass is itself an iteration, not in one."""
    number = trace.contexts.number
    parent = trace.contexts.row(context).parent
    return number(context) is not None and number(context) != number(parent)


@dataclass(slots=True)
class _Tree:
    """Finds scopes as runs of ops with the same pass of a loop, or the same prefix of their module's path."""

    trace: Trace
    places: Sequence[_Place]

    def within(self, first: int, last: int, passes: int, modules: int) -> Iterator[Scope]:
        """The scopes of a run of ops, so many passes and so many prefixes of which are known already."""
        at = first
        while at <= last:
            loop, module = self._loop_end(at, last, passes), self._module_end(at, last, modules)
            if loop >= module and loop >= at:
                yield self._loop(at, loop, passes, modules)
            elif module >= at:
                label = self.places[at].modules[modules]
                yield Scope(MODULE, label, at, module, 0, tuple(self.within(at, module, passes, modules + 1)))
            at = max(at, loop, module) + 1

    def _loop(self, first: int, last: int, passes: int, modules: int) -> Scope:
        inner = []
        at = first
        while at <= last:
            context = self.places[at].passes[passes]
            end = at
            while end < last and self.places[end + 1].passes[passes] == context:
                end += 1
            name, value = context_name(self.trace, context), context_value(self.trace, context)
            inner.append(Scope(PASS, name, at, end, value, tuple(self.within(at, end, passes + 1, modules))))
            at = end + 1
        return Scope(LOOP, inner[0].label, first, last, 0, tuple(inner))

    def _loop_end(self, first: int, last: int, passes: int) -> int:
        """The last op of the loop that the first one is in; before the first one if it is in none."""
        loop = self._loop_at(first, passes)
        end = first - 1
        while loop is not None and end < last and self._loop_at(end + 1, passes) == loop:
            end += 1
        return end

    def _loop_at(self, op: int, passes: int) -> tuple[int, int] | None:
        around = self.places[op].passes
        if len(around) <= passes:
            return None
        row = self.trace.contexts.row(around[passes])
        return row.parent, row.loop

    def _module_end(self, first: int, last: int, modules: int) -> int:
        """The last op of the module that the first one is in; before the first one if it is in none."""
        prefix = self.places[first].modules[modules : modules + 1]
        end = first - 1
        while prefix and end < last and self.places[end + 1].modules[modules : modules + 1] == prefix:
            end += 1
        return end


def _telling(scopes: Iterable[Scope]) -> Iterator[Scope]:
    """The scopes that say something."""
    for scope in scopes:
        inner = tuple(_telling(scope.inner))
        if scope.kind == PASS:
            yield replace(scope, inner=inner)
        elif scope.kind == LOOP:
            yield from _of_loop(scope, inner)
        elif _whole(scope, inner) or _is_list(scope, inner):
            yield from inner
        elif scope.count > 1:
            yield replace(scope, inner=inner)


def _of_loop(loop: Scope, passes: Sequence[Scope]) -> Iterator[Scope]:
    """The loop; what is in it where it has one pass; the modules where each pass is one of its own."""
    modules = [one.inner[0].label if _whole(one, one.inner) else "" for one in passes]
    if len(passes) < 2 or (all(modules) and len(set(modules)) == len(passes)):
        yield from (module for one in passes for module in one.inner)
    else:
        yield replace(loop, inner=tuple(replace(one, inner=_without_whole(one)) for one in passes))


def _without_whole(scope: Scope) -> tuple[Scope, ...]:
    """What is in a scope, without one scope around all of it."""
    return scope.inner[0].inner if _whole(scope, scope.inner) else scope.inner


def _whole(scope: Scope, inner: Sequence[Scope]) -> bool:
    """Whether what is in a scope is one scope of all its ops."""
    return len(inner) == 1 and inner[0].kind == MODULE and inner[0].count == scope.count


def _is_list(scope: Scope, inner: Sequence[Scope]) -> bool:
    """Whether a module is nothing but the numbered modules in it."""
    numbered = all(one.label.rpartition(".")[2].isdigit() for one in inner)
    return numbered and sum(one.count for one in inner) == scope.count
