"""A stop: what one wants to be led to, in a line of text; where it can be is told by the columns of the trace alone.

`line 14`, `op relu`, `module fc1`, `write w.grad`, `change w`, `exception`, or a condition; each with `if CONDITION`
and `nth N` behind it if wanted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from backstep.stops.condition import (
    ANY,
    EXAMPLES,
    GRAD,
    Condition,
    ConditionError,
    Quantity,
    parse_condition,
    parse_quantity,
)
from backstep.trace import batch
from backstep.trace.batch import KIND_CODE
from backstep.trace.event import (
    AccumulateEvent,
    BackwardEvent,
    Event,
    ExceptionEvent,
    ForwardEvent,
    GradWriteEvent,
    UpdateEvent,
    ZeroGradEvent,
)
from backstep.trace.trace import Trace

Positions = npt.NDArray[np.int64]
WHAT = re.compile(r"^(?P<word>line|op|module|write|change|exception)\b\s*(?P<rest>.*)$")
NTH = re.compile(r"^(?P<before>.*?)\s*\bnth\b\s*(?P<nth>\S*)$")
PLACE = re.compile(r"^(?:(?P<file>.+):)?(?P<line>\d+)$")
FORMS = "line 14, op relu, module fc1, write w.grad, change w, exception, or a condition such as " + EXAMPLES
WRITES_VALUE = ("forward", "update")
WRITES_GRAD = ("accumulate", "grad_write", "zero_grad")
MAKES = (*WRITES_VALUE, "backward_start", "backward", *WRITES_GRAD)


@dataclass(frozen=True, slots=True)
class Stop:
    """One stop. `word` says what `name` is of; without a word the condition alone is what is looked for."""

    text: str
    word: str = ""
    name: str = ""
    line: int = 0
    quantity: Quantity | None = None
    condition: Condition | None = None
    nth: int = 0
    """Only the hit of this number, from 1; 0: all."""

    def candidates(self, trace: Trace, first: int, end: int) -> Positions:
        """The positions from `first` to before `end` at which the stop can hold, by the columns alone."""
        columns = trace.columns[first:end]
        match self.word:
            case "line":
                mask = np.isin(columns["place"], places_of(trace, self.name, self.line))
            case "module":
                mask = np.isin(columns["module"], modules_of(trace, self.name))
            case "op":
                mask = np.isin(columns["kind"], codes(("forward", "backward")))
            case "exception":
                mask = columns["kind"] == KIND_CODE["exception"]
            case _:
                return self._writes(trace, first, end)
        return np.flatnonzero(mask) + first

    def _writes(self, trace: Trace, first: int, end: int) -> Positions:
        """Where the quantity that is looked at may be made."""
        quantity = self.quantity
        leaf = None if quantity is None else leaf_named(trace, quantity.name)
        if quantity is not None and leaf is not None:
            written = trace.facts.positions(leaf, batch.GRAD if quantity.field == GRAD else batch.VALUE)
            return written[slice(*np.searchsorted(written, (first, end)))].astype(np.int64)
        kinds: tuple[str, ...] = MAKES
        if quantity is not None:
            kinds = ("backward", *WRITES_GRAD) if quantity.field == GRAD else (*WRITES_VALUE, "backward_start")
        return np.flatnonzero(np.isin(trace.columns["kind"][first:end], codes(kinds))) + first

    def holds(self, event: Event) -> bool:
        """Whether it holds at one of its candidates; of `nth` nothing is known here."""
        return self._is_there(event) and (self.condition is None or self.condition.holds(event))

    def _is_there(self, event: Event) -> bool:
        match self.word:
            case "op":
                return is_op(event, self.name)
            case "exception":
                return not self.name or (isinstance(event, ExceptionEvent) and event.type == self.name)
            case "write":
                return self.quantity is not None and is_written(event, self.quantity)
            case "change":
                return self.quantity is not None and is_changed(event, self.quantity)
        return True


def parse_stop(text: str) -> Stop:
    """The stop; `ConditionError` says in one line what is wrong with the text."""
    text = " ".join(text.split())
    if not text:
        raise ConditionError(f"a stop is needed: {FORMS}")
    rest, nth = split_nth(text)
    what, _, told = rest.partition(" if ")
    condition = parse_condition(told) if told or rest.endswith(" if") else None
    found = WHAT.match(what)
    if found is None:
        if condition is not None:
            raise ConditionError(f"what comes before `if` is one of: {FORMS.partition(', or')[0]}")
        condition = parse_condition(what)
        return Stop(text, quantity=condition.quantity, condition=condition, nth=nth)
    return what_of(text, found["word"], found["rest"].strip(), condition, nth)


def what_of(text: str, word: str, rest: str, condition: Condition | None, nth: int) -> Stop:
    """The stop at a line, an op, a module, a tensor or an exception."""
    if not rest and word != "exception":
        raise ConditionError(f"`{word}` of what? One of: {FORMS.partition(', or')[0]}")
    if word == "line":
        place = PLACE.match(rest)
        if place is None:
            raise ConditionError(f"{rest!r} is no line: write `line 14` or `line model.py:14`")
        return Stop(text, word, place["file"] or "", int(place["line"]), condition=condition, nth=nth)
    if word in ("write", "change"):
        quantity = parse_quantity(rest)
        if quantity.norm or quantity.name in ANY:
            raise ConditionError(f"`{word}` is followed by a tensor, such as w or w.grad")
        return Stop(text, word, rest, quantity=quantity, condition=condition, nth=nth)
    return Stop(text, word, rest, condition=condition, nth=nth)


def split_nth(text: str) -> tuple[str, int]:
    """The text without its `nth N`, and N, or 0."""
    found = NTH.match(text)
    if found is None:
        return text, 0
    if not found["nth"].isdigit() or int(found["nth"]) == 0:
        raise ConditionError(f"{found['nth']!r} is no number of a hit: the first is `nth 1`")
    if not found["before"]:
        raise ConditionError("`nth` of what? Write it behind a stop, such as `line 14 nth 3`")
    return found["before"], int(found["nth"])


def codes(kinds: tuple[str, ...]) -> list[int]:
    return [KIND_CODE[kind] for kind in kinds]


def places_of(trace: Trace, file: str, line: int) -> list[int]:
    """The places whose own site is on a line: of the script, or of the file that is named."""
    file = file or str(trace.header["script"])
    places = trace.places()
    return [number for number, at in places if at.line <= line <= at.end_line and is_file(at.file, file)]


def is_file(path: str, named: str) -> bool:
    """`model.py` names `nets/model.py` too."""
    return path == named or path.endswith(f"/{named}")


def modules_of(trace: Trace, path: str) -> list[int]:
    """The module of this path, and those in it."""
    return [at for at, text in enumerate(trace.strings) if text == path or text.startswith(f"{path}.")]


def leaf_named(trace: Trace, name: str) -> int | None:
    return next((number for number, leaf in trace.leaves.items() if leaf == name), None)


def is_op(event: Event, name: str) -> bool:
    """`relu`, `aten.relu.default`, `ReluBackward0`, `Relu`."""
    if isinstance(event, ForwardEvent):
        return name in (event.op, event.aten)
    return isinstance(event, BackwardEvent) and name in (event.op, re.sub(r"Backward\d*$", "", event.op))


def is_written(event: Event, quantity: Quantity) -> bool:
    """Whether the event writes the tensor, or its `.grad`, be it with None."""
    if isinstance(event, AccumulateEvent | GradWriteEvent | ZeroGradEvent):
        return quantity.field == GRAD and event.tensor == quantity.name
    return any(True for _ in quantity.values(event))


def is_changed(event: Event, quantity: Quantity) -> bool:
    """Whether the numbers are others than before."""
    if not is_written(event, quantity):
        return False
    if not isinstance(event, AccumulateEvent | GradWriteEvent | ZeroGradEvent | UpdateEvent):
        return True
    before, after = event.before, event.after
    if before is None or after is None:
        return before is not after
    if before.array is not None and after.array is not None:
        return not np.array_equal(before.array, after.array, equal_nan=True)
    return before.summary != after.summary
