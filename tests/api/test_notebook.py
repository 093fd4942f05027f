"""A trace in a notebook: real notebooks are run, and what they show is a page in a frame that can do nothing else."""

from __future__ import annotations

import html
import linecache
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import torch

import backstep
from tests.handmade import HandmadeTrace, ols_trace


@pytest.fixture
def ipython(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))


def test_a_trace_shows_itself(ipython: None, tmp_path: Path) -> None:
    trace = backstep.load(ols_trace(tmp_path / "ols.backstep", epochs=60))
    told = trace._repr_html_()  # type: ignore[attr-defined]
    assert told.startswith('<iframe sandbox="allow-scripts"') and told.count("<") == 2, "all else is in the attribute"
    page = html.unescape(told.partition('srcdoc="')[2].rpartition('"')[0])
    assert page.startswith("<!doctype html>") and "MulBackward0" in page and "at most 400" in page


def test_one_without_events_says_what_it_is(ipython: None, tmp_path: Path) -> None:
    HandmadeTrace(tmp_path / "empty.backstep", "<b>.py", "\n").close()
    assert backstep.load(tmp_path / "empty.backstep")._repr_html_().startswith("<code>&lt;Trace ")  # type: ignore[attr-defined]


CELL = """\
w = torch.tensor(1.0, requires_grad=True)
with backstep.record() as recording:
    for step in range(3):
        loss = (w * 2) ** 2
        loss.backward()
"""


def test_a_cell_has_its_source_and_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cell is compiled under a name of which there is no file; IPython keeps its text for tracebacks."""
    path = "/tmp/ipykernel_1/123.py"
    shell = types.SimpleNamespace(compile=types.SimpleNamespace(_filename_map={path: 7}))
    module = types.ModuleType("IPython")
    module.get_ipython = lambda: shell  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", module)
    monkeypatch.setitem(linecache.cache, path, (len(CELL), None, CELL.splitlines(keepends=True), path))
    names = {"torch": torch, "backstep": backstep}
    exec(compile(CELL, path, "exec"), names)
    trace = names["recording"].trace  # type: ignore[attr-defined]
    assert list(trace.leaves.values()) == ["w"] and len(trace.iterations) == 3
    event = next(trace.find(kind="backward_start"))
    assert (event.source.file, event.source.line, event.source.code) == ("In[7]", 5, "loss.backward()")
    assert trace.sources == {"In[7]": CELL} and trace.header["script"] == "In[7]"


TIMED = """\
with backstep.record() as recording:
    w = torch.tensor(1.0, requires_grad=True)
    loss = (w * 2) ** 2
    loss.backward()
"""

MAGIC = """\
def time(expr, names):
    code = compile(expr, "<timed exec>", "exec")
    exec(code, names)
"""


def test_a_timed_cell_has_its_source_and_code_of_another_one_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """`%%time` compiles the text of the cell itself; it is only in the frame of the magic."""
    module = types.ModuleType("IPython")
    module.get_ipython = lambda: types.SimpleNamespace(execution_count=4)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", module)
    magic: dict[str, Any] = {}
    exec(MAGIC, magic)
    names: dict[str, Any] = {"torch": torch, "backstep": backstep}
    magic["time"]("def double(x):\n\n\n    return x * 2\n", names)
    magic["time"](TIMED.replace("w * 2", "double(w)"), names)
    trace = names["recording"].trace
    assert list(trace.leaves.values()) == ["w"] and trace.header["script"] == "<timed exec>"
    power = next(trace.find(op="pow"))
    assert (power.source.file, power.source.line, power.source.code) == ("<timed In[4]>", 3, "(double(w)) ** 2")
    doubled = next(trace.find(op="mul"))
    assert (doubled.source.line, doubled.source.code) == (4, ""), "what is not known is not made up"
