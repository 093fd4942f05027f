"""Every format is read by what people read it with, says what the trace says, and lets nothing hostile through."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import time
import xml.etree.ElementTree as ET
from base64 import b64encode
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backstep.export.formats import FORMATS, Wanted
from backstep.export.html import MOST
from backstep.export.mermaid import quoted
from backstep.trace import records as r
from backstep.trace.trace import Trace, load
from tests.commands import command
from tests.handmade import HandmadeTrace, ols_trace

HOSTILE = "</script><img src=x onerror=alert(1)>\"'&\x1b[2J\u202e=cmd()"


@pytest.fixture(scope="module")
def ols(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ols_trace(tmp_path_factory.mktemp("formats") / "ols.backstep", epochs=4)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("hostile") / "h.backstep"
    t = HandmadeTrace(path, f"{HOSTILE}.py", f"x = '{HOSTILE}'\n")
    w = t.tensor()
    t.leaf(w, HOSTILE)
    weight = t.value(w, 2.0, HOSTILE, requires_grad=True, leaf=True)
    out = t.value(t.tensor(), 4.0, f"={HOSTILE}", requires_grad=True)
    t.forward(HOSTILE, (weight,), (out,), 1, HOSTILE, nodes=1, first_node=t.node())
    t.add(r.Output("stdout", f"={HOSTILE}\n"), "other", 1)
    t.close()
    return path


def written(path: Path, name: str, **wanted: Any) -> bytes:
    stream = io.BytesIO()
    with load(path) as trace:
        FORMATS[name].write(trace, stream, Wanted(**wanted))
    return stream.getvalue()


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_trace_gives_the_same_bytes(ols: Path, name: str) -> None:
    first = written(ols, name)
    time.sleep(0.01)
    assert first and written(ols, name) == first


def test_json_is_the_jsonl_in_one_object(ols: Path) -> None:
    told = json.loads(written(ols, "json"))
    header, *events = map(json.loads, written(ols, "jsonl").splitlines())
    assert told == {"header": header, "events": events}


def test_csv_is_a_row_an_event(ols: Path, hostile: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(written(ols, "csv").decode(), newline="")))
    with load(ols) as trace:
        assert len(rows) == len(trace)
        for row, event in zip(rows, trace.events, strict=True):
            assert (int(row["position"]), row["kind"]) == (event.position, event.kind)
            if event.kind == "update":
                assert float(row["value"]) == event["after"].values and row["tensor"] == "w"
            if event.kind in ("accumulate", "zero_grad"):
                assert row["tensor"] == "w.grad"
            if event.kind == "backward":
                assert float(row["value"]) == event["upstream"][0].values
    cells = [cell for row in csv.reader(io.StringIO(written(hostile, "csv").decode(), newline="")) for cell in row]
    assert any("cmd()" in cell for cell in cells)
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells), "no cell is a formula"


def test_npz_is_what_the_tensors_are_at_a_position(ols: Path) -> None:
    with load(ols) as trace:
        at = [event.position for event in trace.find(kind="accumulate")][2]
        arrays = np.load(io.BytesIO(written(ols, "npz", at=at)))
        assert sorted(arrays) == ["w", "w.grad"]
        assert arrays["w.grad"] == trace.event(at)["after"].values and arrays["w.grad"].dtype == np.float32
        assert arrays["w"] == trace.tensor("w").at(at)
    only = np.load(io.BytesIO(written(ols, "npz", at=at, tensors=("loss",))))
    assert list(only) == ["loss"]
    with pytest.raises(ValueError, match=r"no tensor named 'los'.*nearest: loss"):
        written(ols, "npz", tensors=("los",))


def test_svg_is_a_picture_with_the_values(ols: Path, hostile: Path) -> None:
    with load(ols) as trace:
        at = next(event.position for event in trace.find(kind="accumulate"))
    drawing = ET.fromstring(written(ols, "svg", at=at))
    texts = ["".join(text.itertext()) for text in drawing.iter("{http://www.w3.org/2000/svg}text")]
    assert {"w", "mul → y_hat", "∇ -2", "pow → loss"} <= set(texts)
    tips = ["".join(tip.itertext()) for tip in drawing.iter("{http://www.w3.org/2000/svg}title")]
    assert "pow → loss\n1\n∇ 1" in tips, "what a box has no room for"
    wires = [one.get("class") for one in drawing.iter("{http://www.w3.org/2000/svg}polyline")]
    assert wires.count("back") == 3 and wires.count("forth") == 2
    tags = {one.tag.rpartition("}")[2] for one in ET.fromstring(written(hostile, "svg")).iter()}
    assert tags <= {"svg", "title", "style", "g", "rect", "text", "polyline", "path"}


def test_the_graph_is_of_one_moment_with_all_its_gradients(ols: Path) -> None:
    drawn = written(ols, "mermaid").decode()
    with load(ols) as trace:
        end = next(event.position for event in trace.find(kind="backward_end"))
        (at,) = re.findall(r"at #(\d+)", drawn)
        assert int(at) == end
        w, grad = trace.tensor("w").at(end), trace.tensor("w.grad").at(end)
    assert f'"w<br/>{w:g}<br/>∇ {grad:g}"' in drawn and grad, "not what the update and the zeroing made of them"


def test_mermaid_is_a_flowchart_and_nothing_else(ols: Path, hostile: Path) -> None:
    head, kind, *lines = written(ols, "mermaid").decode().splitlines()
    assert head.startswith("%%") and kind == "flowchart LR"
    node = re.compile(r'  n\d+(\(\[|\[/|\[)"([^"]*)"(\]\)|/\]|\]):::(leaf|data|op)')
    allowed = (
        node,
        re.compile(r"  n\d+ --> n\d+"),
        re.compile(r"  linkStyle [\d,]+ [\w:#,-]+"),
        re.compile(r"  classDef .+"),
    )
    for line in [*lines, *written(hostile, "mermaid").decode().splitlines()[2:]]:
        assert any(one.fullmatch(line) for one in allowed), line
    assert sum(" --> " in line for line in lines) == 5
    assert quoted('a"<b>`;\n#') == "a#34;#60;b#62;#96;#59;#10;#35;"


class Page(HTMLParser):
    """The tags of a page, and the text of its scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inside: dict[str, list[str]] = {"script": [], "style": []}
        self._tag = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._tag = tag
        if tag in self.inside:
            self.inside[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        self._tag = ""

    def handle_data(self, data: str) -> None:
        if self._tag in self.inside:
            self.inside[self._tag][-1] += data

    @property
    def data(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.inside["script"][0])
        return told


def text(parts: list[int | str]) -> str:
    return "".join(map(str, parts[1::2]))


def test_the_page_shows_each_moment_as_the_screen_does(ols: Path) -> None:
    page = Page(written(ols, "html").decode())
    data = page.data
    shown = {
        step["position"]: "\n".join(text(data["rows"][row]) for pane in step["panes"] for row in pane)
        for step in data["steps"]
    }
    with load(ols) as trace:
        for event in trace.find(kind="backward"):
            assert f"{event.op} runs backward" in shown[event.position]
            told = command("show", ols, "--at", str(event.position)).stdout if event.position < 12 else ""
            for words in re.findall(r"^› (.+)", told, re.MULTILINE):
                assert words.split("  ")[0].strip() in shown[event.position]
        for event in trace.find(kind="update"):
            assert f"{event.after.values:.4g}" in shown[event.position]
        twins = {step["position"]: step["twin"] for step in data["steps"] if step["twin"] >= 0}
        for position, twin in twins.items():
            other = data["steps"][twin]["position"]
            assert {trace.event(position).kind, trace.event(other).kind} == {"forward", "backward"}


def test_the_page_shows_no_key_that_it_has_not_and_is_light_on_paper(ols: Path) -> None:
    page = Page(written(ols, "html").decode())
    headings = {text(page.data["rows"][pane[0]]).strip() for step in page.data["steps"] for pane in step["panes"]}
    assert {one.split()[0] for one in headings} == {"Source", "Graph", "Chain", "Tensors"}
    assert not any(sign in one for one in headings for sign in ("─", "unfolds"))
    dark, light = page.inside["style"][0].rsplit("@media (prefers-color-scheme: light), print", 1)
    inks = re.compile(r"\.k(\d+){")
    assert inks.findall(dark) == inks.findall(light) and dark != light, "each colour has one for a light ground"


def test_the_page_runs_no_script_but_its_own(hostile: Path) -> None:
    told = written(hostile, "html").decode()
    page = Page(told)
    known = "html head meta title style body header h1 h2 svg path line input nav button span main section pre footer"
    assert {tag for tag, _ in page.tags} <= {*known.split(), "script"}
    assert not any(name.startswith("on") or name == "src" for _, attrs in page.tags for name in attrs)
    (policy,) = [a["content"] for tag, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"]
    for kind, content in (("script", page.inside["script"][1]), ("style", page.inside["style"][0])):
        digest = b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in str(policy)
    assert str(policy).startswith("default-src 'none'") and "unsafe" not in str(policy)
    for row in page.data["rows"]:
        assert all(isinstance(part, (int, str)[at % 2]) for at, part in enumerate(row))
        assert "\x1b" not in text(row) and "\u202e" not in text(row)
    assert "innerHTML" not in page.inside["script"][1], "what comes as data stays text"


def test_a_page_is_bounded_and_says_of_what_it_is(tmp_path: Path) -> None:
    path = ols_trace(tmp_path / "long.backstep", epochs=200)
    told = written(path, "html", at=2000).decode()
    data = Page(told).data
    positions = [step["position"] for step in data["steps"]]
    assert MOST * 3 // 4 < len(positions) <= MOST and abs(positions[data["start"]] - 2000) <= 1
    assert f"events #{positions[0]:,} to #{positions[-1]:,} of" in told
    with load(path) as trace:
        some = Page(written(path, "html", iterations=(3, 5)).decode()).data
        assert {trace.iteration_at(step["position"]) for step in some["steps"]} == {3, 4}
        shaded = re.search(r'<rect x="([\d.]+)" width="([\d.]+)"', written(path, "html", iterations=(3, 5)).decode())
        assert shaded is not None, "the part of the curve that is in the page"
        left, right = (1000 * some["steps"][end]["position"] / (len(trace) - 1) for end in (0, -1))
        assert [*map(float, shaded.groups())] == pytest.approx([left, right - left], abs=0.1)
    assert "<rect" not in written(ols_trace(tmp_path / "short.backstep"), "html").decode()
    with pytest.raises(ValueError, match="no iterations 900:901"):
        written(path, "html", iterations=(900, 901))


def test_options_that_mean_nothing_are_refused(ols: Path, tmp_path: Path) -> None:
    for arguments in (["csv", "--at", "3"], ["svg", "--tensor", "w"], ["json", "--iterations", "0:1"]):
        refused = command("export", ols, "--format", *arguments)
        assert refused.code == 2 and "means nothing to" in refused.stderr and refused.stderr.count("\n") == 1
    unknown = command("export", ols, "--format", "npz", "--tensor", "v", "-o", tmp_path / "v.npz")
    assert unknown.code == 2 and "no tensor named 'v'" in unknown.stderr and unknown.stderr.count("\n") == 1
    done = command("export", ols, "--format", "npz", "-o", tmp_path / "all.npz")
    assert done.code == 0 and list(np.load(tmp_path / "all.npz")) == ["w", "w.grad"]


def test_a_trace_without_events_says_so(tmp_path: Path) -> None:
    HandmadeTrace(tmp_path / "empty.backstep", "e.py", "\n").close()
    for name in ("html", "svg", "mermaid", "npz"):
        with pytest.raises(ValueError, match="has no events"):
            written(tmp_path / "empty.backstep", name)
    assert isinstance(Trace(tmp_path / "empty.backstep"), Trace) and b"\r\n" in written(
        tmp_path / "empty.backstep", "csv"
    )
