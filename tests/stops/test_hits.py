"""Where a stop holds: the same as a look at every event of the export, written here without a word of the stops."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import backstep
from backstep.stops.condition import ConditionError
from backstep.stops.search import Search, hits
from backstep.stops.stop import parse_stop
from backstep.trace.trace import Trace

Told = dict[str, Any]
Test = Callable[[Told], bool]


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    """Three steps of a small network, the last of which meets a NaN and an exception."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    path = tmp_path_factory.mktemp("stops") / "t.backstep"
    with backstep.record(path, max_elements=8):
        for step in range(3):
            x, y = torch.randn(5, 3), torch.ones(5, 1)
            if step == 2:
                x[1, 1] = math.nan
            optimizer.zero_grad()
            loss = (model(x) - y).square().mean()
            loss.backward()
            optimizer.step()
        with pytest.raises(RuntimeError):
            torch.ones(2) @ torch.ones(3)
    return backstep.load(path)


def numbers(value: Told) -> list[float]:
    """The numbers of a VALUE that was kept."""
    flat, stack = [], [value["values"]]
    while stack:
        one = stack.pop()
        if isinstance(one, list):
            stack += one
        else:
            flat.append(float(str(one).replace("Infinity", "inf")))
    return flat


def made(event: Told) -> Iterator[tuple[str, str, Told]]:
    match event["kind"]:
        case "forward":
            yield from ((value["name"], "value", value) for value in event["outputs"])
        case "update":
            yield event["tensor"], "value", event["after"]
        case "accumulate" | "grad_write" | "zero_grad" if event["after"] is not None:
            yield event["tensor"], "grad", event["after"]
        case "backward":
            for edge in event["edges"]:
                if edge["downstream"] is not None:
                    name = "" if "leaf" in (edge["to"] or {}) else edge["input"]
                    yield name, "grad", edge["downstream"]


def some(field: str, name: str | None, holds: Callable[[Told], bool]) -> Test:
    return lambda event: any(
        holds(value) for n, f, value in made(event) if f == field and name in (None, n) and value["summary"] is not None
    )


def largest(value: Told) -> float:
    if value["values"] is None:
        return value["summary"]["max"] if value["summary"]["max"] is not None else -math.inf
    return max((n for n in numbers(value) if n == n), default=-math.inf)


def norm(value: Told) -> float:
    return value["summary"]["norm"] or 0.0


CASES: dict[str, Test] = {
    "op relu": lambda e: e["kind"] == "forward" and e["op"] == "relu",
    "op ReluBackward0": lambda e: e["kind"] == "backward" and e["op"] == "ReluBackward0",
    "op Addmm": lambda e: e["kind"] == "backward" and e["op"].startswith("AddmmBackward"),
    "module 0": lambda e: (e["module"] or "").split(".")[0] == "0",
    "write 0.weight": lambda e: e["kind"] == "update" and e["tensor"] == "0.weight",
    "write 0.weight.grad": lambda e: e["kind"] in ("accumulate", "zero_grad") and e["tensor"] == "0.weight",
    "change 0.bias": lambda e: e["kind"] == "update" and e["tensor"] == "0.bias"
    and numbers(e["before"]) != numbers(e["after"]),
    "exception": lambda e: e["kind"] == "exception",
    "exception KeyError": lambda e: False,
    "loss < 1": some("value", "loss", lambda v: min(numbers(v)) < 1),
    "0.weight > 0.4": some("value", "0.weight", lambda v: largest(v) > 0.4),
    "|0.weight.grad| > 0.2": some("grad", "0.weight", lambda v: norm(v) > 0.2),
    "|grad| > 0.2": some("grad", None, lambda v: norm(v) > 0.2),
    "value > 2": some("value", None, lambda v: largest(v) > 2),
    "nan": lambda e: any(v["summary"]["nan"] > 0 for _, _, v in made(e) if v["summary"]),
    "nan in loss": some("value", "loss", lambda v: v["summary"]["nan"] > 0),
    "nan not in loss": some("value", "loss", lambda v: v["summary"]["nan"] == 0),
    "op relu if nan": lambda e: e["kind"] == "forward" and e["op"] == "relu" and e["outputs"][0]["summary"]["nan"] > 0,
    "write 0.weight if |value| > 0.5": some("value", "0.weight", lambda v: norm(v) > 0.5),
}  # fmt: skip


