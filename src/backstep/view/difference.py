"""Where two recordings first differ, told in lines."""

from __future__ import annotations

import json
from typing import Any

from rich.segment import Segment

from backstep.replay.difference import Difference
from backstep.trace.event import Event
from backstep.trace.trace import Trace
from backstep.view.glyphs import glyph, op_name
from backstep.view.rows import Row, safe
from backstep.view.theme import Theme

NEW_LINE = "\n"
LONGEST = 60
"""Characters of a thing that differs."""
SAME = "no difference: the same events with the same numbers"


def build(a: Trace, b: Trace, difference: Difference | None, theme: Theme) -> list[Row]:
    """What differs and what each of the two has there."""
    if difference is None:
        return [[Segment(f"{SAME} ({len(a):,})", theme.good)]]
    position = difference.position
    head = [Segment(f"first difference at #{position:,}", theme.strong), Segment(_where(a, b, position), theme.dim)]
    rows: list[Row] = [head]
    if not difference.field:
        shorter, longer = (a, b) if len(a) < len(b) else (b, a)
        rows.append([Segment(f"  {safe(str(shorter.path))} ends here; {safe(str(longer.path))} goes on", theme.text)])
    for name, trace, told in (("A", a, difference.a), ("B", b, difference.b)):
        rows.append([Segment(f"  {name} ", theme.key), Segment(_event(trace, position), theme.text)])
        if difference.field:
            rows.append([Segment(f"    {safe(difference.field)} = ", theme.dim), Segment(_told(told), theme.strong)])
    if difference.field and difference.a != difference.b and difference.is_of_numbers:
        rows += [[Segment(f"  {_apart(difference.a, difference.b)}", theme.dim)]]
    return rows


def _where(a: Trace, b: Trace, position: int) -> str:
    trace = a if position < len(a) else b
    iteration = trace.iteration_at(position)
    return "" if iteration is None else f", iteration {iteration}"


def _event(trace: Trace, position: int) -> str:
    """`◀ MulBackward0  train.py:14  loss.backward()`"""
    if position >= len(trace):
        return "no event any more"
    event: Event = trace.event(position)
    source = event.source
    at = "" if source is None else f"  {source.file}:{source.line}  {source.code.partition(NEW_LINE)[0]}"
    return safe(f"{glyph(event.kind)} {op_name(event)}{at}").rstrip()


def _told(thing: Any) -> str:
    text = safe(json.dumps(thing))
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _apart(a: Any, b: Any) -> str:
    try:
        apart = abs(float(a) - float(b))
    except (TypeError, ValueError):
        return "one has numbers where the other has none"
    relative = f", {apart / abs(float(b)):.3g} of B" if float(b) else ""
    return f"apart by {apart:.6g}{relative}"
