"""The trace checks itself: upstream x local = downstream for every edge, and every sum is the sum of its parts.

What is compared was recorded independently: the local gradient was asked of the node apart from its run. What
cannot be checked is counted by its reason, never as held.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from backstep.trace.batch import KIND_CODE
from backstep.trace.event import AccumulateEvent, Array, BackwardEvent, Edge, Value
from backstep.trace.hooked import adds_up, arrivals, rows_of_pass
from backstep.trace.reasons import grouped
from backstep.trace.rounding import as_real, difference, largest, relative_error, rounding, tolerance

if TYPE_CHECKING:
    from backstep.trace.trace import Trace

SHOWN_FAILURES = 50
"""How many failures are printed in full; all are counted."""
SHOWN_NUMBERS = 4


class Unchecked(Exception):
    """There is nothing to compare; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two numbers that should be one, where they are worst: what was worked out and what was recorded."""

    position: int
    subject: str
    error: float
    allowed: float
    expected: tuple[float, ...] = ()
    recorded: tuple[float, ...] = ()
    cancelled: bool = False
    """The terms cancel out: the sum is nearly nothing beside them, and right to the rounding of the terms."""

    @property
    def holds(self) -> bool:
        return self.error <= self.allowed


@dataclass(slots=True)
class Tally:
    """The comparisons of one kind: how many held, the worst, those that failed, and why others were not made."""

    held: int = 0
    cancelled: int = 0
    worst: Comparison | None = None
    failures: list[Comparison] = field(default_factory=list)
    unchecked: Counter[str] = field(default_factory=Counter)

    @property
    def checked(self) -> int:
        return self.held + len(self.failures)

    def take(self, comparison: Comparison) -> None:
        if comparison.holds:
            self.held += 1
            self.cancelled += comparison.cancelled
        else:
            self.failures.append(comparison)
        if self.worst is None or comparison.error > self.worst.error:
            self.worst = comparison


@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify` found: products of edges, sums of contributions, accumulations into leaves."""

    edges: Tally = field(default_factory=Tally)
    sums: Tally = field(default_factory=Tally)
    leaves: Tally = field(default_factory=Tally)

    @property
    def failures(self) -> list[Comparison]:
        return [*self.edges.failures, *self.sums.failures, *self.leaves.failures]

    @property
    def checked(self) -> int:
        return self.edges.checked + self.sums.checked + self.leaves.checked


def verify(trace: Trace) -> Verification:
    """Checks every backward pass of a trace, the one that was cut off too."""
    found = Verification()
    for position in positions(trace, "backward"):
        event = trace.event(position)
        if isinstance(event, BackwardEvent):
            _check_node(event, found.edges)
    for position in positions(trace, "backward_start"):
        _check_sums(trace, position, found.sums)
    for position in positions(trace, "accumulate"):
        event = trace.event(position)
        if isinstance(event, AccumulateEvent):
            _check_leaf(event, found.leaves)
    return found


def positions(trace: Trace, kind: str) -> list[int]:
    """Where the events of this kind are."""
    return [int(at) for at in np.flatnonzero(trace.columns["kind"] == KIND_CODE[kind])]


def _check_node(event: BackwardEvent, tally: Tally) -> None:
    for edge in event.edges:
        if not edge.needed:
            continue
        try:
            tally.take(check_edge(event, edge))
        except Unchecked as reason:
            tally.unchecked[str(reason)] += 1


