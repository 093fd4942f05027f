"""The chain rule over a whole way: from the root of a backward pass to one edge or leaf, path by path.

The part of a path is worked out from the recorded local gradients, link by link; that the parts add up to the
gradient that was recorded is checked before it is said.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from backstep.explain.chain_rule import twin
from backstep.explain.labels import edge_label, result_label
from backstep.trace.event import AccumulateEvent, Array, BackwardEvent, Edge, Value
from backstep.trace.memo import per_trace
from backstep.trace.records import Backward, BackwardStart
from backstep.trace.trace import Trace

LONGEST_PASS = 4096
"""Events of a pass that are looked through; in a longer one no path is followed."""
MOST_PATHS = 8
"""Paths that are told one by one; where there are more, those that end alike are one."""
LARGEST = 1 << 16
"""Entries of a local gradient that is multiplied out."""

SINGLE, HALF = 1e-3, 5e-2
"""How far the sum of the parts may be from the recorded gradient, as a share of it, by the precision on the way."""


DIRECT = "the direct way"
"""What a path is called that goes through nothing that the others avoid: past the block of a residual net."""


@dataclass(frozen=True, slots=True)
class Link:
    """A node that passes a gradient on, and by which of its edges."""

    event: BackwardEvent
    index: int

    @property
    def edge(self) -> Edge:
        return self.event.edges[self.index]

    @property
    def factor(self) -> float | None:
        """The local gradient, if it is one number."""
        return None if self.edge.local is None else self.edge.local.scalar


@dataclass(frozen=True, slots=True)
class Path:
    """A way from the root: its links in the order in which they ran, and its part of the gradient at their end.

    `count`: how many paths it stands for, that have their last links in common. `part` is None where a local
    gradient on the way was not kept.
    """

    links: tuple[Link, ...]
    seed: float | None
    part: Array | None
    count: int = 1

    @property
    def factors(self) -> tuple[float, ...] | None:
        """The seed, unless it is 1, and the local gradients, where each of them is one number."""
        numbers = [link.factor for link in self.links]
        if self.count > 1 or self.seed is None or any(factor is None for factor in numbers):
            return None
        told = [factor for factor in numbers if factor is not None]
        return tuple(told) if self.seed == 1 else (self.seed, *told)


@dataclass(frozen=True, slots=True)
class Chain:
    """All paths to one place, and what was recorded there. `agrees`: the parts are all known and add up to it."""

    paths: tuple[Path, ...]
    count: int
    recorded: Value
    agrees: bool


class Pass:
    """The edges of a backward pass: who sent a gradient to whom. Its events are decoded when a path is told."""

    def __init__(self, trace: Trace, first: int, last: int) -> None:
        self.trace = trace
        self.into: dict[int, list[tuple[int, int]]] = {}
        """For each node, the edges (position, index) that sent it a gradient, in order."""
        self.leaves: dict[int, list[tuple[int, int]]] = {}
        """For each leaf, the same."""
        self.ways: dict[int, int] = {}
        """How many paths lead from the root to the node that ran at each position."""
        start = trace.row(first)
        number = start.number if isinstance(start, BackwardStart) else -1
        for at in range(first, last + 1):
            row = trace.row(at)
            if isinstance(row, Backward) and row.number == number:
                self._take(at, row)

    def _take(self, at: int, row: Backward) -> None:
        self.ways[at] = sum(self.ways[sender] for sender, _ in self.into.get(row.node, ())) or 1
        for index, edge in enumerate(row.edges):
            if edge.downstream is not None and edge.leaf >= 0:
                self.leaves.setdefault(edge.leaf, []).append((at, index))
            elif edge.downstream is not None and edge.node >= 0:
                self.into.setdefault(edge.node, []).append((at, index))

    def link(self, at: int, index: int) -> Link:
        event = self.trace.event(at)
        assert isinstance(event, BackwardEvent)
        return Link(event, index)

    def paths_to(self, node: int) -> Iterator[tuple[Link, ...]]:
        """Every path from the root to a node."""
        senders = self.into.get(node, [])
        if not senders:
            yield ()
        for at, index in senders:
            link = self.link(at, index)
            for before in self.paths_to(link.event.node):
                yield (*before, link)

    def follow(self, links: tuple[Link, ...]) -> Path:
        """A path with its part of the gradient, from the seed on."""
        first = links[0].event
        seeds = [value for value in first.upstream if value is not None]
        seed = seeds[0].scalar if len(seeds) == 1 else None
        return Path(links, seed, carried(seeds_of(first), links))

    def gathered(self, link: Link) -> Path:
        """All paths that end with this link, as one: its part is what left there."""
        left = link.edge.downstream
        part = None if left is None or left.array is None else left.array.astype(np.float64)
        return Path((link,), None, part, self.ways[link.event.position])


@per_trace(4)
def pass_between(trace: Trace, first: int, last: int) -> Pass:
    return Pass(trace, first, last)


def chain_to_edge(trace: Trace, event: BackwardEvent, index: int) -> Chain | None:
    """The paths from the root through this node and out by one of its edges; None where they cannot be followed."""
    recorded = event.edges[index].downstream
    told = followed(trace, event.position)
    if recorded is None or told is None or event.position not in told.ways:
        return None
    last, count = Link(event, index), told.ways[event.position]
    if count <= MOST_PATHS:
        paths = [told.follow((*before, last)) for before in told.paths_to(event.node)]
    else:
        before = [told.gathered(told.link(*sender)) for sender in told.into[event.node]]
        paths = [Path((path.links[0], last), None, carried_on(path, last), path.count) for path in before]
    return chained(paths, count, recorded)


def chain_to_leaf(trace: Trace, event: AccumulateEvent) -> Chain | None:
    """The paths from the root to a leaf, in the pass that accumulates into it here."""
    told = followed(trace, event.position)
    links = [] if told is None else [told.link(*sender) for sender in told.leaves.get(event.number, [])]
    if told is None or not links:
        return None
    count = sum(told.ways[link.event.position] for link in links)
    if count <= MOST_PATHS:
        paths = [told.follow((*before, link)) for link in links for before in told.paths_to(link.event.node)]
    else:
        paths = [told.gathered(link) for link in links]
    return chained(paths, count, event.arrived)


def followed(trace: Trace, position: int) -> Pass | None:
    """The pass around a position; None outside of one, and where it is too long."""
    first, last = trace.span_of_pass(position)
    return None if first == last or last - first > LONGEST_PASS else pass_between(trace, first, last)


def chained(paths: list[Path], count: int, recorded: Value) -> Chain:
    """The paths with their sum compared to what was recorded."""
    parts = [path.part for path in paths]
    known = [part for part in parts if part is not None]
    there = recorded.array
    precision = HALF if any(map(in_half, paths)) else SINGLE
    agrees = there is not None and len(known) == len(parts) and adds_up(known, there, precision)
    return Chain(tuple(paths), count, recorded, agrees)


def in_half(path: Path) -> bool:
    """Whether a gradient on the way was of half precision."""
    left = [link.edge.downstream for link in path.links]
    return any(value is not None and value.dtype in ("bfloat16", "float16") for value in left)


def adds_up(parts: list[Array], recorded: Array, precision: float) -> bool:
    """Whether the sum of the parts is what was recorded, to the rounding on the way."""
    if any(part.shape != recorded.shape for part in parts) or np.iscomplexobj(recorded):
        return False
    total = sum(parts[1:], parts[0])
    scale = sum(float(np.abs(part).max(initial=0)) for part in parts)
    with np.errstate(invalid="ignore"):
        return bool(np.allclose(total, recorded, rtol=precision, atol=precision / 100 * scale + 1e-30, equal_nan=True))


def seeds_of(event: BackwardEvent) -> list[Array | None]:
    """What arrives at a node from outside of the pass, for each of its outputs."""
    return [
        None if value is None or value.array is None else value.array.astype(np.float64) for value in event.upstream
    ]


def carried(arriving: list[Array | None], links: tuple[Link, ...]) -> Array | None:
    """The gradient that comes out at the end of a path alone, or None where something on the way was not kept."""
    path = Path(links[:1], None, through(links[0], arriving))
    for link in links[1:]:
        path = Path((link,), None, carried_on(path, link))
    return path.part


def carried_on(path: Path, link: Link) -> Array | None:
    """The part of a path one link further."""
    arriving: list[Array | None] = [None if value is None else np.zeros(value.shape) for value in link.event.upstream]
    output = (path.links[-1].edge.to or {}).get("output", 0)
    if path.part is None or output >= len(arriving) or arriving[output] is None:
        return None
    arriving[output] = path.part
    return through(link, arriving)


def through(link: Link, arriving: list[Array | None]) -> Array | None:
    """What leaves by an edge when this arrives: upstream times local, summed to the input's shape."""
    local, left = link.edge.local, link.edge.downstream
    matrix = None if local is None else local.array
    if local is None or matrix is None or left is None or matrix.size > LARGEST or link.edge.hooked:
        return None
    if np.iscomplexobj(matrix) or left.dtype.startswith("complex"):
        return None
    there = [gradient for gradient in arriving if gradient is not None]
    if not there or len(there) != sum(value is not None for value in arriving):
        return None
    if local.form == "elementwise":
        if there[0].shape != matrix.shape:
            return None
        return summed_to(there[0] * matrix, left.shape)
    flat = np.concatenate([gradient.ravel() for gradient in there])
    if matrix.size != flat.size * (matrix.size // max(1, flat.size)) or not flat.size:
        return None
    inputs = matrix.shape[1:] if len(link.event.upstream) > 1 else matrix.shape[there[0].ndim :]
    return summed_to((flat @ matrix.reshape(flat.size, -1)).reshape(inputs), left.shape)


def summed_to(product: Array, shape: tuple[int, ...]) -> Array | None:
    """Summed over what was broadcast."""
    lead = product.ndim - len(shape)
    if lead < 0:
        return None
    total = product.sum(axis=tuple(range(lead)))
    axes = tuple(axis for axis, size in enumerate(shape) if size == 1 and total.shape[axis] != 1)
    total = total.sum(axis=axes, keepdims=True)
    return total if total.shape == shape else None


def tell_apart(trace: Trace, chain: Chain) -> list[str]:
    """What is peculiar to each path: the values that it goes through and the others do not."""
    names = [[called(trace, link) for link in path.links[:-1] if link.edge.input] for path in chain.paths]
    common = set.intersection(*map(set, names)) if names else set()
    told = [[name for name in way if name not in common] for way in names]
    last = {path.links[-1].event.position for path in chain.paths}
    ends = [f"its use in {used_in(trace, path.links[-1])}" if len(last) > 1 else DIRECT for path in chain.paths]
    return [", ".join(way) or end for way, end in zip(told, ends, strict=True)]


def used_in(trace: Trace, link: Link) -> str:
    """What the node of a link made."""
    return result_label(trace, link.event, twin(trace, link.event))


def called(trace: Trace, link: Link) -> str:
    """The value that a link leads to."""
    return edge_label(trace, link.event, link.edge)


def product_is(path: Path, result: float) -> bool:
    """Whether the factors of a path multiply to this."""
    factors = path.factors
    if factors is None:
        return False
    made = math.prod(factors)
    both_bad = not math.isfinite(made) and not math.isfinite(result)
    return both_bad or math.isclose(made, result, rel_tol=1e-3, abs_tol=1e-30)
