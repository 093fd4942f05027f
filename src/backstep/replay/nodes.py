"""Motion along the tree of scopes: to the next or the previous node, into one, and out of one.

A node is an event, or a scope meant as a whole: the position is then the last step of the scope, and `depth` says
which of the scopes that end there is meant, 0 being the event itself. No motion here looks further than the scopes
that it leaves and enters.
"""

from __future__ import annotations

from typing import NamedTuple

from backstep.replay.steps import step_from
from backstep.replay.tree import Scope, scopes_around
from backstep.trace.trace import Trace


class Node(NamedTuple):
    """Where the cursor is: a position, and how many of the scopes that end there are meant as a whole."""

    position: int
    depth: int = 0


def whole_at(trace: Trace, node: Node) -> Scope | None:
    """The scope that is meant as a whole; None where an event is."""
    ending = _ending(trace, node.position)
    return ending[min(node.depth, len(ending)) - 1] if node.depth and ending else None


def following(trace: Trace, node: Node) -> Node | None:
    """The next sibling, or the parent's where there is none; None at the end of the run."""
    ahead = step_from(trace, node.position, 1)
    return None if ahead is None else _as_node(trace, _met(trace, ahead, node.position), ahead)


def preceding(trace: Trace, node: Node) -> Node | None:
    """The previous sibling, or the parent's where there is none; None at the start of the run."""
    start = _start(trace, node)
    behind = step_from(trace, start, -1)
    return None if behind is None else _as_node(trace, _met(trace, behind, start), behind)


def first_inside(trace: Trace, node: Node) -> Node | None:
    """The first child of the next node; where that is an event, the event."""
    ahead = step_from(trace, node.position, 1)
    if ahead is None:
        return None
    met = _met(trace, ahead, node.position)
    return Node(ahead) if met is None else _as_node(trace, _child(trace, met, ahead), ahead)


def last_inside(trace: Trace, node: Node) -> Node | None:
    """The last child of the scope that is meant, or else of the previous node; where that is an event, the event."""
    whole = whole_at(trace, node)
    if whole is not None:
        return _as_node(trace, _child(trace, whole, node.position), node.position)
    behind = step_from(trace, node.position, -1)
    if behind is None:
        return None
    met = _met(trace, behind, node.position)
    return Node(behind) if met is None else _as_node(trace, _child(trace, met, behind), behind)


def end_of_parent(trace: Trace, node: Node) -> Node | None:
    """The scope around the node as a whole; None where nothing is around it."""
    whole = whole_at(trace, node)
    for scope in reversed(scopes_around(trace, node.position)):
        if scope.last_step >= node.position and _is_around(scope, whole):
            return _as_node(trace, scope, node.position)
    return None


def start_of_parent(trace: Trace, node: Node) -> Node | None:
    """The first event of the scope around the node; of the one around that where the node starts there."""
    whole = whole_at(trace, node)
    for scope in reversed(scopes_around(trace, node.position)):
        if _is_around(scope, whole) and scope.first_step < node.position:
            return Node(scope.first_step)
    return None


def _is_around(scope: Scope, whole: Scope | None) -> bool:
    """Whether a scope is larger than the one that is meant as a whole."""
    return whole is None or scope.first_step < whole.first_step or scope.last_step > whole.last_step


def _start(trace: Trace, node: Node) -> int:
    whole = whole_at(trace, node)
    return node.position if whole is None else whole.first_step


def _ending(trace: Trace, position: int) -> list[Scope]:
    """The scopes whose last step is here, the innermost first."""
    return [scope for scope in reversed(scopes_around(trace, position)) if scope.last_step == position]


def _met(trace: Trace, position: int, coming_from: int) -> Scope | None:
    """The largest scope at a position that one does not come from; None where that is the event alone."""
    return next((scope for scope in scopes_around(trace, position) if coming_from not in scope), None)


def _child(trace: Trace, scope: Scope, position: int) -> Scope | None:
    """The scope directly in another that a position lies in."""
    inside = [s for s in scopes_around(trace, position) if s.first >= scope.first and s.last <= scope.last]
    return next((s for s in inside if (s.first_step, s.last_step) != (scope.first_step, scope.last_step)), None)


def _as_node(trace: Trace, scope: Scope | None, position: int) -> Node:
    if scope is None:
        return Node(position)
    spans = [(s.first_step, s.last_step) for s in _ending(trace, scope.last_step)]
    return Node(scope.last_step, spans.index((scope.first_step, scope.last_step)) + 1)
