"""The part of the module `sqlite3` that the stores use, over APSW and the disk in memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

import apsw

from tests.powerloss.disk import LIVES
from tests.powerloss.vfs import NAME, VFS

PAGES_IN_LOG = 16
"""So that a short run moves its log into the file several times; the default of a thousand pages would never be reached."""

WRITING = ("INSERT", "UPDATE", "DELETE", "REPLACE")
assert VFS is not None


class Cursor:
    """The rows of one statement, and how many it changed."""

    def __init__(self, rows: list[Any], rowcount: int) -> None:
        self._rows = iter(rows)
        self.rowcount = rowcount

    def fetchone(self) -> Any:
        return next(self._rows, None)

    def fetchall(self) -> list[Any]:
        return list(self._rows)

    def __iter__(self) -> Iterator[Any]:
        return self._rows


class Connection:
    """Stands for sqlite3.Connection in autocommit mode."""

    def __init__(self, path: Any) -> None:
        self._life = path.life
        self._life.connections[str(path)] = self
        try:
            self._connection = apsw.Connection(str(path), vfs=NAME)
            self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._connection.execute(f"PRAGMA wal_autocheckpoint = {PAGES_IN_LOG}")
        except apsw.Error as error:
            raise translated(error) from None

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    def execute(self, sql: str, values: Iterable[Any] = ()) -> Cursor:
        self._check()
        try:
            rows = list(self._connection.execute(sql, tuple(values)))
        except apsw.Error as error:
            raise translated(error) from None
        return Cursor(rows, self._connection.changes() if sql.lstrip().upper().startswith(WRITING) else -1)

    def executemany(self, sql: str, many: Iterable[Iterable[Any]]) -> Cursor:
        changed = sum(self.execute(sql, values).rowcount for values in many)
        return Cursor([], changed)

    def executescript(self, script: str) -> Cursor:
        return self.execute(script)

    def rollback(self) -> None:
        if self.in_transaction:
            self.execute("ROLLBACK")

    def close(self) -> None:
        try:
            self._connection.close(True)
        except apsw.Error as error:
            if self._life.on:
                raise translated(error) from None

    def _check(self) -> None:
        """What SQLite still holds in memory is gone with the power too."""
        if self._life.name not in LIVES or not self._life.on:
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR
            raise error


class ReaderOf:
    """The writer's connection in the hands of those who read."""

    def __init__(self, writer: Connection) -> None:
        self._writer = writer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)

    def close(self) -> None:
        """The writer closes it."""


def connect(path: Any, **_options: Any) -> Any:
    """Stands for sqlite3.connect."""
    return Connection(path)


def translated(error: apsw.Error) -> sqlite3.Error:
    """The same error as sqlite3 would raise it."""
    code = getattr(error, "extendedresult", 0) or getattr(error, "result", 0)
    kinds = {sqlite3.SQLITE_CONSTRAINT: sqlite3.IntegrityError, sqlite3.SQLITE_CORRUPT: sqlite3.DatabaseError,
             sqlite3.SQLITE_NOTADB: sqlite3.DatabaseError}  # fmt: skip
    made = kinds.get(code & 0xFF, sqlite3.OperationalError)(str(error))
    made.sqlite_errorcode = code
    return made