def check_edge(event: BackwardEvent, edge: Edge) -> Comparison:
    """Compares upstream x local with downstream; raises `Unchecked` with the reason where it cannot."""
    local = edge.local
    if local is None:
        raise Unchecked(edge.why or "local gradient not kept")
    factor = local.array
    if factor is None:
        raise Unchecked(f"local gradient not kept: {local.omitted or edge.why or 'no reason given'}")
    upstream = [_kept(value, "upstream") for value in event.upstream if value is not None]
    if not upstream:
        raise Unchecked("no gradient arrived")
    if edge.downstream is None:
        raise Unchecked(edge.why or "no gradient left")
    downstream = _kept(edge.downstream, "downstream")
    if edge.hooked:
        raise Unchecked("a user's hook replaced the gradient")
    if not (np.isfinite(factor).all() and all(np.isfinite(array).all() for array in upstream)):
        raise Unchecked("NaN or Inf in upstream or local")
    wide = factor.astype(np.float64)
    shape, several = downstream.shape, len(event.upstream) > 1
    if local.form == "elementwise":
        product = _elementwise(upstream, wide, shape)
    else:
        product = _contract(upstream, wide, shape, several=several)
    allowed = tolerance(edge.downstream.dtype, *(value.dtype for value in event.upstream if value is not None))
    subject = f"{event.op} -> {edge.input or _target(edge)}"
    return _compare(Comparison(event.position, subject, 0.0, allowed), product, downstream, edge.downstream.dtype)


def _kept(value: Value, what: str) -> Array:
    """The numbers of a value, complex ones as real pairs."""
    array = value.array
    if array is None:
        raise Unchecked(f"{what} not kept: {value.omitted or 'no reason given'}")
    return as_real(array.reshape(value.shape))


@dataclass(frozen=True, slots=True)
class Total:
    """Sums of products: their values, the magnitudes of the terms of each together, and how many terms that were."""

    values: Array
    magnitudes: Array
    terms: int


def _elementwise(upstream: list[Array], local: Array, shape: tuple[int, ...]) -> Total:
    if len(upstream) != 1:
        raise Unchecked("an elementwise local gradient of several outputs")
    product = upstream[0].astype(np.float64) * local
    total = _reduced(product, shape)
    return Total(total, _reduced(np.abs(product), shape), _terms(product, total))


def _contract(upstream: list[Array], local: Array, shape: tuple[int, ...], *, several: bool) -> Total:
    """Upstream times a Jacobian: of several outputs those that a gradient arrived at, one after the other."""
    arrived = np.concatenate([array.ravel() for array in upstream]).astype(np.float64)
    outputs = local.shape[:1] if several else upstream[0].shape
    if local.shape[: len(outputs)] != outputs or prod(outputs) != arrived.size:
        raise Unchecked("a local Jacobian of another shape than upstream")
    inputs = local.shape[len(outputs) :]
    matrix = local.reshape(arrived.size, prod(inputs))
    product = (arrived @ matrix).reshape(inputs)
    total = _reduced(product, shape)
    magnitudes = _reduced((np.abs(arrived) @ np.abs(matrix)).reshape(inputs), shape)
    return Total(total, magnitudes, _terms(product, total) * max(arrived.size, 1))


def _reduced(product: Array, shape: tuple[int, ...]) -> Array:
    """Sums over what was broadcast, as the engine does once a node has run."""
    if product.shape != shape:
        lead = product.ndim - len(shape)
        if lead < 0:
            raise Unchecked("a local gradient of another shape than downstream")
        product = product.sum(axis=tuple(range(lead)))
        axes = tuple(axis for axis, length in enumerate(shape) if length == 1 and product.shape[axis] != 1)
        product = product.sum(axis=axes, keepdims=True)
    if product.shape != shape:
        raise Unchecked("a local gradient of another shape than downstream")
    return product


