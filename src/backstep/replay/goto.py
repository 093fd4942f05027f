"""What can be asked for in the `g` prompt: positions as everywhere, ways from here, and the next event of a kind.

`1203 #1203 e2 i300 e2i14 50% first last`, `+20 -5`, `'mark`, `L14`, `w`, `w.grad`, `bwd fc1`. Conditions on values
(`nan`, `loss<0.1`) belong to who knows them.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from backstep.replay.position import FORMS, PositionError, parse_position
from backstep.replay.search import Wanted, of_columns, of_rows, search
from backstep.replay.selection import Selection, writes
from backstep.replay.tree import is_within
from backstep.trace.batch import GRAD, KIND_CODE, VALUE
from backstep.trace.records import Backward, EventRow
from backstep.trace.trace import Trace

EXAMPLES = "e2i14  i300  #1203  50%  +20  L14  w.grad  nan  loss<0.1  bwd fc1  'mark"
WORDS = ("first", "last")


def parse_goto(trace: Trace, text: str, here: int, marks: Mapping[str, int]) -> Iterator[int | None] | None:
    """Where a text leads from a position: what `search` tells. None if it is of no form that is known here;
    `PositionError` says in one line what is wrong with it."""
    text = text.strip()
    relative = re.fullmatch(r"([+-])(\d{1,18})", text)
    if relative is not None:
        return iter([_near(trace, here + int(text))])
    if text in WORDS or any(re.fullmatch(pattern, text) for pattern, _ in FORMS):
        return iter([parse_position(trace, text)])
    if text.startswith("'"):
        return iter([_mark(text[1:], marks)])
    line = re.fullmatch(r"[Ll](\d{1,9})", text)
    if line is not None:
        return search(_at_line(trace, int(line[1])), here, 1, len(trace))
    backward = re.fullmatch(r"bwd\s+(.+)", text)
    if backward is not None:
        return search(_backward_of(trace, backward[1]), here, 1, len(trace))
    chosen = _tensor(trace, text)
    return None if chosen is None else writes(trace, chosen, here, 1)


def _near(trace: Trace, position: int) -> int:
    if not 0 <= position < len(trace):
        raise PositionError(f"that would be event {position}: there are 0 to {len(trace) - 1}")
    return position


def _mark(name: str, marks: Mapping[str, int]) -> int:
    if name not in marks:
        known = f"there are {', '.join(marks)}" if marks else "there are none yet: m sets one"
        raise PositionError(f"no mark {name!r}; {known}")
    return marks[name]


def _at_line(trace: Trace, line: int) -> Wanted:
    script = trace.header["script"]
    places = [number for number, source in trace.places() if source.file == script and source.line == line]
    if not places:
        raise PositionError(f"nothing was recorded at line {line} of {script}")
    return of_columns(lambda first, end: np.isin(trace.columns["place"][first:end], places))


def _backward_of(trace: Trace, name: str) -> Wanted:
    """Backward events of a module, an op, or what brings a tensor its gradient."""
    code = KIND_CODE["backward"]
    modules = [number for number, text in enumerate(trace.strings) if is_within(text, name)]
    named = {number for number, text in enumerate(trace.strings) if name in (text, re.sub(r"Backward\d*$", "", text))}
    if not modules and not named:
        raise PositionError(f"no module, op or tensor is called {name!r}{nearest(trace, name)}")

    def in_module(first: int, end: int) -> npt.NDArray[np.bool_]:
        columns = trace.columns[first:end]
        found: npt.NDArray[np.bool_] = (columns["kind"] == code) & np.isin(columns["module"], modules)
        return found

    def is_named(position: int, row: EventRow) -> bool:
        return isinstance(row, Backward) and (row.op in named or any(edge.input in named for edge in row.edges))

    by_module, by_name = of_columns(in_module), of_rows(trace, ["backward"], is_named)
    return lambda first, end: sorted({*by_module(first, end), *by_name(first, end)})


def _tensor(trace: Trace, text: str) -> Selection | None:
    """A tensor or its gradient by name, leaves first; None where there is none of that name."""
    forms = [(text, VALUE)]
    if text.endswith(".grad"):
        forms.append((text.removesuffix(".grad"), GRAD))
    for name, field in forms:
        for number, leaf in trace.leaves.items():
            if leaf == name:
                return Selection(number, name, field)
    return next((Selection(-1, name, field) for name, field in reversed(forms) if name and name in trace.strings), None)


def nearest(trace: Trace, name: str) -> str:
    """What may have been meant, for the end of a sentence."""
    near = difflib.get_close_matches(name, [*trace.leaves.values(), *trace.strings[1:2000]], n=3, cutoff=0.6)
    return f"; nearest: {', '.join(dict.fromkeys(near))}" if near else ""
