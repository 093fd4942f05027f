"""The file: it is read while it is written, survives a kill, and what is no trace is refused in one line."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from backstep.trace import records as r
from backstep.trace.file import FORMAT_VERSION, TraceError
from backstep.trace.trace import Trace, load
from tests.handmade import HandmadeTrace, ols_trace

ROOT = Path(__file__).parents[2]


def note(t: HandmadeTrace, text: str) -> None:
    t.add(r.Note(text), "other")


def texts(trace: Trace) -> list[str]:
    return [event["text"] for event in trace.events]


def test_a_trace_grows_while_it_is_written(tmp_path: Path) -> None:
    t = HandmadeTrace(tmp_path / "t.backstep")
    note(t, "one")
    t.batch.flush()
    with load(tmp_path / "t.backstep") as trace:
        assert (texts(trace), trace.running, trace.header["complete"]) == (["one"], True, False)
        assert trace.refresh() is False
        note(t, "not flushed yet")
        assert trace.refresh() is False
        note(t, "three")
        t.batch.flush()
        assert trace.refresh() is True
        assert texts(trace) == ["one", "not flushed yet", "three"]
        t.close()
        trace.refresh()
        assert (trace.running, trace.header["exit"]["status"], trace.header["complete"]) == (False, "ok", True)


def test_what_is_known_of_a_tensor_grows_with_the_trace(tmp_path: Path) -> None:
    t = HandmadeTrace(tmp_path / "t.backstep")
    w = t.tensor()
    t.leaf(w, "w")
    positions = []
    with load(tmp_path / "t.backstep") as trace:
        for number in range(40):
            value = t.value(w, float(number), "w", leaf=True, version=number)
            positions.append(t.add(r.Update(w, 0, value, value, None, None, (), False), "update", subject=w))
            note(t, "something else")
            t.batch.flush()
            trace.refresh()
            assert trace.tensor("w").at(positions[-1]) == number
        assert trace.facts.positions(w, 0).tolist() == positions
        assert [trace.tensor("w").at(position) for position in positions] == list(range(40))
        assert trace.last_fact(w, 0, positions[7] + 1) == positions[7]
        assert trace.next_fact(w, 0, positions[7]) == positions[8]
        assert trace.next_fact(w, 0, positions[-1]) is None
    t.close()


def test_threads_may_read_while_it_grows(tmp_path: Path) -> None:
    t = HandmadeTrace(tmp_path / "t.backstep")
    note(t, "0")
    t.batch.flush()
    wrong: list[str] = []
    done = threading.Event()
    with load(tmp_path / "t.backstep") as trace:

        def read() -> None:
            while not done.is_set():
                count = len(trace)
                text = trace.event(count - 1)["text"]
                if text != str(count - 1):
                    wrong.append(text)

        readers = [threading.Thread(target=read) for _ in range(2)]
        for reader in readers:
            reader.start()
        for number in range(1, 60):
            note(t, str(number))
            t.batch.flush()
            trace.refresh()
        done.set()
        for reader in readers:
            reader.join()
        assert (wrong, len(trace)) == ([], 60)
    t.close()


KILLED = """
import os, signal
from pathlib import Path
from tests.handmade import HandmadeTrace
from backstep.trace import records as r

