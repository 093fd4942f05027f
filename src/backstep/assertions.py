"""Assertions on a trace: AssertionError with the event, its iteration and its line of source, or nothing.

They ask of a trace only, recorded just now or loaded; the fixture `backprop` makes them on a recording.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from backstep.diagnose.finding import Finding, Level
from backstep.diagnose.wording import listed, quoted, size, told
from backstep.golden import Closeness, Deviation, first_deviation, read
from backstep.trace.event import AccumulateEvent, BackwardStartEvent, Event, ForwardEvent, Value, values_of
from backstep.trace.trace import Trace, load

UNWRITTEN = frozenset("empty empty_like empty_permuted empty_strided new_empty new_empty_strided".split())
"""Ops whose result is whatever lay in memory, a NaN too."""

SHOWN_LEAVES = 10
SHOWN_CHARACTERS = 200
TEXT_WIDTH = 100


def place_of(event: Event) -> str:
    """Where an event is: `#14 (iteration 1, train.py:9, `loss.backward()`)`."""
    iteration = "outside of the loop" if event.iteration is None else f"iteration {event.iteration}"
    if event.source is None:
        return f"#{event.position} ({iteration}, no source)"
    return f"#{event.position} ({iteration}, {event.source.file}:{event.source.line}, {quoted(event.source.code)})"


def assert_fresh(trace: Trace, *leaves: str) -> None:
    """In every iteration with a backward pass the gradient of each leaf (of all, if none is named) began from nothing.

    KeyError, with the nearest names, for a leaf that the trace has not.
    """
    __tracebackhide__ = True
    starts: dict[int | None, BackwardStartEvent] = {}
    for start in trace.find(kind="backward_start", api="backward"):
        assert isinstance(start, BackwardStartEvent)
        starts.setdefault(start.iteration, start)
    if not starts:
        raise AssertionError("no gradient was fresh: there was no backward pass")
    for leaf in leaves or trace.leaves.values():
        firsts = first_accumulations(trace, leaf)
        for iteration, start in starts.items():
            if iteration not in firsts:
                raise AssertionError(f"{leaf} received no gradient from the backward pass at {place_of(start)}")
            first = firsts[iteration]
            if not first.fresh:
                raise AssertionError(
                    f"the gradient of {leaf} was not fresh at {place_of(first)}:"
                    f" {size(first.arrived)} was added to {size(first.before)}, which was still there"
                )


def first_accumulations(trace: Trace, leaf: str) -> dict[int | None, AccumulateEvent]:
    """The first accumulation into a leaf in each iteration that has one."""
    firsts: dict[int | None, AccumulateEvent] = {}
    for event in trace.find(kind="accumulate", tensor=leaf):
        assert isinstance(event, AccumulateEvent)
        firsts.setdefault(event.iteration, event)
    return firsts


def assert_received(trace: Trace, *leaves: str) -> None:
    """Each leaf (all of them, if none is named) received a gradient, from a backward pass or written by hand.

    KeyError, with the nearest names, for a leaf that the trace has not.
    """
    __tracebackhide__ = True
    wanted = leaves or tuple(trace.leaves.values())
    without = [leaf for leaf in wanted if not received(trace, leaf)]
    if without:
        of_all = f"{len(without)} of {told(len(wanted), 'leaf', 'leaves')} never received a gradient"
        uses = [f"  {leaf}: {use_of(trace, leaf)}" for leaf in without[:SHOWN_LEAVES]]
        raise AssertionError("\n".join([f"{of_all}: {listed(without)}", *uses]))
    if not wanted:
        raise AssertionError("no leaf received a gradient: there was no leaf")


def received(trace: Trace, leaf: str) -> bool:
    return any(next(trace.find(kind=kind, tensor=leaf), None) for kind in ("accumulate", "grad_write"))


def use_of(trace: Trace, leaf: str) -> str:
    """Where a leaf was used first, in words."""
    number = trace.number(leaf)
    for event in trace.find(kind="forward"):
        assert isinstance(event, ForwardEvent)
        if any(value.tensor == number for value in event.inputs):
            return f"used first at {place_of(event)}"
    return "used by no operation"


def assert_no_nan(trace: Trace) -> None:
    """No recorded value has a NaN in it, but for memory that nobody had written yet (`torch.empty`)."""
    __tracebackhide__ = True
    unwritten: set[tuple[int, int]] = set()
    for event in trace.events:
        if isinstance(event, ForwardEvent) and event.op in UNWRITTEN:
            unwritten.update((value.tensor, value.version) for value in event.outputs)
        for value in values_with_nan(event):
            if (value.tensor, value.version) not in unwritten:
                count = value.summary.nan if value.summary else 0
                raise AssertionError(f"{told(count, 'NaN')} in {value.name} at {place_of(event)}")


def values_with_nan(event: Event) -> Iterator[Value]:
    return (value for value in values_of(event) if value.summary is not None and value.summary.nan)


def assert_golden(trace: Trace, path: Path, closeness: Closeness) -> None:
    """The trace is the golden one in the file, up to rounding."""
    __tracebackhide__ = True
    if not path.exists():
        raise AssertionError(f"there is no golden trace {path} yet: pytest --backstep-update writes it")
    golden = read(path)
    header = next(golden, {})
    deviation = first_deviation(trace, golden, closeness)
    if deviation is not None:
        raise AssertionError("\n".join(words_of(deviation, path, header, trace)))


def words_of(deviation: Deviation, path: Path, header: dict[str, object], trace: Trace) -> Iterator[str]:
    """The first difference from a golden trace, for people; and its likely cause, where there is one."""
    event, difference = deviation.event, deviation.difference
    if event is None:
        yield f"the trace ends before #{deviation.position}, the golden trace {path.name} goes on"
    else:
        yield f"the trace is not the golden one, {path.name}: {event.kind} at {place_of(event)}"
    if difference.field:
        yield f"  field     {difference.field}"
        yield f"  expected  {shown(difference.expected)}"
        yield f"  got       {shown(difference.got)}"
    else:
        extra = difference.expected if event is None else difference.got
        yield f"  {'missing' if event is None else 'added'}: {shown(extra)}"
    if header.get("torch") != trace.header["torch"]:
        yield f"  the golden trace was recorded with torch {header.get('torch')}, this one with {trace.header['torch']}"
    yield "If this is what it should be: pytest --backstep-update writes the golden trace anew."


def shown(thing: object) -> str:
    """A piece of jsonl, not too long."""
    text = json.dumps(thing, ensure_ascii=False)
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"


def assert_no_findings(
    trace: Trace, select: Sequence[str] = (), ignore: Sequence[str] = (), folders: Sequence[Path] = ()
) -> list[Finding]:
    """`backstep check` finds nothing above a note; returns the notes.

    `folders` are where a `pyproject.toml` with a selection of rules is looked for. SelectionError for a name that no
    rule has.
    """
    __tracebackhide__ = True
    from backstep.diagnose.check import check
    from backstep.diagnose.rules import RULES
    from backstep.diagnose.selection import selection_of

    selection = selection_of(select, ignore, folders, [rule.name for rule in RULES])
    # Rules read a file from its start: of a part of one they judge the whole, and what is not about the part is left.
    with load(trace.path) as whole:
        findings = [finding for finding in check(whole, selection).findings if concerns(finding, trace)]
        faults = [finding for finding in findings if finding.level is not Level.NOTE]
        if faults:
            raise AssertionError(f"{told(len(faults), 'finding')}\n{text_of_findings(faults, whole)}")
    return findings


def concerns(finding: Finding, trace: Trace) -> bool:
    """Whether any of the evidence is in this trace."""
    events = trace.events
    return bool(events) and any(events[0].position <= at <= events[-1].position for at in finding.evidence)


def text_of_findings(findings: Sequence[Finding], trace: Trace) -> str:
    from backstep.view.findings import findings_rows
    from backstep.view.rows import text_of
    from backstep.view.theme import DARK

    return text_of(findings_rows(tuple(findings), trace.sources, TEXT_WIDTH, DARK))
