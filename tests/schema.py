"""The jsonl export's schema, version 1, written down a second time: what the public contract says, field by field.

`parse_export` reads an export as strictly as JSON allows and checks every line; it knows nothing of backstep's code.
"""

from __future__ import annotations

import json
import math
from typing import Any


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


HEADER = words("schema version script argv torch python complete exit options events")
EXIT = {"status", "code", "exception"}
STATUSES = {"ok", "exception", "interrupted", "killed", "running"}
COMMON = words("position kind source stack module iteration loops phase")
SOURCE = words("file line column end_line end_column code")
PHASES = {"forward", "backward", "update", "zero_grad", "other"}
KINDS = {
    kind: words(fields)
    for kind, fields in {
        "forward": "op aten inputs outputs arguments nodes parent grad_enabled autocast inplace",
        "backward_start": "pass api roots seeds inputs retain_graph create_graph",
        "backward": "pass node op forward why upstream edges",
        "backward_end": "pass captured",
        "accumulate": "tensor number before arrived after fresh",
        "grad_write": "tensor number by before after",
        "zero_grad": "tensor number how before after",
        "update": "tensor number by before after grad lr state grad_enabled",
        "output": "stream text",
        "exception": "type message caught",
        "note": "text",
    }.items()
}
EDGE = words("input to needed local downstream hooked formula why")
VALUE = words("tensor version name shape dtype layout device requires_grad leaf values summary omitted")
SUMMARY = words("min max mean std norm zeros nan inf")
LOCAL = {"form", "shape", "values", "omitted"}
WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def parse_export(text: bytes) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The header and the events of an export, every line of which keeps to the schema."""
    *lines, rest = text.decode("utf-8").split("\n")
    assert rest == "", "the last line ends with a newline"
    header, *events = [parse_strictly(line) for line in lines]
    check_header(header)
    assert header["events"] == len(events)
    for position, event in enumerate(events):
        assert event["position"] == position
        check_event(event)
    return header, events


def parse_strictly(line: str) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs), f"a key stands twice in {pairs}"
        return dict(pairs)

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not strict JSON")

    return json.loads(line, object_pairs_hook=unique, parse_constant=refuse)


def check_header(header: dict[str, Any]) -> None:
    assert set(header) == HEADER
    assert (header["schema"], header["version"]) == ("backstep", 1)
    assert isinstance(header["script"], str) and isinstance(header["argv"], list)
    assert isinstance(header["torch"], str) and isinstance(header["python"], str)
    assert isinstance(header["complete"], bool) and isinstance(header["options"], dict)
    assert set(header["exit"]) == EXIT
    assert header["exit"]["status"] in STATUSES
    assert header["exit"]["code"] is None or is_count(header["exit"]["code"])


def check_event(event: dict[str, Any]) -> None:
    kind = event["kind"]
    assert set(event) == COMMON | KINDS[kind], kind
    assert event["phase"] in PHASES
    assert (event["phase"] == "backward") >= (kind in {"backward_start", "backward", "accumulate", "backward_end"})
    assert event["iteration"] is None or is_count(event["iteration"])
    assert isinstance(event["loops"], dict) and all(type(value) is int for value in event["loops"].values())
    assert event["module"] is None or isinstance(event["module"], str)
    if event["source"] is not None:
        check_source(event["source"])
    for frame in event["stack"]:
        check_source(frame)
    globals()[f"check_{kind}"](event)


def check_source(source: dict[str, Any]) -> None:
    assert set(source) == SOURCE
    assert source["file"] and not source["file"].startswith("/"), "absolute paths stand in the header only"
    start, end = (source["line"], source["column"]), (source["end_line"], source["end_column"])
    assert is_count(source["line"]) and source["line"] >= 1 and is_count(source["column"]) and start <= end
    assert isinstance(source["code"], str)


def check_forward(event: dict[str, Any]) -> None:
    assert is_name(event["op"]) and (event["aten"] is None or event["aten"].count(".") >= 1)
    check_values(event["inputs"])
    check_values(event["outputs"])
    assert all(set(argument) == {"name", "value"} for argument in event["arguments"])
    assert all(is_count(node) for node in event["nodes"])
    assert event["parent"] is None or event["parent"] > event["position"], "the parts come before the whole"
    assert isinstance(event["grad_enabled"], bool) and isinstance(event["inplace"], bool)
    assert event["autocast"] is None or isinstance(event["autocast"], str)


def check_backward_start(event: dict[str, Any]) -> None:
    assert is_count(event["pass"]) and event["api"] in {"backward", "grad"}
    check_values(event["roots"])
    check_values(event["seeds"], nullable=True)
    assert event["roots"] and len(event["roots"]) == len(event["seeds"])
    check_values(event["inputs"] or [])
    assert isinstance(event["retain_graph"], bool) and isinstance(event["create_graph"], bool)


def check_backward(event: dict[str, Any]) -> None:
    assert is_count(event["pass"]) and is_count(event["node"]) and is_name(event["op"])
    assert event["forward"] is None or 0 <= event["forward"] < event["position"]
    assert (event["forward"] is None) <= bool(event["why"]), "what is null says why"
    check_values(event["upstream"], nullable=True)
    for edge in event["edges"]:
        check_edge(edge)


def check_edge(edge: dict[str, Any]) -> None:
    assert set(edge) == EDGE
    assert edge["to"] is None or set(edge["to"]) in ({"node", "output"}, {"leaf", "number"})
    assert edge["needed"] is (edge["to"] is not None)
    assert isinstance(edge["hooked"], bool)
    if not edge["needed"]:
        assert edge["local"] is None and edge["downstream"] is None and edge["why"]
    if edge["local"] is None or edge["downstream"] is None:
        assert edge["why"], "what is null says why"
    if edge["local"] is not None:
        check_local(edge["local"])
    if edge["downstream"] is not None:
        check_value(edge["downstream"])


def check_backward_end(event: dict[str, Any]) -> None:
    assert is_count(event["pass"])
    check_values(event["captured"], nullable=True)


def check_accumulate(event: dict[str, Any]) -> None:
    check_leaf(event)
    check_value(event["arrived"])
    check_values([event["before"], event["after"]], nullable=True)
    before = event["before"]
    empty = before is None or (before["values"] is not None and not any(flat(before["values"])))
    assert event["fresh"] is empty or (before and before["values"] is None)


def check_grad_write(event: dict[str, Any]) -> None:
    check_leaf(event)
    assert is_name(event["by"])
    check_values([event["before"], event["after"]], nullable=True)


def check_zero_grad(event: dict[str, Any]) -> None:
    check_leaf(event)
    assert event["how"] in {"zero_", "set_to_none", "assign"}
    assert event["before"] is not None, "nothing there before: no event"
    check_value(event["before"])
    if event["after"] is not None:
        check_value(event["after"])
        assert event["after"]["values"] is None or not any(flat(event["after"]["values"]))


def check_update(event: dict[str, Any]) -> None:
    check_leaf(event)
    assert is_name(event["by"]) and isinstance(event["grad_enabled"], bool)
    check_values([event["before"], event["after"]])
    check_values([event["grad"]], nullable=True)
    assert event["lr"] is None or isinstance(event["lr"], float | int)
    for change in event["state"].values():
        assert set(change) == {"before", "after"}
        check_values([change["before"], change["after"]], nullable=True)


def check_output(event: dict[str, Any]) -> None:
    assert event["stream"] in {"stdout", "stderr"} and isinstance(event["text"], str)


def check_exception(event: dict[str, Any]) -> None:
    assert is_name(event["type"]) and isinstance(event["message"], str) and isinstance(event["caught"], bool)


def check_note(event: dict[str, Any]) -> None:
    assert is_name(event["text"])


def check_leaf(event: dict[str, Any]) -> None:
    assert is_name(event["tensor"]) and is_count(event["number"])


def check_values(values: list[Any], *, nullable: bool = False) -> None:
    for value in values:
        if value is not None or not nullable:
            check_value(value)


def check_value(value: dict[str, Any]) -> None:
    assert set(value) == VALUE
    assert is_count(value["tensor"]) and is_count(value["version"]) and is_name(value["name"])
    assert all(is_count(size) for size in value["shape"])
    assert is_name(value["dtype"]) and is_name(value["layout"]) and is_name(value["device"])
    assert isinstance(value["requires_grad"], bool) and isinstance(value["leaf"], bool)
    assert (value["values"] is None) is (value["omitted"] is not None), "no values, a reason; no reason, values"
    assert value["summary"] is None or set(value["summary"]) == SUMMARY
    if value["values"] is not None:
        shape = [*value["shape"], 2] if "complex" in value["dtype"] else value["shape"]
        check_nesting(value["values"], shape, boolean=value["dtype"].endswith("bool"))
        if "complex" not in value["dtype"]:
            check_summary(value["summary"], [float(WORDS.get(n, n)) for n in flat(value["values"])])


def check_summary(summary: dict[str, Any], numbers: list[float]) -> None:
    finite = [number for number in numbers if math.isfinite(number)]
    assert summary["zeros"] == finite.count(0)
    assert summary["nan"] == sum(map(math.isnan, numbers))
    assert summary["inf"] == sum(map(math.isinf, numbers))
    if finite and max(map(abs, finite)) < 1e150:
        mean = math.fsum(finite) / len(finite)
        std = math.sqrt(math.fsum((number - mean) ** 2 for number in finite) / len(finite))
        size = max(map(abs, finite))
        assert (summary["min"], summary["max"]) == (min(finite), max(finite))
        assert math.isclose(summary["mean"], mean, rel_tol=1e-6, abs_tol=1e-6 * size)
        assert math.isclose(summary["std"], std, rel_tol=1e-5, abs_tol=1e-6 * size)
        assert math.isclose(summary["norm"], math.hypot(*finite), rel_tol=1e-6)


def check_local(local: dict[str, Any]) -> None:
    assert set(local) == LOCAL
    assert local["form"] in {"elementwise", "jacobian"}
    assert all(is_count(size) for size in local["shape"])
    assert (local["values"] is None) is (local["omitted"] is not None)
    if local["values"] is not None:
        check_nesting(local["values"], local["shape"])


def check_nesting(values: Any, shape: list[int], *, boolean: bool = False) -> None:
    """Nested lists of exactly this shape, of numbers or of the words for what is not finite."""
    if shape:
        assert isinstance(values, list) and len(values) == shape[0]
        for each in values:
            check_nesting(each, shape[1:], boolean=boolean)
    elif boolean:
        assert isinstance(values, bool)
    else:
        assert type(values) in (int, float) or values in WORDS


def flat(values: Any) -> list[Any]:
    return [number for each in values for number in flat(each)] if isinstance(values, list) else [values]


def is_count(number: Any) -> bool:
    return type(number) is int and number >= 0


def is_name(text: Any) -> bool:
    return isinstance(text, str) and bool(text)
