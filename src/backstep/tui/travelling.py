"""What the app does when one asks to be led somewhere: writes and uses, anomalies, marks, `g` and `/`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from string import ascii_lowercase
from typing import Any

from backstep.replay import selection
from backstep.replay.anomalies import anomalies, anomaly_at
from backstep.replay.finding import wanted_text
from backstep.replay.goto import EXAMPLES, nearest, parse_goto
from backstep.replay.position import PositionError
from backstep.replay.search import of_events, search
from backstep.stops.condition import ConditionError
from backstep.stops.stop import parse_stop
from backstep.tui.prompt import Answer
from backstep.tui.seeking import Found, Seeking
from backstep.view.marks import Marks
from backstep.view.place_text import place_text
from backstep.view.rows import safe

MARKS = "marks"
SIGNS = set("<>=|")
"""What a condition has in it, and a name has not."""
NOWHERE = "not from here to the end of the trace"


class Travelling(Seeking):
    """The part of the app that looks for where to go."""

    _sought = ""
    """The text that `.` and `,` look for."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.marked: dict[str, int] = {}
        """The marks by name."""

    def travel(self, found: Found, what: str, otherwise: str, told: Callable[[int], str | None] | None = None) -> None:
        """Goes to what is found; `told` says something about it there. `otherwise` is said where nothing is."""

        def arrive(position: int | None) -> None:
            if position is None:
                self._show(otherwise)
                return
            self._move(lambda: self.cursor.goto(position))
            if told is not None:
                self._show(told(position))

        if not self.seek(found, arrive, lambda reason: self._show(reason, alarm=True)):
            self._show(f"still looking for {what} …")

    # the value

    def action_write(self, direction: int) -> None:
        self._follow(selection.writes, "write", direction)

    def action_use(self, direction: int) -> None:
        self._follow(selection.uses, "use", direction)

    def _follow(self, find: Callable[..., Found], word: str, direction: int) -> None:
        if not len(self.trace):
            return
        self.read_all()
        chosen = self.followed()
        if chosen is None:
            self._show("this event is about no tensor: select one in Tensors (4) with ↑ ↓ and Enter")
            return
        found = find(self.trace, chosen, self.cursor.position, direction)
        which = "later" if direction > 0 else "earlier"
        self.travel(found, f"a {word} of {chosen}", f"no {which} {word} of {chosen} in this trace")

    def action_anomaly(self, direction: int) -> None:
        if not len(self.trace):
            return
        self.read_all()
        which = "later" if direction > 0 else "earlier"
        found = anomalies(self.trace, self.cursor.position, direction)
        otherwise = f"no {which} anomaly: no NaN, Inf, missing, exploding or dead gradient begins there"
        self.travel(found, "an anomaly", otherwise, lambda position: f"! {anomaly_at(self.trace, position)}")

    # the prompts

    def action_goto(self) -> None:
        if len(self.trace):
            self.ask("go to", self._told, self._go_to, examples=EXAMPLES)

    def _query(self, text: str) -> Found:
        """Where a text leads; `PositionError` or `ConditionError` says what is wrong with it."""
        self.read_all()
        trace, here = self.trace, self.cursor.position
        found = parse_goto(trace, text, here, self.marked)
        if found is not None:
            return found
        try:
            stop = parse_stop(text)
        except ConditionError as error:
            if SIGNS & set(text) or " " in text.strip():
                raise
            raise PositionError(f"{text.strip()!r} is no position and no tensor{nearest(trace, text)}") from error
        return search(
            of_events(trace, lambda first, end: stop.candidates(trace, first, end), stop.holds), here, 1, len(trace)
        )

    def _told(self, text: str) -> Answer:
        """What a text would do; what takes long to find out is told when it is known."""
        if not text.strip():
            return Answer()
        try:
            return self._foretold(text, self._query(text))
        except (PositionError, ConditionError) as error:
            return Answer(str(error), good=False)

    def _foretold(self, text: str, found: Found) -> Answer:
        answers: list[Answer] = []

        def tell(answer: Answer) -> None:
            answers.append(answer)
            self.tell(text, answer)

        def arrive(position: int | None) -> None:
            tell(Answer(NOWHERE, good=False) if position is None else Answer(place_text(self.trace, position)))

        at_once = self.seek(found, arrive, lambda reason: tell(Answer(reason, good=False)))
        return answers[0] if at_once else Answer("still looking …")

    def _go_to(self, text: str) -> str | None:
        try:
            found = self._query(text)
        except (PositionError, ConditionError) as error:
            return str(error)
        self.travel(found, text, f"{text}: {NOWHERE}")
        return None

    def action_find(self) -> None:
        """Asks what to look for."""
        if len(self.trace):
            self.ask("find", self._told_of_text, self._find, examples="an op, a tensor, a module, a piece of source")

    def _told_of_text(self, text: str) -> Answer:
        text = text.strip()
        if not text:
            return Answer()
        return self._foretold(text, search(wanted_text(self.trace, text), self.cursor.position, 1, len(self.trace)))

    def _find(self, text: str) -> str | None:
        self._sought = text.strip()
        self.action_found(1)
        return None

    def action_found(self, direction: int) -> None:
        """The next or the previous event that has the text."""
        self.read_all()
        if not self._sought or not len(self.trace):
            self._show("nothing to look for yet: / asks for a text")
            return
        wanted = wanted_text(self.trace, self._sought)
        found = search(wanted, self.cursor.position, direction, len(self.trace))
        which = "later" if direction > 0 else "earlier"
        self.travel(found, self._sought, f"no {which} event has {self._sought!r} in it")

    # marks

    def action_mark(self) -> None:
        if len(self.trace):
            free = next((letter for letter in ascii_lowercase if letter not in self.marked), "")
            self.ask("name of the mark", self._told_of_mark, self._mark_as, prefilled=free)

    def _told_of_mark(self, name: str) -> Answer:
        name = name.strip()
        if not name:
            return Answer("a mark has a name", good=False)
        moved = f", no longer #{self.marked[name]:,}" if name in self.marked else ""
        return Answer(f"'{name} is #{self.cursor.position:,}{moved}")

    def _mark_as(self, name: str) -> str | None:
        name = name.strip()
        if not name:
            return "a mark has a name"
        self.marked[name] = self.cursor.position
        kept = tuple(marks for marks in self.view.marks if marks.what != MARKS)
        here = Marks("◆", "key", sorted(self.marked.values()), MARKS)
        self.view = replace(self.view, marks=(here, *kept))
        self._show(f"marked as {safe(name)}: ' goes to a mark")
        return None

    def action_to_mark(self) -> None:
        """Goes to the mark, or asks to which."""
        if not self.marked:
            self._show("no marks yet: m sets one")
        elif len(self.marked) == 1:
            self._move(lambda: self.cursor.goto(next(iter(self.marked.values()))))
        else:
            listed = "  ".join(f"{name} #{position:,}" for name, position in self.marked.items())
            self.ask("mark", lambda name: self._told(f"'{name}"), lambda name: self._go_to(f"'{name}"), examples=listed)