t = HandmadeTrace(Path("t.backstep"))
t.add(r.Note("written"), "other")
t.batch.flush()
t.add(r.Note("lost"), "other")
os.kill(os.getpid(), signal.SIGKILL)
"""


def killed(folder: Path) -> Path:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.run([sys.executable, "-c", KILLED], cwd=folder, env=environment)
    assert process.returncode == -9
    return folder / "t.backstep"


def test_what_was_written_before_a_kill_is_there(tmp_path: Path) -> None:
    with load(killed(tmp_path)) as trace:
        assert texts(trace) == ["written"]
        assert trace.header["exit"]["status"] == "killed"
        assert (trace.header["complete"], trace.running) == (False, False)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_killed_trace_in_a_read_only_folder_is_read_with_its_wal(tmp_path: Path) -> None:
    path = killed(tmp_path)
    path.with_name(path.name + "-shm").unlink(missing_ok=True)
    tmp_path.chmod(0o500)
    try:
        with load(path) as trace:
            assert texts(trace) == ["written"]
    finally:
        tmp_path.chmod(0o700)


def test_a_finished_trace_is_one_file(tmp_path: Path) -> None:
    ols_trace(tmp_path / "ols.backstep")
    assert [path.name for path in tmp_path.iterdir()] == ["ols.backstep"]


def test_reading_writes_nothing(tmp_path: Path) -> None:
    path = ols_trace(tmp_path / "ols.backstep")
    before = path.read_bytes()
    with load(path) as trace:
        assert len(list(trace.events)) == len(trace)
    assert path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["ols.backstep"]


def refusal(path: Path) -> str:
    with pytest.raises(TraceError) as caught:
        load(path)
    (line,) = str(caught.value).splitlines()
    assert str(path) in line
    return line


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "none.backstep")
    assert "folder" in refusal(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"hello", id="short text"),
        pytest.param(b"import torch\n" * 5000, id="long text"),
        pytest.param(random.Random(0).randbytes(20_000), id="random bytes"),
        pytest.param(b"SQLite format 3\x00" + random.Random(1).randbytes(20_000), id="a header and random bytes"),
    ],
)
def test_what_is_no_trace(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "no.backstep").write_bytes(content)
    assert "not a backstep trace" in refusal(tmp_path / "no.backstep")


def test_another_programs_database(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "other.backstep") as connection:
        connection.execute("CREATE TABLE header (key, value)")
    connection.close()
    assert "not a backstep trace" in refusal(tmp_path / "other.backstep")


def altered(path: Path, statement: str) -> Path:
    with sqlite3.connect(path) as connection:
        connection.execute(statement)
    connection.close()
    return path


def test_a_later_format_is_refused_by_both_numbers(tmp_path: Path) -> None:
    path = altered(ols_trace(tmp_path / "t.backstep"), f"PRAGMA user_version={FORMAT_VERSION + 1}")
    assert f"trace format {FORMAT_VERSION + 1}, this backstep reads format {FORMAT_VERSION}" in refusal(path)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE batches SET columns = x'0102'",
        "UPDATE batches SET columns = substr(columns, 1, length(columns) - 33)",
        "UPDATE batches SET columns = 'text'",
        "UPDATE batches SET columns = 7",
        "UPDATE batches SET facts = x'0102'",
        "UPDATE batches SET tables = x'c1c1'",
        "UPDATE batches SET tables = x'93'",
        "UPDATE batches SET first = 5",
        "UPDATE batches SET count = -1",
        "UPDATE header SET value = x'c1'",
        "UPDATE header SET value = 'text'",
        "DROP TABLE payloads",
        "ALTER TABLE batches DROP COLUMN tables",
        "DROP TABLE header",
        "UPDATE header SET value = x'01' WHERE key = 'argv'",
        "UPDATE header SET value = x'01' WHERE key = 'exit'",
    ],
)
def test_a_damaged_trace_is_refused_in_one_line(tmp_path: Path, statement: str) -> None:
    refusal(altered(ols_trace(tmp_path / "t.backstep"), statement))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE batches SET events = x''",
        "UPDATE batches SET events = 'text'",
        "UPDATE batches SET events = zeroblob(length(events))",
        "DELETE FROM payloads",
        "UPDATE payloads SET data = zeroblob(length(data))",
        "UPDATE payloads SET data = 'text'",
        "UPDATE payloads SET offsets = x'01'",
        "UPDATE payloads SET offsets = zeroblob(length(offsets))",
    ],
)
def test_damage_inside_is_an_error_of_the_event_that_needs_it(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "t.backstep"
    t = HandmadeTrace(path)
    t.forward("ones", (), (t.value(t.tensor(), [1.0, 2.0, 3.0]),))
    t.close()
    with load(altered(path, statement)) as trace, pytest.raises(TraceError):
        trace.event(0).as_dict()


def test_numbers_that_point_nowhere_are_an_error_too(tmp_path: Path) -> None:
    for damage in ("names", "meta", "places"):
        path = tmp_path / f"{damage}.backstep"
        t = HandmadeTrace(path)
        value = t.value(t.tensor(), 1.0)
        wrong = {"names": {"name": 999}, "meta": {"meta": 999}, "places": {}}[damage]
        row = r.ValueRow(value.tensor, 0, wrong.get("name", 0), wrong.get("meta", value.meta), 1.0)
        t.batch.add(
            r.Forward(0, 0, (), (row,), (), -1, 0, -1, True, False, 0),
            phase="forward",
            place=999 if damage == "places" else 0,
        )
        t.close()
        with pytest.raises(TraceError) as caught, load(path) as trace:
            trace.event(0)
        assert len(str(caught.value).splitlines()) == 1


def test_a_loop_inside_itself_is_refused(tmp_path: Path) -> None:
    t = HandmadeTrace(tmp_path / "t.backstep")
    t.batch.contexts.append(r.ContextRow(1, 0, 0, 0, 0, 0))
    t.context = 1
    note(t, "inside")
    t.close()
    refusal(tmp_path / "t.backstep")


@pytest.mark.parametrize("seed", range(40))
def test_flipped_bytes_never_end_in_anything_but_a_refusal(tmp_path: Path, seed: int) -> None:
    path = ols_trace(tmp_path / "t.backstep", epochs=2)
    chance = random.Random(seed)
    content = bytearray(path.read_bytes())
    for _ in range(chance.choice([1, 8, 64])):
        content[chance.randrange(len(content))] = chance.randrange(256)
    if chance.random() < 0.3:
        del content[chance.randrange(len(content)) :]
    path.write_bytes(content)
    try:
        with load(path) as trace:
            assert trace.header["events"] == len(trace)
            for position in range(len(trace)):
                trace.event(position).as_dict()
    except TraceError as error:
        assert len(str(error).splitlines()) == 1


def test_equal_payloads_are_stored_once(tmp_path: Path) -> None:
    numbers = [float(n) for n in range(10_000)]
    sizes = []
    for count in (1, 50):
        path = tmp_path / f"{count}.backstep"
        t = HandmadeTrace(path)
        values = tuple(t.value(t.tensor(), numbers) for _ in range(count))
        t.forward("stack", values, ())
        t.close()
        sizes.append(path.stat().st_size)
        with load(path) as trace:
            assert all(value.values == numbers for value in trace.event(0).inputs)
    assert sizes[1] < sizes[0] + 50 * 200


def test_no_text_of_a_trace_is_ever_run(tmp_path: Path) -> None:
    path = altered(
        ols_trace(tmp_path / "t.backstep"),
        "CREATE TRIGGER evil AFTER INSERT ON header BEGIN DELETE FROM batches; END",
    )
    assert "not a backstep trace" in refusal(path)
    view = ols_trace(tmp_path / "view.backstep")
    altered(view, "ALTER TABLE sources RENAME TO elsewhere")
    altered(view, "CREATE VIEW sources AS SELECT * FROM elsewhere")
    assert "not a backstep trace" in refusal(view)


def test_a_recording_that_ends_between_two_looks_was_not_killed(tmp_path: Path) -> None:
    """What was read when it still ran says so; that nobody holds the file any more is not the whole truth."""
    t = HandmadeTrace(tmp_path / "t.backstep")
    t.batch.flush({"exit": {"status": "running", "code": None, "exception": None}})
    with Trace(tmp_path / "t.backstep") as trace:
        assert trace.running and not len(trace)
        t.forward("ones", (), (t.value(t.tensor(), 1.0, "x"),), 1)
        t.close()
        assert trace.as_read["status"] == "running"
        assert trace.header["exit"]["status"] == "ok" and trace.header["complete"]
        assert trace.refresh() and len(trace) == 1


def test_a_recording_that_was_cut_off_was_killed(tmp_path: Path) -> None:
    t = HandmadeTrace(tmp_path / "t.backstep")
    t.batch.flush({"exit": {"status": "running", "code": None, "exception": None}})
    with Trace(tmp_path / "t.backstep") as trace:
        t._writer.close()
        assert trace.header["exit"]["status"] == "killed"
