"""What the app does about stops: asks for them, looks for their hits a little at a time, runs to them, lists them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from backstep.stops import shelf
from backstep.stops.condition import ConditionError
from backstep.stops.search import Search
from backstep.stops.stop import parse_stop
from backstep.tui.canvas import Canvas
from backstep.tui.explaining import Explaining
from backstep.tui.look import Look
from backstep.tui.overlay import Overlay
from backstep.tui.picture import View
from backstep.tui.prompt import Answer
from backstep.tui.prompting import Prompting
from backstep.view import stop_list
from backstep.view.marks import Marks

PAGE = "stops"
WIDEST = 96
"""Cells of the list's text."""
PAUSE, SLICE = 0.03, 0.01
"""Seconds between two looks for hits, and seconds that one takes: a key never waits for longer."""
PATIENCE = 0.15
"""Seconds that a question, or a run to the next hit, looks on before it tells what is known so far."""
EXAMPLES = "line 14   op relu   write w.grad   |grad| > 10   nan"
LISTED = frozenset({"stop_switch", "stop_delete", "stop_edit"})
"""What can be done in the list alone."""


@dataclass(frozen=True, slots=True)
class StopSet:
    """A stop that is set, what is known of its hits, and whether it is on."""

    search: Search
    on: bool = True


class Stopping(Prompting, Explaining):
    """The part of the app that knows the stops."""

    view: View
    look: Look
    canvas: Canvas
    _stops: tuple[StopSet, ...] = ()
    _taken_up = False
    """Whether those that were kept for this trace have been taken up."""

    def _move(self, motion: Callable[[], str | None]) -> None:
        raise NotImplementedError

    def on_mount(self) -> None:
        self.set_interval(PAUSE, self._look_on)

    # looking for hits

    def _look_on(self) -> None:
        """A little of what is left to be looked at."""
        self._take_up()
        known = [len(one.search.hits) for one in self._stops]
        for one in self._stops:
            if one.on and not one.search.is_done(self.trace):
                one.search.look(self.trace, SLICE)
                if one.search.is_done(self.trace) and self._page == PAGE:
                    self._show()
        if known != [len(one.search.hits) for one in self._stops]:
            self._mark_stops()
            self.canvas.invalidate()

    def _take_up(self) -> None:
        """Takes up the stops that were kept, as soon as it is known of what the trace is."""
        if self._taken_up or not len(self.trace):
            return
        folder = self.look.settings.folder
        file = None if folder is None else shelf.file_of(folder, self.trace)
        self._taken_up = folder is None or file is not None or not self.trace.running
        if file is not None:
            kept = tuple(StopSet(Search(stop), on) for stop, on in shelf.read(file))
            self._set((*kept, *self._stops), keep=False)

    def _set(self, stops: tuple[StopSet, ...], *, keep: bool = True) -> str | None:
        """These are the stops from now on; what is wrong if they cannot be kept."""
        self._stops = stops
        self._mark_stops()
        folder = self.look.settings.folder
        file = None if folder is None or not keep else shelf.file_of(folder, self.trace)
        if file is not None:
            try:
                shelf.write(file, ((one.search.stop, one.on) for one in stops))
            except OSError as error:
                return f"the stops cannot be kept: {error.strerror or error}"
        return None

    def _mark_stops(self) -> None:
        """Their hits on the timeline, their lines in the gutter."""
        on = [one.search for one in self._stops if one.on]
        hits = sorted({hit for search in on for hit in search.hits})
        others = tuple(marks for marks in self.view.marks if marks.what != PAGE)
        script = str(self.trace.header["script"])
        lines = frozenset((s.stop.name or script, s.stop.line) for s in on if s.stop.line)
        mine = (Marks(stop_list.SIGN, "error", hits, PAGE),) if hits else ()
        self.view = replace(self.view, marks=(*mine, *others), stops=lines)

    # asking for one

    def action_stop(self) -> None:
        self.ask("stop at", self._tell_stop, self._add, prefilled=self._here(), examples=EXAMPLES)

    def _here(self) -> str:
        """What a stop at this moment would be, by the pane that one looks at."""
        if not len(self.trace):
            return ""
        event = self.cursor.moment().event
        if self.view.focus == "source" and event.source is not None:
            script = str(self.trace.header["script"])
            file = "" if event.source.file == script else f"{event.source.file}:"
            return f"line {file}{event.source.line}"
        match event.kind:
            case "accumulate" | "grad_write" | "zero_grad":
                return f"write {event['tensor']}.grad"
            case "update":
                return f"write {event['tensor']}"
            case "exception":
                return "exception"
            case "forward" if self.view.focus == "tensors" and event["outputs"]:
                return f"write {event['outputs'][0].name}"
            case "forward" | "backward":
                return f"op {event['op']}"
        return ""

    def _tell_stop(self, text: str) -> Answer:
        try:
            search = Search(parse_stop(text))
        except ConditionError as error:
            return Answer(str(error), good=False)
        search.look(self.trace, PATIENCE)
        return Answer(stop_list.hits_text(search, self.trace, self.cursor.position))

    def _add(self, text: str) -> str | None:
        try:
            stop = parse_stop(text)
        except ConditionError as error:
            return str(error)
        if any(one.search.stop == stop for one in self._stops):
            return f"there is a stop at {stop.text} already"
        search = Search(stop)
        search.look(self.trace, PATIENCE)
        complaint = self._set((*self._stops, StopSet(search)))
        told = stop_list.hits_text(search, self.trace, self.cursor.position)
        self._show(complaint or f"{stop_list.SIGN} {stop.text}: {told}; c runs to the next, C to the previous")
        return None

    def switch_line(self, file: str, line: int) -> None:
        """Sets a stop at a line, or takes it away."""
        script = str(self.trace.header["script"])
        text = f"line {line}" if file == script else f"line {file}:{line}"
        others = tuple(one for one in self._stops if one.search.stop.text != text)
        if len(others) < len(self._stops):
            self._show(self._set(others) or f"no stop at {text} any more")
        else:
            self._add(text)

    # running to them

    def action_run_to_stop(self, direction: int) -> None:
        self._move(lambda: self._to_stop(direction))

    def _to_stop(self, direction: int) -> str | None:
        on = [one.search for one in self._stops if one.on]
        if not on:
            return "no stop is set: b sets one" if not self._stops else "every stop is off: B lists them"
        for search in on:
            search.look(self.trace, PATIENCE / len(on))
        known = [(hit, s.stop) for s in on if (hit := s.next(self.cursor.position, direction)) is not None]
        done = all(search.is_done(self.trace) for search in on)
        if not known:
            way = "later" if direction > 0 else "earlier"
            return f"no {way} hit of a stop" + ("" if done else " so far: still looking")
        hit, stop = min(known, key=lambda pair: abs(pair[0] - self.cursor.position))
        self.cursor.goto(hit)
        return f"{stop_list.SIGN} {stop.text}"

    def next_hit(self, direction: int) -> tuple[int, str] | None:
        """The nearest hit of a stop that is known so far, and what the stop is."""
        on = [one.search for one in self._stops if one.on]
        known = [(hit, s.stop.text) for s in on if (hit := s.next(self.cursor.position, direction)) is not None]
        return min(known, key=lambda pair: abs(pair[0] - self.cursor.position), default=None)

    # the list

    def action_stops(self) -> None:
        self.toggle(PAGE)

    def page(self, name: str, width: int, height: int) -> Overlay | None:
        if name != PAGE:
            return super().page(name, width, height)
        self._page_top = max(0, min(self._page_top, len(self._stops) - 1))
        rows = stop_list.build(
            [(one.search, one.on) for one in self._stops], self._page_top, self.trace, self.cursor.position,
            min(WIDEST, width - 6), height - 4, self.palette,
        )  # fmt: skip
        keys = ": ↑↓ choose, Enter: next hit, space: on/off, e: edit, d: delete" if self._stops else ""
        return Overlay(f"stops{keys}", tuple(rows))

    @property
    def is_listing(self) -> bool:
        """Whether the list of stops is open."""
        return self._page == PAGE

    @property
    def _chosen_stop(self) -> StopSet | None:
        """The stop that is chosen in the list."""
        return self._stops[self._page_top] if self._page == PAGE and self._page_top < len(self._stops) else None

    def action_probe(self) -> None:
        """In the list: goes to the next hit of the chosen stop, from the first one again after the last."""
        one = self._chosen_stop
        if one is None:
            super().action_probe()
            return
        one.search.look(self.trace, PATIENCE)
        hit = one.search.next(self.cursor.position, 1)
        if hit is None and one.search.hits:
            hit = one.search.hits[0]
        if hit is None:
            self._show(f"{one.search.stop.text}: {stop_list.hits_text(one.search, self.trace, self.cursor.position)}")
            return
        self._page = None
        self._move(lambda: self.cursor.goto(hit))
        self._show(f"{stop_list.SIGN} {one.search.stop.text}")

    def action_stop_switch(self) -> None:
        """The chosen stop on or off."""
        one = self._chosen_stop
        if one is not None:
            self._show(self._set(tuple(replace(o, on=not o.on) if o is one else o for o in self._stops)))

    def action_stop_delete(self) -> None:
        one = self._chosen_stop
        if one is not None:
            self._show(self._set(tuple(other for other in self._stops if other is not one)))

    def action_stop_edit(self) -> None:
        one = self._chosen_stop
        if one is None:
            return

        def accept(text: str) -> str | None:
            before = self._stops
            self._stops = tuple(other for other in before if other is not one)
            wrong = self._add(text)
            if wrong is not None:
                self._stops = before
            return wrong

        self._page = None
        self.ask("stop at", self._tell_stop, accept, prefilled=one.search.stop.text, examples=EXAMPLES)
