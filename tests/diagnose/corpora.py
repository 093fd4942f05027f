"""The corpus: scripts with a fault, the same mended, and clean ones in every style; recorded in a few processes.

A script under `faults/` is faulty as it stands. `# FAULT` ends a line that its mended twin lacks, `# MENDED` begins
one that only the twin has, and `# CAUSE rule` (or `# FAULT rule`) is on the line that the rule must name.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.processes import ROOT

CORPUS = Path(__file__).parent / "corpus"
FAULTS = sorted((CORPUS / "faults").glob("*.py"))
CLEAN = sorted((CORPUS / "clean").glob("*.py"))

RECORDER = '''
import contextlib, io, sys
from pathlib import Path

import torch

import backstep

torch.set_num_threads(1)


def record(script):
    torch.set_grad_enabled(True)  # whatever the script before has left
    code = compile(script.read_text(), str(script), "exec")
    with contextlib.suppress(Exception), backstep.record(script.with_suffix(".backstep"), local="none"):
        exec(code, {"__name__": "__main__"})


def record_all(folder):
    for script in sorted(folder.glob("[!_]*.py")):
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            record(script)


record_all(Path(__file__).parent)
'''


def mended(text: str) -> str:
    """The twin of a faulty script, line by line."""
    lines = (line for line in text.splitlines() if "# FAULT" not in line)
    return "\n".join(re.sub(r"# MENDED ", "", line) for line in lines) + "\n"


def expected(text: str) -> set[tuple[str, int]]:
    """The (rule, line) pairs that a faulty script asks for."""
    found = set()
    for number, line in enumerate(text.splitlines(), 1):
        match = re.search(r"# (?:CAUSE|FAULT) (\S+)", line)
        if match:
            found.add((match[1], number))
    return found


class Recorded:
    """Scripts (name to text) that are recorded in a process of their own, which runs beside the tests."""

    def __init__(self, folder: Path, scripts: dict[str, str]) -> None:
        self._folder = folder
        folder.mkdir()
        for name, text in scripts.items():
            (folder / f"{name}.py").write_text(text)
        program = folder / "_record.py"
        program.write_text(RECORDER)
        environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen([sys.executable, program], stderr=subprocess.PIPE, text=True, env=environment)

    def trace(self, name: str) -> Path:
        """The trace of one script, when all of them are recorded."""
        if self._process.returncode is None:
            _, errors = self._process.communicate(timeout=240)
            assert self._process.returncode == 0, errors
        return self._folder / f"{name}.backstep"
