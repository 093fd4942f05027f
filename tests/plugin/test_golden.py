"""What counts as a difference from a golden trace, and what does not; and how the fixture tells it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from backstep.golden import Closeness, Difference, GoldenError, difference_of, first_deviation, read, write
from backstep.trace.trace import load
from tests.handmade import ols_trace
from tests.schema import parse_export

CLOSE = Closeness(rtol=1e-4, atol=1e-8)


def value(values: Any, shape: list[int] | None = None, **summary: float) -> dict[str, Any]:
    """What is compared of a VALUE."""
    return {"shape": shape or [], "values": values, "summary": {"min": 0.0, "max": 0.0, "norm": 0.0, **summary}}


@pytest.mark.parametrize(
    ("expected", "got", "field"),
    [
        ({"lr": 0.1}, {"lr": 0.1000001}, None),
        ({"lr": 0.1}, {"lr": 0.11}, "lr"),
        ({"lr": 1e-9}, {"lr": 2e-9}, None),
        ({"node": 3}, {"node": 4}, "node"),
        ({"node": 1 << 40}, {"node": (1 << 40) + 1}, "node"),
        ({"fresh": True}, {"fresh": 1.0}, None),
        ({"fresh": True}, {"fresh": False}, "fresh"),
        ({"source": {"file": "a.py", "line": 3}}, {"source": {"file": "a.py", "line": 4}}, None),
        ({"source": {"file": "a.py", "code": "x"}}, {"source": {"file": "a.py", "code": "y"}}, "source.code"),
        ({"inputs": [value(1.0)]}, {"inputs": [value(1.0), value(2.0)]}, "number of inputs"),
        ({"after": value(1.0)}, {"after": None}, "after"),
        ({"inputs": [value([[1.0, 2.0]])]}, {"inputs": [value([[1.0, 3.0]])]}, "inputs[0].values[0][1]"),
        ({"after": value([1000.0, 0.001])}, {"after": value([1000.0, 0.002])}, None),
        ({"after": value([1000.0, 0.001])}, {"after": value([1000.0, 1.0])}, "after.values[1]"),
        ({"after": value(["NaN", 1.0])}, {"after": value(["NaN", 1.0])}, None),
        ({"after": value([2.0, 1.0])}, {"after": value(["Infinity", 1.0])}, "after.values[0]"),
        ({"after": value([1.0])}, {"after": value(None)}, "after.values"),
        ({"after": value([1.0], norm=1.0)}, {"after": value([1.0], norm=2.0)}, None),
        ({"after": value(None, max=5.0)}, {"after": value(None, max=5.0001)}, None),
        ({"after": value(None, max=5.0)}, {"after": value(None, max=5.1)}, "after.summary.max"),
        ({"after": value(None, mean=0.0, max=5.0)}, {"after": value(None, mean=1e-5, max=5.0)}, None),
        ({"after": value(None, nan=0)}, {"after": value(None, nan=1)}, "after.summary.nan"),
        ({"after": value(None, [100_000], zeros=3)}, {"after": value(None, [100_000], zeros=9)}, None),
        ({"after": value(None, [100], zeros=3)}, {"after": value(None, [100], zeros=4)}, "after.summary.zeros"),
    ],
)
def test_what_counts_as_a_difference(expected: Any, got: Any, field: str | None) -> None:
    difference = difference_of(expected, got, CLOSE)
    assert (difference.field if difference else None) == field
    reverse = difference_of(got, expected, CLOSE)
    assert (reverse.field if reverse else None) == field


def test_a_golden_trace_is_an_export_without_the_command_line(tmp_path: Path) -> None:
    golden = tmp_path / "new" / "ols.jsonl"
    with load(ols_trace(tmp_path / "ols.backstep")) as trace:
        write(trace, golden)
        header, events = parse_export(golden.read_bytes())
        assert header["argv"] == [] and header["script"] == "ols.py"
        assert events == [event.as_dict() for event in trace.events]
        assert [*read(golden)] == [header, *events]
        assert first_deviation(trace, iter(events), CLOSE) is None


def test_the_first_event_that_deviates_is_told(tmp_path: Path) -> None:
    with (
        load(ols_trace(tmp_path / "ols.backstep")) as trace,
        load(ols_trace(tmp_path / "stale.backstep", zero=False)) as stale,
    ):
        events = [event.as_dict() for event in trace.events]
        deviation = first_deviation(stale, iter(events), CLOSE)
        assert deviation is not None and deviation.event is not None
        assert (deviation.position, deviation.event.kind) == (14, "output")
        assert deviation.difference == Difference("kind", "zero_grad", "output")
        assert first_deviation(trace, iter(events[:9]), CLOSE).position == 9
        ended = first_deviation(trace, iter([*events, {"position": len(events)}]), CLOSE)
        assert ended is not None and (ended.position, ended.event) == (len(events), None)


@pytest.mark.parametrize("text", ["no json\n", "[1]\n", '{"schema": "other"}\n'])
def test_what_is_no_golden_trace_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "golden.jsonl"
    path.write_text(text)
    with pytest.raises(GoldenError, match=r"golden.jsonl:1: not a line of a jsonl export"):
        next(read(path))


def test_json_of_a_trace_is_compared_as_it_is_written(tmp_path: Path) -> None:
    """What an event gives and what its line reads as are the same thing."""
    with load(ols_trace(tmp_path / "ols.backstep")) as trace:
        for event in trace.events:
            assert json.loads(json.dumps(event.as_dict())) == event.as_dict()
