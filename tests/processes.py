"""Runs Python scripts and backstep's commands, each in a process of its own, and keeps what they left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
SCENARIOS = sorted((ROOT / "scenarios").glob("*.py"))
TRACE = "trace.backstep"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a process left: `code` is the shell's, so death by signal n is 128 + n."""

    code: int
    stdout: str
    stderr: str


def run(*command: str | Path, cwd: Path, stdin: str = "", **environment: str) -> Outcome:
    """Run it to its end in `cwd`, one thread for torch, with the source tree's package in front of an installed one."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=240,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"} | environment,
    )
    return Outcome(128 - done.returncode if done.returncode < 0 else done.returncode, done.stdout, done.stderr)


def python(*arguments: str | Path, cwd: Path, stdin: str = "", **environment: str) -> Outcome:
    return run(sys.executable, *arguments, cwd=cwd, stdin=stdin, **environment)


def backstep(*arguments: str | Path, cwd: Path, stdin: str = "", **environment: str) -> Outcome:
    return python("-m", "backstep", *arguments, cwd=cwd, stdin=stdin, **environment)


def record(*script: str | Path, cwd: Path, stdin: str = "", **environment: str) -> Outcome:
    """Run a script, or `-m` and a module, recorded into `cwd / TRACE`."""
    return backstep("run", "--headless", "-o", TRACE, *script, cwd=cwd, stdin=stdin, **environment)
