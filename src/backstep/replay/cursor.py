"""The cursor: where one is in a trace, and every way to move.

Words: a *step* is one event; small letters go forward, capitals make the same motion back. A motion that
cannot be made returns the reason, in words, and moves nothing.
"""

from __future__ import annotations

import numpy as np

from backstep.replay.moment import Moment, iteration_span, phase_spans
from backstep.trace.batch import KIND_CODE
from backstep.trace.trace import Trace

PASSED_OVER = (KIND_CODE["output"], KIND_CODE["backward_end"])
"""What a step goes over: nothing is computed there. Events shows them."""


class Cursor:
    """A position in a trace. Motions return None, or why they did not move."""

    def __init__(self, trace: Trace, position: int = 0) -> None:
        self.trace = trace
        self.position = position
        self._came_from: tuple[int, int] | None = None

    def moment(self) -> Moment:
        """The moment at the cursor."""
        return Moment(self.trace, self.position)

    def goto(self, position: int) -> str | None:
        """Goes to an event."""
        if not 0 <= position < len(self.trace):
            return f"there is no event {position}"
        self._came_from = None
        self.position = position
        return None

    def step(self, direction: int) -> str | None:
        """One event forward (1) or back (-1)."""
        position = self.position + direction
        while 0 <= position < len(self.trace) and self.trace.kind_at(position) in PASSED_OVER:
            position += direction
        if not 0 <= position < len(self.trace):
            return self._end(direction)
        return self.goto(position)

    def _end(self, direction: int) -> str:
        if direction < 0:
            return "first event recorded"
        status = self.trace.header["exit"]["status"]
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

    def phase(self, direction: int) -> str | None:
        """The start of the next phase; back: of this one, then of the previous."""
        starts = self._phase_starts(self.position)
        if direction > 0:
            later = [start for start in starts if start > self.position]
            if later:
                return self.goto(later[0])
            _, last = iteration_span(self.trace, self.position)
            return self.goto(last + 1) if last + 1 < len(self.trace) else self._end(1)
        earlier = [start for start in starts if start < self.position]
        if earlier:
            return self.goto(earlier[-1])
        first, _ = iteration_span(self.trace, self.position)
        if first == 0:
            return "the first phase recorded" if self.position == 0 else self.goto(0)
        return self.goto(self._phase_starts(first - 1)[-1])

    def _phase_starts(self, position: int) -> list[int]:
        return [span.first for span in phase_spans(self.trace, *iteration_span(self.trace, position))]

    def iteration(self, direction: int) -> str | None:
        """The start of the next iteration; back: of this one, then of the previous."""
        numbers = self._iterations()
        if not (numbers >= 0).any():
            return "no iterations were found: no backward pass in a loop"
        return self._unit(numbers, direction, "iteration")

    def epoch(self, direction: int) -> str | None:
        """The same for epochs: passes of the outermost loop."""
        numbers = self._epochs()
        if not (numbers >= 0).any():
            return "no epochs: nothing was recorded in a loop"
        return self._unit(numbers, direction, "epoch")

    def _unit(self, numbers: np.ndarray[tuple[int], np.dtype[np.int64]], direction: int, word: str) -> str | None:
        contexts = self.trace.columns["context"][: len(self.trace)]
        of_event = numbers[contexts]
        starts = np.flatnonzero((of_event >= 0) & np.concatenate(([True], of_event[1:] != of_event[:-1])))
        if direction > 0:
            later = starts[starts > self.position]
            return self.goto(int(later[0])) if len(later) else f"this is the last {word} recorded"
        earlier = starts[starts < self.position]
        return self.goto(int(earlier[-1])) if len(earlier) else f"this is the first {word} recorded"

    def _iterations(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return np.array([-1 if n is None else n for n in self.trace.iterations.numbers], np.int64)

    def _epochs(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        outermost = np.full(len(self.trace.iterations.numbers), -1, np.int64)
        for context in range(1, len(outermost)):
            parent = self.trace.iterations.row(context).parent
            outermost[context] = outermost[parent] if parent > 0 else context
        return outermost

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