@pytest.mark.parametrize("text", CASES)
def test_hits_are_where_it_holds(trace: Trace, text: str) -> None:
    test = CASES[text]
    expected = [event.position for event in trace.events if test(event.as_dict())]
    if text.startswith("write 0.weight if"):
        expected = [at for at in expected if trace.event(at).kind == "update"]
    assert hits(trace, parse_stop(text)) == expected
    if "KeyError" not in text:
        assert expected, "the trace has none of these: the case says nothing"


def test_a_line_is_where_its_code_runs(trace: Trace) -> None:
    line = next(event.source.line for event in trace.events if event.kind == "backward_start" and event.source)
    expected = [e.position for e in trace.events if e.source and e.source.line <= line <= e.source.end_line]
    assert hits(trace, parse_stop(f"line {line}")) == expected
    assert hits(trace, parse_stop(f"line test_hits.py:{line}")) == expected
    assert hits(trace, parse_stop(f"line other.py:{line}")) == []


def test_the_loss_of_who_has_none_by_that_name_is_what_backward_starts_from() -> None:
    w = torch.ones((), requires_grad=True)
    with backstep.record() as recording:
        for _ in range(3):
            (w * 2).backward()
    starts = [event.position for event in recording.trace.find(kind="backward_start")]
    assert hits(recording.trace, parse_stop("loss > 1")) == starts and len(starts) == 3


def test_nth_is_one_of_them(trace: Trace) -> None:
    every = hits(trace, parse_stop("op relu"))
    assert hits(trace, parse_stop("op relu nth 2")) == every[1:2]
    assert hits(trace, parse_stop("op relu nth 99")) == []


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(sorted(CASES)), st.integers(0, 200), st.sampled_from([1, -1]))
def test_the_nearest_hit_is_the_nearest(trace: Trace, text: str, position: int, direction: int) -> None:
    search = Search(parse_stop(text))
    while not search.is_done(trace):
        search.look(trace, 0.0005)
    assert search.hits == hits(trace, search.stop)
    beyond = [at for at in search.hits if (at - position) * direction > 0]
    assert search.next(position, direction) == (min(beyond, key=lambda at: abs(at - position)) if beyond else None)


WRONG = {
    "": "a stop is needed", "line": "`line` of what?", "line x": "'x' is no line", "loss = 1": "a single =",
    "loss <": "is no condition", "loss < many": "'many' is no number", "|w > 1": "one bar", "w": "is no condition",
    "write |w|": "followed by a tensor", "op relu nth": "'' is no number of a hit",
    "op relu nth 0": "is no number of a hit",
    "nth 3": "`nth` of what?", "line 3 if": "a condition is needed", "relu if nan": "what comes before `if`",
    "nan in": "is no condition",
}  # fmt: skip


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_said_in_a_line(text: str) -> None:
    with pytest.raises(ConditionError) as caught:
        parse_stop(text)
    said = str(caught.value)
    assert WRONG[text] in said, said
    assert "\n" not in said


def test_a_live_trace_is_looked_at_as_it_grows(tmp_path: Path) -> None:
    w = torch.ones((), requires_grad=True)
    with backstep.record(tmp_path / "t.backstep") as recording:
        (w * 2).backward()
        with recording.trace as growing:
            search = Search(parse_stop("write w.grad"))
            search.look(growing)
            assert len(search.hits) == 1
            (w * 3).backward()
            recording.trace.close()
            growing.refresh()
            assert search.look(growing) and len(search.hits) == 2
