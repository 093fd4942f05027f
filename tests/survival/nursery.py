"""Children that record a training each, killed at random moments: `nursery.py FOLDER KILLS AT_ONCE SEED`.

Torch is imported once, here. Prints for each child its trace, and how many steps it had surely made a second
before it was killed.
"""

from __future__ import annotations

import mmap
import os
import random
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch

import backstep

LIFE = 3.0
"""Seconds that a child lives at most."""
MOMENT = 1.0
"""What was done so many seconds before the end must be in the trace."""


@dataclass
class Child:
    pid: int
    trace: Path
    steps: mmap.mmap
    dies: float
    counted: int = 0


def train(trace: Path, steps: mmap.mmap) -> None:
    """Trains until it is killed, and counts its steps in memory that outlives it."""
    w = torch.tensor(1.0, requires_grad=True)
    with backstep.record(trace):
        step = 0
        while True:
            ((w - 2.0) ** 2).backward()
            with torch.no_grad():
                w.sub_(w.grad, alpha=0.01)
            w.grad = None
            step += 1
            steps[:8] = step.to_bytes(8, "little")
            time.sleep(0.001)


def born(trace: Path, life: float) -> Child:
    steps = mmap.mmap(-1, 8)
    pid = os.fork()
    if not pid:
        train(trace, steps)
    return Child(pid, trace, steps, time.monotonic() + life)


def main(folder: Path, kills: int, at_once: int, seed: int) -> None:
    chance = random.Random(seed)
    waiting = [folder / f"{number}.backstep" for number in range(kills)]
    alive: list[Child] = []
    while waiting or alive:
        while waiting and len(alive) < at_once:
            alive.append(born(waiting.pop(), chance.uniform(0, LIFE)))
        time.sleep(0.005)
        now = time.monotonic()
        for child in list(alive):
            if now < child.dies - MOMENT:
                child.counted = int.from_bytes(child.steps[:8], "little")
            if now >= child.dies:
                os.kill(child.pid, signal.SIGKILL)
                os.waitpid(child.pid, 0)
                alive.remove(child)
                print(child.trace, child.counted, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:5]))
