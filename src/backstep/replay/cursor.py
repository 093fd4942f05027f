"""The cursor: where one is in a trace, and every way to move.

Words: a *step* is one event; small letters go forward, capitals make the same motion back. A motion that
cannot be made returns the reason, in words, and moves nothing.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from typing import Any

from backstep.replay import nodes
from backstep.replay.moment import Moment, PhaseSpan, iteration_span, phase_spans
from backstep.replay.nodes import Node
from backstep.replay.runs import Numbers, runs_of
from backstep.replay.steps import step_from
from backstep.replay.tree import Scope
from backstep.trace.trace import Trace

REMEMBERED = 1000
"""Jumps that can be taken back."""


class Cursor:
    """A place in a trace: a position, and a depth, which says how many of the scopes that end there are meant as a
    whole. Motions return None, or why they did not move."""

    def __init__(self, trace: Trace, position: int = 0) -> None:
        self.trace = trace
        self.node = Node(position)
        self._came_from: tuple[int, int] | None = None
        self._behind: list[Node] = []
        self._ahead: list[Node] = []

    @property
    def position(self) -> int:
        return self.node.position

    def moment(self) -> Moment:
        """The moment at the cursor."""
        return Moment(self.trace, self.position)

    @property
    def whole(self) -> Scope | None:
        """The scope that is meant as a whole, if one is."""
        return nodes.whole_at(self.trace, self.node)

    def goto(self, position: int) -> str | None:
        """Goes to an event."""
        if not 0 <= position < len(self.trace):
            return f"there is no event {position}"
        return self._go(Node(position))

    def _go(self, node: Node) -> str | None:
        """Goes there; a jump longer than one event is remembered."""
        if abs(node.position - self.position) > 1:
            self.remember()
        self._came_from = None
        self.node = node
        return None

    def step(self, direction: int) -> str | None:
        """One event forward (1) or back (-1)."""
        position = step_from(self.trace, self.position, direction)
        if position is None:
            return self._end(direction)
        self._came_from = None
        self.node = Node(position)
        return None

    def _end(self, direction: int) -> str:
        if direction < 0:
            return "first event recorded"
        status = self.trace.header["exit"]["status"]
        if self.trace.stopped:
            return f"last event recorded: the recording stopped, {self.trace.stopped}"
        why = {
            "running": "the script is still running",
            "exception": "the script stopped with an exception",
            "interrupted": "the script was interrupted",
            "killed": "the recording was cut off",
        }.get(status, "the script finished")
        return f"last event recorded: {why}"

    def first(self) -> str | None:
        """The first event."""
        return self.goto(0)

    def last(self) -> str | None:
        """The last event."""
        return self.goto(len(self.trace) - 1)

    # the tree of scopes

    def over(self, direction: int) -> str | None:
        """The next / previous node beside this one, or else beside the one around it."""
        move = nodes.following if direction > 0 else nodes.preceding
        return self._go_to_node(move(self.trace, self.node), self._end(direction))

    def into(self, direction: int) -> str | None:
        """Into the next node; back: into the one that just ran, from its end."""
        move = nodes.first_inside if direction > 0 else nodes.last_inside
        return self._go_to_node(move(self.trace, self.node), self._end(direction))

    def out(self, direction: int) -> str | None:
        """To the end of the scope around this node; back: to its first event."""
        if direction > 0:
            return self._go_to_node(nodes.end_of_parent(self.trace, self.node), "nothing is around the whole run")
        return self._go_to_node(nodes.start_of_parent(self.trace, self.node), "this is where the run starts")

    def _go_to_node(self, node: Node | None, otherwise: str) -> str | None:
        return otherwise if node is None else self._go(node)

    # the run

    def phase(self, direction: int) -> str | None:
        """The start of the next phase; back: of this one, then of the previous."""
        first, last = iteration_span(self.trace, self.position)
        starts = [span.first for span in self._phases(self.position)]
        if direction > 0:
            later = [start for start in starts if start > self.position]
            if later:
                return self.goto(later[0])
            return self.goto(last + 1) if last + 1 < len(self.trace) else self._end(1)
        earlier = [start for start in starts if start < self.position]
        if earlier:
            return self.goto(earlier[-1])
        if first == 0:
            return "the first phase recorded" if self.position == 0 else self.goto(0)
        return self.goto(self._phases(first - 1)[-1].first)

    def _phases(self, position: int) -> tuple[PhaseSpan, ...]:
        return phase_spans(self.trace, *iteration_span(self.trace, position))

    def iteration(self, direction: int) -> str | None:
        """The start of the next iteration; back: of this one, then of the previous."""
        runs = runs_of(self.trace)
        keys = runs.inner_keys
        found = self._start(runs.inner, lambda at: keys[at] >= 0 and (at == 0 or keys[at] != keys[at - 1]), direction)
        if found is not None:
            return self.goto(found)
        if not (keys >= 0).any():
            return "no iterations were found: no backward pass in a loop"
        return f"this is the {'last' if direction > 0 else 'first'} iteration recorded"

    def epoch(self, direction: int) -> str | None:
        """The same for epochs: passes of the outermost loop that iterations lie in."""
        runs = runs_of(self.trace)
        found = self._start(runs.outer, lambda at: runs.outer_keys[at] > 0, direction)
        if found is not None:
            return self.goto(found)
        if not (runs.outer_keys > 0).any():
            return "no epochs: no loop was found that trains"
        return f"this is the {'last' if direction > 0 else 'first'} epoch recorded"

    def _start(self, starts: Numbers, counts: Callable[[int], Any], direction: int) -> int | None:
        """The nearest of the starts that count, after this position or before it."""
        at = bisect_right(starts, self.position) if direction > 0 else bisect_left(starts, self.position) - 1
        while 0 <= at < len(starts) and not counts(at):
            at += direction
        return int(starts[at]) if 0 <= at < len(starts) else None

    # twins

    def twin(self) -> str | None:
        """From a forward op to its backward event, and back to where one came from."""
        if self._came_from is not None and self._came_from[0] == self.position:
            return self._jump(self._came_from[1])
        moment = self.moment()
        if moment.twin is None:
            return "this event has no twin: " + self._why_no_twin(moment)
        return self._jump(moment.twin)

    def _jump(self, target: int) -> str | None:
        origin = self.position
        reason = self.goto(target)
        self._came_from = (target, origin)
        return reason

    @staticmethod
    def _why_no_twin(moment: Moment) -> str:
        event = moment.event
        if event.kind == "backward":
            return str(event["why"] or "its op was not recorded")
        if event.kind != "forward":
            return "only a forward op and its backward node are twins"
        if event["nodes"]:
            return "its node has not run in a backward pass"
        return "it made no autograd node"

    # history

    def back(self) -> str | None:
        """Back to where one was before the last jump that is not taken back."""
        return self._along(self._behind, self._ahead, "no jump to take back")

    def again(self) -> str | None:
        """Makes the jump again that was taken back last."""
        return self._along(self._ahead, self._behind, "no jump was taken back")

    def remember(self) -> None:
        """One can come back here."""
        self._behind = [*self._behind[1 - REMEMBERED :], self.node]
        self._ahead = []

    def unremembered(self, motion: Callable[[], str | None]) -> str | None:
        """Makes a motion that is one of many, which are not taken back one by one."""
        behind, ahead = self._behind, self._ahead
        reason = motion()
        self._behind, self._ahead = behind, ahead
        return reason

    def _along(self, source: list[Node], other: list[Node], otherwise: str) -> str | None:
        if not source:
            return otherwise
        other.append(self.node)
        self.node, self._came_from = source.pop(), None
        return None
