"""Under load: large graphs, many leaves and threads, deep recursion, a file of gigabytes. All of it is slow."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

import backstep
from backstep.trace import records as r
from tests.commands import command
from tests.handmade import HandmadeTrace
from tests.processes import TRACE, python, record

SCRIPTS = Path(__file__).parent / "scripts"
MEGABYTE = 1 << 20
pytestmark = pytest.mark.slow


def same(script: str, folder: Path) -> Path:
    """Runs a script with and without backstep, which makes no difference; gives its trace."""
    ran, plain = record(SCRIPTS / script, cwd=folder), python(SCRIPTS / script, cwd=folder)
    assert (ran.code, ran.stdout) == (plain.code, plain.stdout) and plain.code == 0, ran.stderr
    return folder / TRACE


def count(path: Path, kind: str) -> int:
    with backstep.load(path) as trace:
        assert trace.header["complete"]
        return sum(1 for _ in trace.find(kind=kind))


def test_a_thousand_layers(tmp_path: Path):
    path = same("deep.py", tmp_path)
    assert count(path, "accumulate") == count(path, "update") - 2000 == 4000  # 2000 of them initialise
    assert command("verify", path).code == 0


def test_a_graph_of_a_hundred_thousand_nodes(tmp_path: Path):
    path = same("long_graph.py", tmp_path)
    with backstep.load(path) as trace:
        assert int((trace.columns["kind"] == 2).sum()) == 100_000
    assert command("show", path, "--at", "50%").code == 0


def test_ten_thousand_leaves(tmp_path: Path):
    path = same("many_leaves.py", tmp_path)
    with backstep.load(path) as trace:
        assert len(trace.leaves) == 10_000
    assert count(path, "accumulate") == 10_000
    assert command("info", path).code == 0


def test_recursion_up_to_the_limit(tmp_path: Path):
    same("recursion.py", tmp_path)


def test_many_short_lived_threads(tmp_path: Path):
    path = same("many_threads.py", tmp_path)
    assert count(path, "accumulate") == 500
    assert command("verify", path).code == 0


OPEN = """
import asyncio, re, sys
from backstep.trace.trace import load
from backstep.tui import App

async def look():
    with load(sys.argv[1]) as trace:
        app = App(trace)
        async with app.run_test(size=(200, 60)) as pilot:
            for key in ("right", "end", "i", "I", "home", "p", "4", "z", "pagedown"):
                await pilot.press(key)
                await pilot.pause()
            assert any("Tensors" in "".join(s.text for s in strip) for strip in app.canvas.strips)

asyncio.run(look())
# Not `ru_maxrss`: that begins with the memory of who started this process.
print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_file_of_gigabytes_opens_in_200_megabytes(tmp_path: Path):
    path = tmp_path / TRACE
    t = HandmadeTrace(path)
    w = t.tensor()
    t.leaf(w, "w")
    numbers = np.random.default_rng(0).standard_normal(1 << 18).astype("float32")
    for step in range(2200):
        with t.loop_pass("step", step):
            numbers[0] = step  # one that no other step has, so that each is stored
            before = t.value(w, numbers, "w", requires_grad=True, leaf=True, version=step)
            start = r.BackwardStart(step, "backward", (before,), (None,), None, False, False)
            t.add(start, "backward", 14, subject=step)
            t.add(r.Accumulate(w, None, before, before, True), "backward", 14, subject=w)
            t.add(r.Update(w, 0, before, before, before, 0.1, (), False), "update", 18, subject=w)
        t.batch.flush()
    t.close()
    assert path.stat().st_size > 2 << 30
    opened = python("-c", OPEN, path, cwd=tmp_path)
    assert opened.code == 0, opened.stderr
    assert int(opened.stdout) * 1024 < 200 * MEGABYTE
    os.unlink(path)
