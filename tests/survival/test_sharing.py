"""What a trace that is to be shared does not hold, looked for in its bytes."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

import backstep
from tests.commands import command
from tests.processes import TRACE, record

CONFIDES = Path(__file__).parent / "scripts" / "confides.py"
SHARED = ("--no-source", "--no-output", "--values", "summary")
DATA = 17.0625
SECRETS = {
    "--values": [struct.pack(form, DATA) for form in ("<f", ">f", "<d", ">d")],
    "--no-source": [b"a phrase in the source", b"data @ w"],
    "--no-output": [b"a phrase that is printed"],
}


def recorded(folder: Path, *options: str) -> bytes:
    ran = record(*options, CONFIDES, cwd=folder)
    assert ran.code == 0, ran.stderr
    return (folder / TRACE).read_bytes()


def test_a_trace_holds_them_unless_asked_not_to(tmp_path: Path):
    held = recorded(tmp_path)
    for secrets in SECRETS.values():
        assert any(secret in held for secret in secrets)


@pytest.mark.parametrize("left_out", [None, *SECRETS])
def test_a_trace_to_be_shared(left_out: str | None, tmp_path: Path):
    """With all three options nothing is in it; each is needed: without it what it keeps out is there."""
    options = list(SHARED)
    if left_out is not None:
        at = options.index(left_out)
        del options[at : at + (2 if left_out == "--values" else 1)]
    held = recorded(tmp_path, *options)
    for option, secrets in SECRETS.items():
        assert any(secret in held for secret in secrets) is (option == left_out), option
    with backstep.load(tmp_path / TRACE) as trace:
        assert list(trace.leaves.values()) == ["w"], "names stay"
        (update,) = trace.find(kind="update", tensor="w")
        assert update.before.summary.max == 0.5, "and summaries"
    for name, *more in (("info",), ("verify",), ("show", "--at", "last"), ("check",)):
        assert command(name, tmp_path / TRACE, *more).code == 0
