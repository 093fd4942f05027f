"""Processes that a script starts: recorded into files of their own where that was asked for, else said to miss."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

import backstep
from tests.processes import TRACE, Outcome, python, record

SCRIPT = """\
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor

import torch


def train(target):
    w = torch.tensor(1.0, requires_grad=True)
    gradients = []
    for step in range(3):
        loss = (w - target) ** 2
        loss.backward()
        gradients.append(w.grad.item())
        with torch.no_grad():
            w -= 0.1 * w.grad
        w.grad = None
    return gradients


class Own(multiprocessing.Process):
    def run(self):
        print(train(4.0))
        raise SystemExit(3)


if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    own = Own(name="a /../b")
    own.start()
    own.join()
    print(own.exitcode)
    with multiprocessing.Pool(1) as pool:
        print(pool.map(train, [2.0, 3.0]))
    if sys.argv[1] == "fork":
        with ProcessPoolExecutor(1) as executor:
            print(executor.submit(train, 5.0).result())
    print(train(6.0))
"""
METHODS = ["fork", "spawn"] if sys.platform == "linux" else ["spawn"]


@pytest.fixture(scope="module", params=METHODS)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, Outcome]:
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "script.py").write_text(SCRIPT)
    return request.param, folder, record("--children", "script.py", request.param, cwd=folder)


def gradients(path: Path) -> list[float]:
    with backstep.load(path) as trace:
        return [event["after"].scalar for event in trace.find(kind="accumulate")]


def test_every_child_has_a_trace_and_computes_what_it_does_alone(run: tuple[str, Path, Outcome]) -> None:
    method, folder, recorded = run
    alone = python("script.py", method, cwd=folder)
    assert (recorded.code, recorded.stdout) == (alone.code, alone.stdout)
    told: list[Any] = [eval(line) for line in alone.stdout.splitlines()]
    pool = "ForkPoolWorker" if method == "fork" else "SpawnPoolWorker"
    children = {path.stem: gradients(path) for path in (folder / "trace.children").glob("*.backstep")}
    expected = {"a-..-b": told[0], f"{pool}-2": [*told[2][0], *told[2][1]]}
    if method == "fork":
        expected["ForkProcess-3"] = told[3]
    assert children == expected
    assert gradients(folder / TRACE) == told[-1], "its own alone"


def test_their_headers_say_whose_they_are_and_how_they_ended(run: tuple[str, Path, Outcome]) -> None:
    _, folder, _ = run
    with backstep.load(folder / "trace.children" / "a-..-b.backstep") as trace:
        assert trace.header["script"] == "script.py" and trace.header["child"] == "a /../b"
        ended = trace.header["exit"]
        assert (ended["status"], ended["code"], trace.header["complete"]) == ("ok", 3, True)
        assert next(trace.find(kind="backward_start")).source.code == "loss.backward()"
    with backstep.load(folder / TRACE) as trace:
        assert "child" not in trace.header
        notes = [event["text"] for event in trace.find(kind="note")]
    assert "the child process a /../b has a trace of its own" in notes


def test_without_being_asked_they_are_not_recorded_and_a_note_says_so(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    recorded = record("script.py", METHODS[0], cwd=tmp_path)
    assert recorded.code == 0 and sorted(path.name for path in tmp_path.iterdir()) == ["script.py", TRACE]
    with backstep.load(tmp_path / TRACE) as trace:
        notes = [event["text"] for event in trace.find(kind="note")]
    assert notes == ["child processes are not recorded (backstep run --children does)"]


def test_a_child_that_cannot_be_recorded_runs(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "trace.children").write_text("in the way")
    recorded = record("--children", "script.py", METHODS[0], cwd=tmp_path)
    assert recorded.code == 0 and recorded.stdout == python("script.py", METHODS[0], cwd=tmp_path).stdout
    assert "backstep: a /../b is not recorded: " in recorded.stderr
