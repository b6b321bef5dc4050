"""One SQLite file: one writer thread, one reader thread, whole transactions in one hop.

Durability: WAL with synchronous=FULL, read back and refused otherwise. A `write` returns only after its COMMIT; writes that
wait together share one COMMIT, each in a savepoint of its own, so that a failing one takes nothing else with it.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar

from relay.core.errors import Malformed, Unavailable
from relay.durable.errors import StorageFailed
from relay.durable.files import FolderLock, make_folder
from relay.durable.one_thread import OneThread
from relay.durable.schema import is_unsafe, open_reader, open_writer, primary_code
from relay.telemetry import metrics

T = TypeVar("T")

GROUP_WRITES_MAX: Final = 256
_NOT_TEXT: Final = "Could not decode to UTF-8"
"""What the module says of a text column whose bytes have changed."""


@dataclass(slots=True)
class _Work:
    """What a caller waits for: a transaction, a read, or something beside both."""

    run: Callable[[sqlite3.Connection], Any]
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[Any]
    outcome: Any = None
    failure: BaseException | None = None


class Database:
    """Open with `open`, end with `close`. Functions handed to `read` and `write` run in another thread.

    After a failed write, commit or fsync every call raises `StorageFailed`: the process must end and be started again.
    """

    def __init__(self, path: Path, writer: sqlite3.Connection, reader: sqlite3.Connection, lock: FolderLock) -> None:
        self._path = path
        self._writer = writer
        self._reader = reader
        self._lock = lock
        self._queue: SimpleQueue[_Work] = SimpleQueue()
        self._failed = ""
        self._closing: asyncio.Future[None] | None = None
        self._commits = metrics.db_commit_duration.labels(path.stem)
        self._write_thread = OneThread(f"write {path.name}")
        self._read_thread = OneThread(f"read {path.name}")

    @classmethod
    async def open(cls, path: Path, *, application: int, migrations: Sequence[str], check: bool = False) -> Database:
        """Open or create the file, lock its folder and bring its schema up to version `len(migrations)`.

        `application` is the file's `application_id`; migration n (SQL statements without BEGIN or COMMIT) leads to version n
        and is never changed once released; `check` reads the whole file first (PRAGMA quick_check).
        Raises `Malformed` (not a database, another program's, a newer schema, unsafe settings; each says what to do),
        `Conflict` (another process holds the folder), `StorageFailed`.
        """
        return await asyncio.to_thread(cls._open, path, application, migrations, check)

    @classmethod
    def _open(cls, path: Path, application: int, migrations: Sequence[str], check: bool) -> Database:
        make_folder(path.parent)
        lock = FolderLock(path.parent)
        try:
            writer = open_writer(path, application, migrations, check)
            try:
                return cls(path, writer, open_reader(path), lock)
            except BaseException:
                writer.close()
                raise
        except BaseException:
            lock.release()
            raise

    async def write(self, fn: Callable[[sqlite3.Connection], T]) -> T:
        """Run `fn` inside a transaction; return its result after COMMIT. What `fn` raises is raised here, undone.

        `fn` must do nothing but use the connection, and leave the transaction open: it may be run twice, and the write of
        a cancelled caller may or may not happen. An SQL mistake or broken constraint that `fn` does not handle is a
        `RuntimeError`. Raises `Unavailable` when a foreign program keeps the file locked, and `StorageFailed`.
        """
        work = self._work(fn)
        self._queue.put(work)
        self._write_thread.submit(self._serve)
        result: T = await work.done
        return result

    async def read(self, fn: Callable[[sqlite3.Connection], T]) -> T:
        """Run `fn` on the read-only connection: it sees every committed write, and one state throughout.

        Raises what `fn` raises, `Malformed` for stored text that is no text any more, `RuntimeError` for an SQL mistake, `StorageFailed`.
        """
        work = self._work(fn)
        self._read_thread.submit(partial(_run_alone, work, self._run_read))
        result: T = await work.done
        return result

    async def probe(self) -> None:
        """Whether writing works: take the write lock, change a page, undo it. Raises `Unavailable`, `StorageFailed`."""
        with suppress(_Undone):
            await self.write(_touch)

    async def empty_log(self) -> None:
        """Move the write-ahead log into the file and empty it: what was deleted before is then in neither.

        Raises `Unavailable` when a foreign program is reading, `StorageFailed`.
        """
        work = self._work(self._checkpoint)
        self._write_thread.submit(partial(_run_alone, work, self._run_outside))
        await work.done

    async def close(self) -> None:
        """Finish what waits, then close and unlock. Safe to call twice."""
        if self._closing is None:
            self._closing = asyncio.ensure_future(asyncio.to_thread(self._shut))
        await asyncio.shield(self._closing)

    def _work(self, fn: Callable[[sqlite3.Connection], Any]) -> _Work:
        if self._failed:
            raise StorageFailed(self._failed)
        if self._closing is not None:
            raise RuntimeError(f"{self._path.name} is closed")
        loop = asyncio.get_running_loop()
        return _Work(fn, loop, loop.create_future())

    def _shut(self) -> None:
        self._write_thread.shutdown()
        self._read_thread.shutdown()
        # Whoever closes last checkpoints, and the reader cannot: after a failure nothing more is written.
        for connection in (self._writer, self._reader) if self._failed else (self._reader, self._writer):
            connection.close()
        self._lock.release()

    def _serve(self) -> None:
        """The writer thread: take what waits, run it in one transaction, answer after COMMIT.

        Each write submits one call; those whose write an earlier call has taken along find nothing to do.
        """
        group: list[_Work] = []
        with suppress(Empty):
            while len(group) < GROUP_WRITES_MAX:
                work = self._queue.get_nowait()
                if not work.done.cancelled():
                    group.append(work)
        if group:
            self._run_group(group)
            _answer(group)

    def _run_group(self, group: list[_Work]) -> None:
        if self._failed:
            return self._fail(group, StorageFailed(self._failed))
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            for work in group:
                self._run_one(work)
            with self._commits.time():
                self._writer.execute("COMMIT")
        except sqlite3.Error as error:
            self._undo(group, error)
        return None

    def _run_one(self, work: _Work) -> None:
        self._writer.execute("SAVEPOINT one")
        work.failure = None
        try:
            work.outcome = work.run(self._writer)
        except sqlite3.Error as error:
            if is_unsafe(error) or not self._writer.in_transaction:
                raise
            work.failure = _mistake(self._path, error)
        except BaseException as error:
            work.failure = error
        if work.failure is not None:
            self._writer.execute("ROLLBACK TO one")
        self._writer.execute("RELEASE one")

    def _undo(self, group: list[_Work], error: sqlite3.Error) -> None:
        """The transaction did not happen. Decide whether it was the disk, a foreign lock, or one write's deferred mistake."""
        begun = self._writer.in_transaction
        if begun and not is_unsafe(error):
            self._writer.rollback()
            if len(group) > 1:  # a constraint checked only at COMMIT: find whose, one transaction each
                for work in group:
                    self._run_group([work])
                return
            self._fail(group, _mistake(self._path, error))
        elif not begun and primary_code(error) == sqlite3.SQLITE_BUSY:
            self._fail(group, Unavailable(f"{self._path.name} is locked by another program"))
        else:
            self._failed = f"{self._path}: {error}"
            self._fail(group, StorageFailed(self._failed))

    def _fail(self, group: list[_Work], failure: Exception) -> None:
        for work in group:
            work.failure = type(failure)(*failure.args)

    def _run_read(self, fn: Callable[[sqlite3.Connection], T]) -> T:
        try:
            self._reader.execute("BEGIN")
            try:
                return fn(self._reader)
            finally:
                if self._reader.in_transaction:
                    self._reader.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise self._report(error) from error

    def _run_outside(self, fn: Callable[[sqlite3.Connection], T]) -> T:
        """In no transaction."""
        try:
            return fn(self._writer)
        except sqlite3.Error as error:
            raise self._report(error) from error

    def _checkpoint(self, connection: sqlite3.Connection) -> None:
        if connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            raise Unavailable(f"{self._path.name} is being read by another program")

    def _report(self, error: sqlite3.Error) -> Exception:
        if is_unsafe(error):
            self._failed = f"{self._path}: {error}"
            return StorageFailed(self._failed)
        if _NOT_TEXT in str(error):
            return Malformed(str(self._path), "", f"is damaged ({error}); restore it from a backup")
        return _mistake(self._path, error)


def _run_alone(work: _Work, run: Callable[[Callable[[sqlite3.Connection], Any]], Any]) -> None:
    """Do what somebody still waits for, and answer."""
    if work.done.cancelled():
        return
    try:
        work.outcome = run(work.run)
    except BaseException as error:
        work.failure = error
    _answer((work,))


class _Undone(Exception):
    """Raised by a probe so that its write is undone."""


def _touch(connection: sqlite3.Connection) -> None:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    connection.execute(f"PRAGMA user_version = {version + 1}")
    raise _Undone


def _mistake(path: Path, error: sqlite3.Error) -> RuntimeError:
    return RuntimeError(f"{path.name}: {error}")


def _answer(group: Sequence[_Work]) -> None:
    """One wake-up an event loop, not one a write."""
    loops: dict[asyncio.AbstractEventLoop, list[_Work]] = {}
    for work in group:
        loops.setdefault(work.loop, []).append(work)
    for loop, works in loops.items():
        try:
            loop.call_soon_threadsafe(_settle, works)
        except RuntimeError:  # the loop is closed: nobody waits any more
            continue


def _settle(works: Sequence[_Work]) -> None:
    for work in works:
        if work.done.cancelled():
            continue
        if work.failure is not None:
            work.done.set_exception(work.failure)
        else:
            work.done.set_result(work.outcome)
