"""The container: one SQLite file, a batch of events a row. It owns the tables, the locks and the refusals.

Written in WAL mode by one process that holds `flock(LOCK_EX)`; read with `mode=ro`, never with a transaction
left open. A file is untrusted: no trigger or view of it is run, and a batch is decoded against a schema.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import os
import shutil
import sqlite3
import tempfile
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from backstep.trace.held import Held

APPLICATION_ID = 0x62737465  # "bste"
FORMAT_VERSION = 1
LIMIT_ROW = 1 << 26
"""Bytes of the largest row that is read of a file, but for payloads: a tensor may be large."""
LIMIT_PAYLOADS = 1 << 30
LEAST_OF_EVENT = 28
"""Bytes that an event takes at least: its columns."""
LIMIT_SOURCE = 1 << 21
"""Bytes of the longest source text that is read."""
LIMIT_HEADER, LIMIT_SOURCES, PAGE = 64, 1 << 14, 64
"""How many rows are read of the header, of the sources; how many batches at once."""
BALLAST = 1 << 18
"""Bytes of the disk that a recording sets aside, so that its last words fit on one that is full."""

SCHEMA = """
CREATE TABLE header (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE batches (
    id INTEGER PRIMARY KEY, first INTEGER NOT NULL, count INTEGER NOT NULL,
    columns BLOB NOT NULL, facts BLOB NOT NULL, tables BLOB NOT NULL, events BLOB NOT NULL);
CREATE TABLE payloads (
    id INTEGER PRIMARY KEY, count INTEGER NOT NULL, offsets BLOB NOT NULL, data BLOB NOT NULL);
CREATE TABLE sources (file TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;
"""


DAMAGE = (LookupError, ValueError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""What code that believes a trace may stumble over where the trace lies: shown as a damaged moment, in one line."""


class TraceError(Exception):
    """The file is no trace, or not one that this version reads. The message is one plain line."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One row of `batches`, still encoded but for its events, which are read when they are asked for."""

    id: int
    first: int
    count: int
    columns: bytes
    facts: bytes
    tables: bytes


_kept_open: list[object] = []
"""Of databases whose files the script has closed: under their numbers are files of its own by now."""


class TraceWriter:
    """The writing side of a file. Used from one thread at a time; in one process, then perhaps in another."""

    def __init__(self, path: Path, *, lock: int | None = None) -> None:
        """A new trace, or going on with one whose `lock`, a descriptor, has been handed down.

        FileExistsError where something is already, or another recording begins.
        """
        self.path = path
        self._pid = os.getpid()
        self._taken_back = False
        if lock is not None:
            self.lock = Held(lock)
            self._connect()
            return
        # Locked before it is a trace: who reads it from then on sees that it is being written.
        self.lock = Held(take(path))
        self._connect()
        self._connection.executescript(SCHEMA)

    def _connect(self) -> None:
        self._ballast = reserve(self.path.parent)
        self._connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA page_size=8192")
        self._connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        self._connection.execute(f"PRAGMA user_version={FORMAT_VERSION}")
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=OFF")

    def write_header(self, values: dict[str, Any]) -> None:
        """Sets the given keys of the header."""
        rows = [(key, msgspec.msgpack.encode(value)) for key, value in values.items()]
        self._connection.executemany("INSERT OR REPLACE INTO header VALUES (?, ?)", rows)

    def write_source(self, file: str, text: str) -> None:
        self._connection.execute("INSERT OR IGNORE INTO sources VALUES (?, ?)", (file, text))

    def write_batch(
        self, batch: Batch, events: bytes, payloads: tuple[int, int, bytes, bytes] | None, header: dict[str, Any]
    ) -> None:
        """Adds a batch, the payloads that its events need (`(id, count, offsets, data)`) and the header's changes."""
        self.lock.check()
        if not os.fstat(self.lock.number).st_nlink:
            raise FileNotFoundError(f"{self.path.name} was removed")
        with self._transaction():
            if payloads is not None:
                self._connection.execute("INSERT INTO payloads VALUES (?, ?, ?, ?)", payloads)
            row = (batch.id, batch.first, batch.count, batch.columns, batch.facts, batch.tables, events)
            self._connection.execute("INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            self.write_header(header)

    def forget(self, batches: list[int], payloads: list[int]) -> None:
        """Empties batches that a flight recorder lets go, but for what they add to the tables; drops payloads."""
        empty = "UPDATE batches SET columns = x'', facts = x'', events = x'' WHERE id = ?"
        with self._transaction():
            self._connection.executemany(empty, [(number,) for number in batches])
            self._connection.executemany("DELETE FROM payloads WHERE id = ?", [(number,) for number in payloads])

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """All of it or nothing."""
        self._connection.execute("BEGIN")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise

    def stop(self, header: dict[str, Any]) -> None:
        """Says in the header why nothing more is written; on a full disk what was set aside makes room for it."""
        self._give_back()
        if self.sound:
            with contextlib.suppress(sqlite3.Error):
                self.write_header(header)

    @property
    def sound(self) -> bool:
        """Whether the files are still what they were; nothing may be written else."""
        return self.lock.ours or self._taken_back

    @property
    def size(self) -> int:
        """Bytes of the file."""
        (pages,) = self._connection.execute("PRAGMA page_count").fetchone()
        (size,) = self._connection.execute("PRAGMA page_size").fetchone()
        return int(pages) * int(size)

    def close(self) -> None:
        """Folds the WAL in and leaves one file, unless a reader holds it; then the reader's owner does so later.

        Even then all is in the file itself, so that a copy of it alone is the whole trace.
        """
        if os.getpid() != self._pid:
            return
        if not self.sound:
            _kept_open.append(self._connection)
            return
        with contextlib.suppress(sqlite3.Error):
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._connection.execute("PRAGMA journal_mode=DELETE")
        self._connection.close()
        self._give_back()
        self.abandon()

    def reader(self) -> OwnReader:
        """Reads what has been written, in this thread."""
        return OwnReader(self.path, self._connection)

    def hand_over(self) -> None:
        """Another process goes on with the file. It stays locked here too: as long as either has the lock, it grows."""
        self._connection.close()
        self._give_back()

    def take_back(self) -> None:
        """The other process has gone, or the files have."""
        if not self.sound:
            _kept_open.append(self._connection)
        self._connect()
        self._taken_back = True

    def abandon(self) -> None:
        """Lets go of the lock: in a forked child, so that a trace whose recorder has died is not called running."""
        self.lock.close()

    def _give_back(self) -> None:
        """What was set aside of the disk."""
        if self._ballast is not None:
            self._ballast.close()
            self._ballast = None


def create(path: Path, *, force: bool) -> TraceWriter:
    """A new trace file. FileExistsError where one is, unless `force` removes it; none that is being recorded goes."""
    if force and path.exists():
        if is_locked(path):
            raise FileExistsError(f"{path} is being recorded by another run")
        for suffix in ("", "-wal", "-shm", "-journal"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
    return TraceWriter(path)


def take(path: Path) -> int:
    """Locks a file that is new, or empty; of two that try at once one gets it. FileExistsError for the other."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.fstat(descriptor).st_size:
            return descriptor
        refusal = f"{path} exists already (--force replaces it)"
    except OSError:
        refusal = f"{path} is being recorded by another run"
    os.close(descriptor)
    raise FileExistsError(refusal)


def reserve(folder: Path) -> Held | None:
    """Sets some of the disk aside, in a file without a name; closing it gives that back. None where it cannot be."""
    try:
        descriptor, name = tempfile.mkstemp(dir=folder)
    except OSError:
        return None
    ballast = Held(descriptor)
    try:
        os.unlink(name)
        os.write(descriptor, bytes(BALLAST))
    except OSError:
        ballast.close()
        return None
    return ballast


def is_locked(path: Path) -> bool:
    """Whether a recorder holds the file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def reason(error: Exception) -> str:
    """Why nothing can be written any more, in plain words."""
    words = str(error)
    if "full" in words or getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "the disk is full"
    if isinstance(error, sqlite3.Error):
        return f"the disk takes no more: {words}"
    return words if isinstance(error, OSError) else f"{type(error).__name__}: {words}"


def _objects(connection: sqlite3.Connection) -> set[tuple[str, str, str]]:
    """The tables, and whatever else is in a database: kind, name, and how it was made."""
    rows = connection.execute("SELECT type, name, sql FROM sqlite_schema LIMIT 99")
    return {(kind, name, " ".join(str(sql).split())) for kind, name, sql in rows}


@functools.cache
def _our_objects() -> set[tuple[str, str, str]]:
    """What is in a trace; nothing else may be, neither a trigger nor a view nor a column that is computed."""
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(SCHEMA)
        return _objects(connection)


def one_line(text: str) -> str:
    """The text on one line, and nothing in it that could move a terminal's cursor: it may quote a hostile file."""
    text = " ".join(text.split())
    return "".join(character if character.isprintable() else "�" for character in text)


def fold(path: Path) -> None:
    """Folds a left-over WAL into its file; for the process that started the recorder, once its reader is closed."""
    if not path.with_name(path.name + "-wal").exists():
        return
    with contextlib.suppress(sqlite3.Error, OSError):
        connection = sqlite3.connect(path, timeout=1)
        try:
            connection.execute("PRAGMA journal_mode=DELETE")
        finally:
            connection.close()


class TraceReader:
    """The reading side: never writes to the file, holds no transaction between two calls."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        if not path.exists():
            raise TraceError(f"{path}: no such file")
        if path.is_dir():
            raise TraceError(f"{path}: is a folder, not a trace")
        if not path.is_file():
            raise TraceError(f"{path}: is no regular file")
        try:
            self._connection = self._open(path)
        except sqlite3.Error:
            self._connection = self._open_copy(path)
        weakref.finalize(self, self._connection.close)  # who lets go of a trace need not have closed it
        self._data_version = -1

    def _open(self, path: Path) -> sqlite3.Connection:
        uri = f"{path.absolute().as_uri()}?mode=ro"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=5)
        try:
            connection.text_factory = lambda text: text.decode("utf-8", "replace")
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LIMIT_ROW)
            connection.execute("PRAGMA trusted_schema=OFF")
            connection.execute("PRAGMA query_only=ON")
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            found = _objects(connection)
        except UnicodeDecodeError:
            connection.close()
            raise TraceError(f"{path}: not a backstep trace") from None  # the words of a malformed schema
        except sqlite3.DatabaseError as error:
            connection.close()
            if "not a database" in str(error) or "malformed" in str(error):
                raise TraceError(f"{path}: not a backstep trace") from None
            raise
        if application != APPLICATION_ID:
            connection.close()
            raise TraceError(f"{path}: not a backstep trace")
        if version != FORMAT_VERSION:
            connection.close()
            newer = "; a newer one has written it" if version > FORMAT_VERSION else ""
            raise TraceError(f"{path}: trace format {version}, this backstep reads format {FORMAT_VERSION}{newer}")
        if found != _our_objects():
            connection.close()
            raise TraceError(f"{path}: not a backstep trace")
        return connection

    def _open_copy(self, path: Path) -> sqlite3.Connection:
        # Where the -shm file can be neither had nor made (a read-only folder), SQLite cannot see the WAL.
        self._copy = tempfile.TemporaryDirectory(prefix="backstep-")
        try:
            for suffix in ("", "-wal"):
                source = path.with_name(path.name + suffix)
                if source.exists():
                    shutil.copy(source, Path(self._copy.name) / source.name)
            return self._open(Path(self._copy.name) / path.name)
        except (sqlite3.Error, OSError) as error:
            self._copy.cleanup()
            raise TraceError(f"{path}: cannot be read: {error}") from None

    def changed(self) -> bool:
        """Whether another process has committed since the last call; cheap enough to poll."""
        ((version,),) = self._query("PRAGMA data_version")
        changed = bool(version != self._data_version)
        self._data_version = version
        return changed

    def running(self) -> bool:
        """Whether a recorder still holds the file."""
        return is_locked(self.path)

    def header(self) -> dict[str, Any]:
        rows = self._query("SELECT key, value FROM header LIMIT ?", LIMIT_HEADER)
        try:
            return {str(key): msgspec.msgpack.decode(value) for key, value in rows}
        except (msgspec.DecodeError, TypeError, ValueError, RecursionError) as error:
            raise TraceError(f"{self.path}: damaged header: {error}") from None

    def sources(self) -> dict[str, str]:
        query = "SELECT file, text FROM sources WHERE length(CAST(text AS BLOB)) <= ? LIMIT ?"
        return {str(file): str(text) for file, text in self._query(query, LIMIT_SOURCE, LIMIT_SOURCES)}

    def batches(self, after: int) -> Iterator[Batch]:
        """The batches whose id is greater than `after`, in order."""
        query = "SELECT id, first, count, columns, facts, tables FROM batches WHERE id > ? ORDER BY id LIMIT ?"
        while rows := self._query(query, after, PAGE):
            for row in rows:
                yield Batch(*row)
            after = rows[-1][0]

    def recorded(self) -> int:
        """About how many events there are in all batches; never more than the file has room for."""
        for first, count in self._query("SELECT first, count FROM batches ORDER BY id DESC LIMIT 1"):
            if isinstance(first, int) and isinstance(count, int):
                return min(first + count, self.path.stat().st_size // LEAST_OF_EVENT)
        return 0

    def events(self, batch: int) -> bytes:
        return self._blob("SELECT events FROM batches WHERE id = ?", batch)

    def payloads(self, number: int) -> tuple[int, bytes, bytes]:
        """`(first id, offsets, data)` of the row of payloads that holds this one."""
        query = "SELECT id, offsets, data FROM payloads WHERE id <= ? ORDER BY id DESC LIMIT 1"
        self._connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LIMIT_PAYLOADS)
        try:
            rows = self._query(query, number)
        finally:
            self._connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LIMIT_ROW)
        for row in rows:
            if isinstance(row[1], bytes) and isinstance(row[2], bytes):
                return int(row[0]), row[1], row[2]
        raise TraceError(f"{self.path}: payload {number} is missing")

    def close(self) -> None:
        self._connection.close()
        if self._copy is not None:
            self._copy.cleanup()

    def _blob(self, query: str, number: int) -> bytes:
        for row in self._query(query, number):
            if isinstance(row[0], bytes):
                return row[0]
        raise TraceError(f"{self.path}: batch {number} is missing")

    def _query(self, query: str, *values: int) -> list[Any]:
        try:
            return self._connection.execute(query, values).fetchall()
        except (sqlite3.Error, OverflowError, UnicodeDecodeError) as error:
            raise TraceError(f"{self.path}: cannot be read: {error}") from None
        except MemoryError:
            raise TraceError(f"{self.path}: is larger than the memory there is") from None


class OwnReader(TraceReader):
    """What a writer reads of its own file: to open and close it once more would take the writer's locks away.

    Nothing has been let go of what it reads: positions are those of the recording.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    def changed(self) -> bool:
        return True

    def running(self) -> bool:
        return True

    def header(self) -> dict[str, Any]:
        return {key: value for key, value in super().header().items() if key != "dropped"}

    def payloads(self, number: int) -> tuple[int, bytes, bytes]:
        query = "SELECT id, offsets, data FROM payloads WHERE id <= ? ORDER BY id DESC LIMIT 1"
        for row in self._query(query, number):
            return int(row[0]), row[1], row[2]
        raise TraceError(f"{self.path}: payload {number} is missing")

    def close(self) -> None:
        """The connection is the writer's."""
