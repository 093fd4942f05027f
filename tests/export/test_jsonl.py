"""The jsonl export: strict JSON, the same bytes each time, and every number what it was."""

from __future__ import annotations

import io
import json
import math
import struct
from pathlib import Path
from typing import Any

from backstep.export.jsonl import write
from backstep.trace import records as r
from backstep.trace.trace import load
from tests.handmade import HandmadeTrace, ols_trace
from tests.schema import parse_export


def exported(path: Path) -> bytes:
    stream = io.BytesIO()
    with load(path) as trace:
        write(trace, stream)
    return stream.getvalue()


def of_values(path: Path, *values: Any, dtype: str = "float32") -> list[dict[str, Any]]:
    t = HandmadeTrace(path)
    t.forward("stack", tuple(t.value(t.tensor(), value, "x", dtype=dtype) for value in values), ())
    t.close()
    return parse_export(exported(path))[1][0]["inputs"]


def test_every_line_keeps_to_the_schema(tmp_path: Path) -> None:
    header, events = parse_export(exported(ols_trace(tmp_path / "ols.backstep", epochs=2)))
    assert (header["script"], header["events"], header["complete"]) == ("ols.py", 29, True)
    assert [event["kind"] for event in events[3:13]] == (
        ["forward"] * 3 + ["backward_start"] + ["backward"] * 3 + ["accumulate", "backward_end", "forward"]
    )


def test_the_lecture_in_numbers(tmp_path: Path) -> None:
    _, events = parse_export(exported(ols_trace(tmp_path / "ols.backstep", epochs=2)))
    products = [
        (event["op"], event["upstream"][0]["values"], edge["local"]["values"], edge["downstream"]["values"])
        for event in events[:15]
        if event["kind"] == "backward"
        for edge in event["edges"]
        if edge["needed"]
    ]
    assert products == [("PowBackward0", 1, -2, -2), ("SubBackward0", -2, 1, -2), ("MulBackward0", -2, 1, -2)]
    (update,) = [event for event in events[:16] if event["kind"] == "update"]
    assert (update["before"]["values"], update["after"]["values"]) == (1.0, single(1.02))


def single(number: float) -> float:
    """The nearest number that single precision has, widened."""
    (widened,) = struct.unpack("f", struct.pack("f", number))
    return float(widened)


def test_the_same_trace_gives_the_same_bytes(tmp_path: Path) -> None:
    first = exported(ols_trace(tmp_path / "one.backstep"))
    assert first == exported(tmp_path / "one.backstep")
    assert first == exported(ols_trace(tmp_path / "elsewhere.backstep"))
    assert str(tmp_path).encode() not in first


def test_floats_come_back_as_they_were(tmp_path: Path) -> None:
    numbers = [0.1, 1 / 3, 5e-324, 1.7976931348623157e308, -0.0, 1e16, 123456789.123456789, 2.0**-1022]
    (value,) = of_values(tmp_path / "t.backstep", numbers, dtype="float64")
    assert [struct.pack("d", number) for number in value["values"]] == [struct.pack("d", n) for n in numbers]


def test_single_precision_is_widened_exactly(tmp_path: Path) -> None:
    vector, scalar = of_values(tmp_path / "t.backstep", [0.1, 16777217.0], 0.1)
    assert vector["values"] == [single(0.1), 16777216.0]
    assert scalar["values"] == single(0.1)


def test_what_json_has_no_number_for_is_a_word(tmp_path: Path) -> None:
    vector, scalar = of_values(tmp_path / "t.backstep", [[math.nan, math.inf], [-math.inf, 1.0]], math.nan)
    assert vector["values"] == [["NaN", "Infinity"], ["-Infinity", 1.0]]
    assert scalar["values"] == "NaN"
    assert vector["summary"] == {
        "min": 1.0, "max": 1.0, "mean": 1.0, "std": 0.0, "norm": 1.0, "zeros": 0, "nan": 1, "inf": 2,
    }  # fmt: skip


def test_complex_numbers_are_pairs_and_booleans_stay(tmp_path: Path) -> None:
    (value,) = of_values(tmp_path / "c.backstep", [1 + 2j, -3j], dtype="complex64")
    assert (value["shape"], value["values"]) == ([2], [[1.0, 2.0], [0.0, -3.0]])
    (value,) = of_values(tmp_path / "b.backstep", [True, False], dtype="bool")
    assert value["values"] == [True, False]
    (value,) = of_values(tmp_path / "i.backstep", [2**62, -1], dtype="int64")
    assert value["values"] == [2**62, -1]


def test_nothing_is_not_a_blank(tmp_path: Path) -> None:
    t = HandmadeTrace(tmp_path / "t.backstep")
    missing = t.value(t.tensor(), None, "x", omitted="4,096 elements", shape=(64, 64))
    t.forward("relu", (missing, t.value(t.tensor(), [], "empty")), ())
    t.close()
    large, empty = parse_export(exported(tmp_path / "t.backstep"))[1][0]["inputs"]
    assert (large["values"], large["summary"], large["omitted"]) == (None, None, "4,096 elements")
    assert (empty["values"], empty["omitted"]) == ([], None)


def test_text_is_utf8_and_stays_on_its_line(tmp_path: Path) -> None:
    t = HandmadeTrace(tmp_path / "t.backstep")
    t.add(r.Output("stdout", "α → β\n\u2028\x00\x1b[31m"), "other")
    t.close()
    content = exported(tmp_path / "t.backstep")
    assert "α → β".encode() in content
    assert b"\x1b" not in content and content.count(b"\n") == 2
    assert json.loads(content.splitlines()[1])["text"] == "α → β\n\u2028\x00\x1b[31m"


def test_a_trace_cut_short_says_so(tmp_path: Path) -> None:
    t = HandmadeTrace(tmp_path / "t.backstep")
    t.batch.flush()
    with load(tmp_path / "t.backstep") as trace:
        assert (trace.header["complete"], trace.header["exit"]["status"]) == (False, "running")
    t.close("exception", 1, "ValueError: no")
    header, _ = parse_export(exported(tmp_path / "t.backstep"))
    assert (header["complete"], header["exit"]["status"], header["exit"]["code"]) == (True, "exception", 1)
