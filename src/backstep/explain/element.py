"""One number of what leaves: which numbers of what arrives and of the local gradient it is made of."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from backstep.explain.step import Step
from backstep.trace.event import Array

Cell = tuple[int, int]
"""A place in a matrix: row, column. Of more than two dims all but the last are folded into the rows."""
SINGLE, HALF = 1e-4, 2e-2
"""How far a sum may be from what was recorded, as a share of its terms, by the precision of the run."""


@dataclass(frozen=True, slots=True)
class Term:
    """A number that arrived, times a number of the local gradient, and where both stand."""

    upstream: float
    factor: float
    arrived_at: Cell
    local_at: Cell

    @property
    def product(self) -> float:
        return self.upstream * self.factor


@dataclass(frozen=True, slots=True)
class Element:
    """The number at `at` and its terms, the greatest first. `local_name` is what the factors are taken from;
    `precision`: the rounding of a number, as a share of it."""

    at: tuple[int, ...]
    cell: Cell
    recorded: float
    terms: tuple[Term, ...]
    arrived: Array
    local: Array
    left: Array
    local_name: str
    precision: float = SINGLE

    @property
    def total(self) -> float:
        return math.fsum(term.product for term in self.terms) if self.finite else math.nan

    @property
    def finite(self) -> bool:
        return all(math.isfinite(term.product) for term in self.terms)

    @property
    def agrees(self) -> bool:
        """Whether the terms add up to what was recorded, to the rounding of the terms and of all that leaves."""
        if not self.finite:
            return False
        size = math.fsum(abs(term.product) for term in self.terms)
        largest = float(np.abs(self.left[np.isfinite(self.left)]).max(initial=0))
        return abs(self.total - self.recorded) <= self.precision * (size + largest / 100) + 1e-30


class NoElement(Exception):
    """There is nothing to look into; the message says why."""


def element(step: Step, at: tuple[int, ...]) -> Element:
    """The element of what leaves by a step's edge at this index; raises `NoElement` with the reason."""
    arrived = None if step.arrived is None else step.arrived.array
    left = None if step.left is None else step.left.array
    if step.left is None:
        raise NoElement("nothing leaves by this edge")
    if left is None or arrived is None:
        raise NoElement("the numbers that arrive or leave were not kept")
    if np.iscomplexobj(left) or np.iscomplexobj(arrived):
        raise NoElement("complex numbers: the local gradient counts them as pairs")
    if not left.size:
        raise NoElement("nothing leaves: there are no numbers in it")
    found = by_operand(step, at, arrived) or by_local(step, at, arrived, left)
    terms, local, name = found
    ordered = tuple(sorted(terms, key=lambda term: -abs(term.product)))
    precision = HALF if step.in_half else SINGLE
    return Element(
        at, cell_of(at, left), float(left[at]), ordered, folded(arrived), local, folded(left), name, precision
    )


def by_operand(step: Step, at: tuple[int, ...], arrived: Array) -> tuple[list[Term], Array, str] | None:
    """Of a matrix product: a row or a column of what arrives times one of the other matrix."""
    value = step.story.operand
    other = None if value is None else value.array
    if value is None or other is None or step.kind == "Mv" or arrived.ndim != other.ndim or len(at) != other.ndim:
        return None
    *batch, row, column = at
    first = step.story.index == (0 if step.kind in ("Mm", "Bmm") else 1)
    if first:
        places = [((*batch, row, k), (*batch, column, k)) for k in range(arrived.shape[-1])]
    else:
        places = [((*batch, i, column), (*batch, i, row)) for i in range(arrived.shape[-2])]
    terms = [
        Term(float(arrived[there]), float(other[factor]), cell_of(there, arrived), cell_of(factor, other))
        for there, factor in places
    ]
    return terms, folded(other), step.operand_name


def by_local(step: Step, at: tuple[int, ...], arrived: Array, left: Array) -> tuple[list[Term], Array, str]:
    """By the local gradient: of an elementwise op where this number was used, else a column of the Jacobian."""
    local = step.story.edge.local
    matrix = None if local is None else local.array
    if local is None or matrix is None:
        why = step.story.edge.why if local is None else local.omitted
        raise NoElement(f"the local gradient was not kept: {why or 'no reason given'}")
    if local.form == "elementwise":
        lead = arrived.ndim - left.ndim
        own = (*(slice(None) for _ in range(lead)), *(slice(None) if n == 1 else slice(i, i + 1)
               for i, n in zip(at, left.shape, strict=True)))  # fmt: skip
        chosen = np.zeros(arrived.shape, bool)
        chosen[own] = True
        there = [tuple(int(i) for i in index) for index in np.argwhere(chosen)]
        terms = [
            Term(float(arrived[i]), float(matrix[i]), cell_of(i, arrived), cell_of(i, matrix)) for i in there
        ]
        return terms, folded(matrix), "local gradient"
    if matrix.size != arrived.size * left.size:
        raise NoElement("the local gradient has another shape than what arrives and leaves")
    flat, place = matrix.reshape(arrived.size, left.size), int(np.ravel_multi_index(at, left.shape)) if at else 0
    ups = arrived.ravel()
    terms = [
        Term(float(ups[k]), float(flat[k, place]), divmod(k, width(arrived)), (k, place))
        for k in np.flatnonzero(flat[:, place]).tolist()
    ]
    return terms, flat, "Jacobian, outputs by inputs"


def width(array: Array) -> int:
    return array.shape[-1] if array.ndim else 1


def folded(array: Array) -> Array:
    """Two dims: all but the last are one."""
    return array.reshape(-1, width(array)) if array.size else array.reshape(0, 0)


def cell_of(at: tuple[int, ...], array: Array) -> Cell:
    place = int(np.ravel_multi_index(at, array.shape)) if at else 0
    return divmod(place, width(array))


def largest(array: Array) -> tuple[int, ...]:
    """Where the greatest number of an array is, by size: what is looked into first."""
    finite = np.where(np.isfinite(array), np.abs(array), 0)
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(finite)), array.shape)) if array.ndim else ()
