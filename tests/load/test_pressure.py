"""A writer that cannot keep up: the script waits for it within bounded memory, and nothing is lost."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import backstep
from backstep.recorder.scribe import WAITING_BYTES
from backstep.writer.ring import CAPACITY
from tests.commands import command
from tests.processes import ROOT, TRACE
from tests.writer.test_process import writers_of

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")]

SCRIPT = """
import sys
import torch
w = torch.ones(1000, requires_grad=True)
for step in range(2500):
    (w * step).sum().backward()
    w.grad = None
    if step % 10 == 0:
        print(step, flush=True)
print("done")
"""
GREATEST = WAITING_BYTES + CAPACITY + (64 << 20)
"""Bytes by which the script may grow while it waits: what is bounded, and some for what allocators keep."""


def memory_of(pid: int) -> int:
    """Bytes of a process's own and of the shared memory that it has used."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return 0 if found is None else int(found[1]) << 10


def test_a_writer_that_stands_still_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    printed = tmp_path / "printed.txt"
    with printed.open("w") as stream:
        script = subprocess.Popen(
            [sys.executable, "-m", "backstep", "run", "--headless", "--values", "all", "-o", TRACE, "script.py"],
            cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}, stdout=stream,
        )  # fmt: skip
    while not (printed.stat().st_size and writers_of(tmp_path / TRACE)):
        time.sleep(0.01)
    (writer,) = writers_of(tmp_path / TRACE)
    os.kill(writer, signal.SIGSTOP)
    before, seen, since = memory_of(script.pid), -1, time.monotonic()
    while time.monotonic() - since < 3:  # until the script waits
        assert script.poll() is None, "it ended while nobody wrote"
        if printed.stat().st_size != seen:
            seen, since = printed.stat().st_size, time.monotonic()
        time.sleep(0.05)
    assert memory_of(script.pid) - before < GREATEST
    os.kill(writer, signal.SIGCONT)
    assert script.wait(timeout=300) == 0 and printed.read_text().endswith("done\n")
    with backstep.load(tmp_path / TRACE) as trace:
        assert trace.header["complete"]
        assert sum(1 for _ in trace.find(kind="backward_start")) == 2500
    assert command("verify", tmp_path / TRACE).code == 0
