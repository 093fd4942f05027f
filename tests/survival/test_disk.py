"""A disk that gives no more room, a folder that goes, a child that lives on: the script does not notice."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import backstep
from backstep.trace.file import create
from tests.commands import command
from tests.processes import ROOT, TRACE, Outcome, record
from tests.processes import python as run_python

SCRIPTS = Path(__file__).parent / "scripts"
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}


def assert_stopped(ran: Outcome, trace: Path, why: str) -> None:
    """The script is done; one line says so at once, and the trace says what is missing."""
    assert (ran.code, ran.stdout) == (0, "done\n")
    assert [line for line in ran.stderr.splitlines() if "recording stopped: " in line] == [
        f"backstep: recording stopped: {why}"
    ]
    assert ran.stderr.count("\n") == 3, ran.stderr
    with backstep.load(trace) as loaded:
        header = loaded.header
        assert (header["exit"]["status"], header["exit"]["code"], header["complete"]) == ("ok", 0, False)
        assert 0 < len(loaded) < 60 * 10
        assert f"; recording stopped before the script: {why}\n" in command("info", trace).stdout
        assert f"backstep: {len(loaded)} events recorded before it stopped" in ran.stderr
    assert command("verify", trace).code == 0


def test_no_more_room_for_the_file(tmp_path: Path):
    """The files of the run may have two megabytes each."""
    process = subprocess.run(
        [sys.executable, "-m", "backstep", "run", "--headless", "--values", "all", "-o", TRACE, SCRIPTS / "fills.py"],
        cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, timeout=120,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2 << 20, 2 << 20)),
    )  # fmt: skip
    ran = Outcome(process.returncode, process.stdout, process.stderr)
    assert_stopped(ran, tmp_path / TRACE, "the disk takes no more: disk I/O error")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of six megabytes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "none", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip("may not mount a file system here")
    yield disk
    subprocess.run(["umount", disk], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="tmpfs is Linux's")
def test_full_disk(small_disk: Path):
    ran = record("--values", "all", SCRIPTS / "fills.py", cwd=small_disk)
    assert (os.statvfs(small_disk).f_bavail) < 64, "it is full"
    assert_stopped(ran, small_disk / TRACE, "the disk is full")


@pytest.mark.skipif(sys.platform != "linux", reason="tmpfs is Linux's")
def test_a_disk_that_takes_nothing(small_disk: Path):
    """Refused in a line before the script begins; a trace that is there is read."""
    assert record(SCRIPTS / "leaves.py", cwd=small_disk).code == 7
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    for options in (["-o", "other.backstep"], []):
        refused = run_python("-m", "backstep", "run", "--headless", *options, SCRIPTS / "leaves.py", cwd=small_disk)
        assert (refused.code, refused.stdout, refused.stderr.count("\n")) == (2, "", 1), refused
    for words in ("info", "verify"):
        assert command(words, small_disk / TRACE).code == 0


def test_removed_folder(tmp_path: Path):
    (tmp_path / "gone").mkdir()
    ran = record("-o", "gone/trace.backstep", SCRIPTS / "removes.py", "gone", cwd=tmp_path)
    assert (ran.code, ran.stdout) == (0, "done\n")
    assert "backstep: recording stopped: trace.backstep was removed\n" in ran.stderr
    assert ran.stderr.endswith("\nbackstep: gone/trace.backstep was removed\n")
    assert not (tmp_path / "gone").exists()


def test_nowhere_to_write(tmp_path: Path):
    """Said before the script begins."""
    folders = ["/proc", "/sys", tmp_path / "missing"] if sys.platform == "linux" else [tmp_path / "missing"]
    for folder in folders:
        ran = record("-o", f"{folder}/trace.backstep", SCRIPTS / "leaves.py", cwd=tmp_path)
        assert (ran.code, ran.stdout, ran.stderr.count("\n")) == (2, "", 1), ran


def test_forked_child_that_lives_on(tmp_path: Path):
    """The trace is that of the parent, which was killed, also while the child lives; the child was not recorded."""
    run = [sys.executable, "-m", "backstep", "run", "--headless", "-o", TRACE, SCRIPTS / "forks.py"]
    process = subprocess.Popen(run, cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)
    assert process.wait(timeout=60) < 0
    with backstep.load(tmp_path / TRACE) as trace:
        assert trace.header["exit"]["status"] == "killed"
        assert [event.after.values for event in trace.find(kind="accumulate")] == [6.0]
    told, _ = process.communicate(timeout=60)  # which ends with the child
    assert told == "child 12.0\n"
    with backstep.load(tmp_path / TRACE) as trace:
        assert len(list(trace.find(kind="accumulate"))) == 1


def test_two_runs_at_once(tmp_path: Path):
    """Of two runs to one path the second is refused; without a path each gets its own."""
    slow = tmp_path / "slow.py"
    slow.write_text("import time, torch\nw = torch.ones(1, requires_grad=True)\nw.backward()\ntime.sleep(3)\n")
    run = [sys.executable, "-m", "backstep", "run", "--headless"]
    started = [subprocess.Popen([*run, slow], cwd=tmp_path, env=ENVIRONMENT, stderr=subprocess.PIPE) for _ in range(2)]
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("slow*.backstep"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    taken = subprocess.Popen([*run, "-o", "same", slow], cwd=tmp_path, env=ENVIRONMENT, stderr=subprocess.PIPE)
    also = subprocess.Popen([*run, "-o", "same", slow], cwd=tmp_path, env=ENVIRONMENT, stderr=subprocess.PIPE)
    ended = [process.communicate(timeout=90)[1].decode() for process in (*started, taken, also)]
    assert [process.returncode for process in started] == [0, 0], ended
    assert sorted([taken.returncode, also.returncode]) == [0, 2], ended
    for trace in ("slow.backstep", "slow-2.backstep", "same"):
        with backstep.load(tmp_path / trace) as loaded:
            assert loaded.header["complete"] and len(list(loaded.find(kind="accumulate"))) == 1


def test_trace_that_is_being_recorded_is_not_replaced(tmp_path: Path):
    writer = create(tmp_path / TRACE, force=False)
    try:
        ran = record("--force", SCRIPTS / "leaves.py", cwd=tmp_path)
        assert (ran.code, ran.stdout) == (2, "")
        assert ran.stderr == f"backstep run: {TRACE}: is being recorded by another run\n"
        with pytest.raises(FileExistsError, match="is being recorded by another run"):
            create(tmp_path / TRACE, force=True)
    finally:
        writer.close()
    create(tmp_path / TRACE, force=True).close()


def test_a_script_that_closes_every_file_has_its_own_alone(tmp_path: Path):
    """What was recorded is good; nothing is ever written to, or closed of, what the script opened then."""
    ran = record(SCRIPTS / "closes.py", cwd=tmp_path)
    assert (ran.code, ran.stdout) == (0, "done\n")
    why = "the script has closed every file, the trace's too"
    assert ran.stderr.count("\n") == 3 and f"backstep: recording stopped: {why}\n" in ran.stderr
    assert [(tmp_path / f"own-{number}.txt").read_text() for number in range(12)] == [f"mine {n}" for n in range(12)]
    with backstep.load(tmp_path / TRACE) as trace:
        assert (trace.header["exit"]["status"], trace.header["complete"], trace.stopped) == ("ok", False, why)
    assert command("verify", tmp_path / TRACE).code == 0
    assert [path.name for path in tmp_path.glob("trace*")] == [TRACE]


def test_a_block_in_a_script_that_closes_every_file(tmp_path: Path):
    """The same before a process writes, while the trace is open here."""
    source = (SCRIPTS / "closes.py").read_text()
    body = "".join(f"    {line}" for line in source[source.index("train(40 if") :].splitlines(keepends=True))
    head = source[: source.index("train(40 if")]
    (tmp_path / "block.py").write_text(f"{head}import backstep\nwith backstep.record('trace.backstep') as r:\n{body}")
    ran = run_python("block.py", "3", cwd=tmp_path)
    assert (ran.code, ran.stdout) == (0, "done\n"), ran.stderr
    assert ran.stderr == "backstep: recording stopped: the script has closed every file, the trace's too\n"
    assert (tmp_path / "own-0.txt").read_text() == "mine 0"
    assert command("info", tmp_path / TRACE).code == 0