def _terms(product: Array, total: Array) -> int:
    return max(product.size // max(total.size, 1), 1)


def _target(edge: Edge) -> str:
    to = edge.to or {}
    return str(to["leaf"]) if "leaf" in to else f"node {to.get('node')}"


def _check_sums(trace: Trace, start: int, tally: Tally) -> None:
    """Contributions add up to what arrived. Where they do not, a hook came between: the trace knows no other way."""
    first, last = trace.span_of_pass(start)
    for arrival in arrivals(rows_of_pass(trace, first, last)):
        verdict = adds_up(trace, arrival)
        if verdict:
            tally.held += 1
        else:
            known = "not kept" if verdict is None else "a user's hook replaced the gradient"
            tally.unchecked[known] += 1


def _check_leaf(event: AccumulateEvent, tally: Tally) -> None:
    try:
        tally.take(check_accumulation(event))
    except Unchecked as reason:
        tally.unchecked[str(reason)] += 1


def check_accumulation(event: AccumulateEvent) -> Comparison:
    """Compares before + arrived with after."""
    if event.after is None:
        raise Unchecked("the gradient is gone")
    arrived, after = _kept(event.arrived, "what arrived"), _kept(event.after, "the gradient")
    before = None if event.before is None else _kept(event.before, "the gradient before")
    parts = [arrived.astype(np.float64)] if before is None else [before.astype(np.float64), arrived]
    if not all(np.isfinite(part).all() for part in parts):
        raise Unchecked("NaN or Inf in what arrived or was there")
    if any(part.shape != after.shape for part in parts):
        raise Unchecked("parts of another shape than the gradient")
    total = Total(sum(parts[1:], parts[0]), sum((np.abs(part) for part in parts), np.zeros(after.shape)), 2)
    allowed = tolerance(event.after.dtype, event.arrived.dtype)
    comparison = Comparison(event.position, f"{event.tensor}.grad", 0.0, allowed)
    return _compare(comparison, total, after, event.after.dtype)


def _compare(made: Comparison, total: Total, recorded: Array, dtype: str) -> Comparison:
    """The comparison with its error, and where it fails its numbers, the worst first."""
    error = relative_error(total.values, recorded, dtype, total.terms)
    if error <= made.allowed:
        return replace(made, error=error)
    gap = difference(total.values, recorded, dtype)
    if (gap <= rounding(dtype, total.magnitudes)).all():
        return replace(made, error=float(gap.max()) / largest(total.magnitudes), cancelled=True)
    worst = np.argsort(-gap.ravel(), kind="stable")[:SHOWN_NUMBERS]
    expected, there = total.values.ravel()[worst].tolist(), recorded.ravel()[worst].tolist()
    return replace(made, error=error, expected=tuple(expected), recorded=tuple(there))


def report(found: Verification) -> Iterator[str]:
    """The lines that `backstep verify` prints."""
    if not found.checked:
        yield "nothing to check: no backward step whose numbers are kept"
    else:
        yield from _tally_lines(found.edges, "edges hold (upstream x local = downstream)")
        yield from _tally_lines(found.sums, "sums hold (contributions = upstream)")
        yield from _tally_lines(found.leaves, "accumulations hold (before + arrived = after)")
    for tally, what in ((found.edges, "edge"), (found.sums, "sum"), (found.leaves, "accumulation")):
        for reason, count in grouped(tally.unchecked):
            yield f"not checked: {count:,} {what}{'s' if count != 1 else ''}: {reason}"
    yield from _failure_lines(found.failures)


def _tally_lines(tally: Tally, words: str) -> Iterator[str]:
    if not tally.checked:
        return
    worst = ""
    if tally.worst is not None and tally.worst.error:
        worst = f"; largest relative error {tally.worst.error:.2g} at #{tally.worst.position}"
    elif tally.worst is not None:
        worst = "; all exactly"
    yield f"{tally.held:,} of {tally.checked:,} {words}{worst}"
    if tally.cancelled:
        yield f"{tally.cancelled:,} of them are nearly nothing, since their terms cancel: right to the terms' rounding"


def _failure_lines(failures: list[Comparison]) -> Iterator[str]:
    for failure in failures[:SHOWN_FAILURES]:
        expected = ", ".join(f"{number:.9g}" for number in failure.expected)
        recorded = ", ".join(f"{number:.9g}" for number in failure.recorded)
        yield (
            f"FAILS at #{failure.position}: {failure.subject}: worked out {expected}, recorded {recorded} "
            f"(relative error {failure.error:.2g}, allowed {failure.allowed:g})"
        )
    if len(failures) > SHOWN_FAILURES:
        yield f"and {len(failures) - SHOWN_FAILURES:,} more"
