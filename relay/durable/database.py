"""One SQLite file: one writer thread, one reader thread, whole transactions in one hop.

Durability: WAL with synchronous=FULL, read back and refused otherwise. A `write` returns only after its COMMIT; writes that
wait together share one COMMIT, each in a savepoint of its own, so that a failing one takes nothing else with it.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final, TypeVar

from relay.core.errors import Conflict, Malformed
from relay.durable.errors import StorageFailed

T = TypeVar("T")

GROUP_WRITES_MAX: Final = 256
BUSY_TIMEOUT_MS: Final = 5000
_FULL: Final = 2


@dataclass(slots=True)
class _Write:
    run: Callable[[sqlite3.Connection], Any]
    done: Future[Any]
    outcome: Any = None
    failure: BaseException | None = None


class Database:
    """Open with `open`, end with `close`. Functions handed to `read` and `write` run in another thread."""

    def __init__(self, path: Path, writer: sqlite3.Connection, reader: sqlite3.Connection, lock: int) -> None:
        self._path = path
        self._writer = writer
        self._reader = reader
        self._lock = lock
        self._queue: SimpleQueue[_Write | None] = SimpleQueue()
        self._failed: StorageFailed | None = None
        self._closed = False
        self._write_thread = ThreadPoolExecutor(1, thread_name_prefix=f"write {path.name}")
        self._read_thread = ThreadPoolExecutor(1, thread_name_prefix=f"read {path.name}")
        self._worker = self._write_thread.submit(self._serve)

    @classmethod
    async def open(
        cls, path: Path, *, application: int, migrations: Sequence[str], check: bool = False
    ) -> Database:
        """Open or create the file and bring its schema up to `len(migrations)`.

        Raises `Malformed` (not a database, another application's, a newer schema, unsafe settings; each says what to do),
        `Conflict` (another process holds it), `StorageFailed`.
        """
        return await asyncio.to_thread(cls._open, path, application, migrations, check)

    @classmethod
    def _open(cls, path: Path, application: int, migrations: Sequence[str], check: bool) -> Database:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = _take_lock(path)
        try:
            writer = _connect(path)
            _prepare(writer, path, application, migrations, check)
            reader = _connect(path)
            reader.execute("PRAGMA query_only = ON")
        except sqlite3.DatabaseError as error:
            os.close(lock)
            raise Malformed(
                str(path), "", f"cannot be used as a database ({error}); restore it from a backup or move it away"
            ) from None
        except BaseException:
            os.close(lock)
            raise
        return cls(path, writer, reader, lock)

    async def write(self, fn: Callable[[sqlite3.Connection], T]) -> T:
        """Run `fn` inside a transaction; return its result after COMMIT. What `fn` raises is raised here, undone."""
        if self._failed is not None:
            raise self._failed
        if self._closed:
            raise RuntimeError("the database is closed")
        work = _Write(fn, Future())
        self._queue.put(work)
        result: T = await asyncio.wrap_future(work.done)
        return result

    async def read(self, fn: Callable[[sqlite3.Connection], T]) -> T:
        """Run `fn` on the read-only connection: it sees every committed write."""
        if self._failed is not None:
            raise self._failed
        return await asyncio.get_running_loop().run_in_executor(self._read_thread, fn, self._reader)

    async def close(self) -> None:
        """Finish what waits, then close. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        await asyncio.wrap_future(self._worker)
        await asyncio.to_thread(self._shut)

    def _shut(self) -> None:
        self._write_thread.shutdown()
        self._read_thread.shutdown()
        self._reader.close()
        self._writer.close()
        os.close(self._lock)

    def _serve(self) -> None:
        """The writer thread: take what waits, run it in one transaction, answer after COMMIT."""
        while True:
            work = self._queue.get()
            if work is None:
                return
            group = [work]
            ended = False
            while len(group) < GROUP_WRITES_MAX and not self._queue.empty():
                more = self._queue.get()
                if more is None:
                    ended = True
                    break
                group.append(more)
            self._run_group(group)
            if ended:
                return

    def _run_group(self, group: list[_Write]) -> None:
        if self._failed is None:
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                for work in group:
                    self._run_one(work)
                self._writer.execute("COMMIT")
            except sqlite3.Error as error:
                self._failed = StorageFailed(f"{self._path}: {error}")
                if self._writer.in_transaction:
                    self._writer.rollback()
        for work in group:
            if self._failed is not None:
                work.done.set_exception(self._failed)
            elif work.failure is not None:
                work.done.set_exception(work.failure)
            else:
                work.done.set_result(work.outcome)

    def _run_one(self, work: _Write) -> None:
        self._writer.execute("SAVEPOINT one")
        try:
            work.outcome = work.run(self._writer)
        except (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError) as error:
            work.failure = RuntimeError(f"{self._path.name}: {error}")
        except sqlite3.Error:
            raise
        except Exception as error:  # noqa: BLE001 - belongs to the caller, who gets it
            work.failure = error
        if work.failure is not None:
            self._writer.execute("ROLLBACK TO one")
        self._writer.execute("RELEASE one")


def _take_lock(path: Path) -> int:
    """One process a file; the lock file names its holder."""
    lock_path = path.with_name(path.name + ".lock")
    lock = os.open(lock_path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.pread(lock, 32, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(lock)
        raise Conflict(f"{path} is in use by process {holder}; stop it first") from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)
    return lock


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _prepare(
    connection: sqlite3.Connection, path: Path, application: int, migrations: Sequence[str], check: bool
) -> None:
    def pragma(name: str) -> Any:
        return connection.execute(f"PRAGMA {name}").fetchone()[0]

    if pragma("journal_mode") != "wal" or pragma("synchronous") < _FULL:
        raise Malformed(str(path), "settings", "journal_mode must be WAL and synchronous FULL; check the file system")
    found, version = pragma("application_id"), pragma("user_version")
    fresh = found == 0 and version == 0 and not connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone()
    if not fresh and found != application:
        raise Malformed(str(path), "application", f"belongs to another program (id {found:#x}); choose another folder")
    if version > len(migrations):
        raise Malformed(
            str(path), "schema", f"version {version} is newer than this program's {len(migrations)}; update the program"
        )
    if check and pragma("quick_check") != "ok":
        raise Malformed(str(path), "", "is damaged; restore it from a backup")
    for number, script in enumerate(migrations[version:], version + 1):
        connection.executescript(
            f"BEGIN IMMEDIATE; {script} ; PRAGMA application_id = {application}; PRAGMA user_version = {number}; COMMIT;"
        )
