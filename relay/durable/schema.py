"""Opening a SQLite file: whose it is, which schema it has, whether its settings are safe."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from relay.core.errors import Malformed
from relay.durable.errors import StorageFailed
from relay.durable.files import FILE_MODE, sync_folder

BUSY_TIMEOUT_MS: Final = 5000
WAL_BYTES_KEPT: Final = 64 * 1024 * 1024
WAL_PAGES: Final = 4096
"""When the log is moved into the file, inside a commit: 16 MB. A shorter log makes more commits slow, and the disk busier for everyone."""
CACHE_KIB: Final = 512
"""Pages that a connection holds. SQLite's own 2 MB fill up over an hour in a small file; what the system caches is as near."""
_SYNCHRONOUS_FULL: Final = 2
_UNSAFE: Final = frozenset(
    {
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOMEM,
    }
)


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's primary result code (the low byte of the extended one), 0 when the module itself raised the error."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def is_unsafe(error: sqlite3.Error) -> bool:
    """Whether the file or the disk failed, rather than one statement."""
    return primary_code(error) in _UNSAFE


def open_writer(
    path: Path,
    application: int,
    migrations: Sequence[str],
    check: bool,
    connect: Callable[..., sqlite3.Connection] = sqlite3.connect,
) -> sqlite3.Connection:
    """The one writing connection, schema brought up to date. Raises `Malformed`, `StorageFailed`."""
    _create(path)
    connection = connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    try:
        _bound(connection)
        version = _check_owner(connection, path, application, len(migrations))
        _make_durable(connection, path)
        if check and (found := _pragma(connection, "quick_check")) != "ok":
            raise Malformed(str(path), "", f"is damaged ({found}); restore it from a backup")
        _migrate(connection, path, application, migrations, version)
        connection.execute("PRAGMA foreign_keys = ON")
        if _pragma(connection, "foreign_keys") != 1:
            raise Malformed(str(path), "settings", "this SQLite is built without foreign keys; install a full one")
    except sqlite3.Error as error:
        connection.close()
        raise _refusal(path, error) from error
    except BaseException:
        connection.close()
        raise
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write. The writer must be open. Raises `Malformed`, `StorageFailed`."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    try:
        reader = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, cached_statements=256)
        _bound(reader)
        reader.execute("PRAGMA query_only = ON")
    except sqlite3.Error as error:
        raise _refusal(path, error) from error
    return reader


def _bound(connection: sqlite3.Connection) -> None:
    """How long it waits, and how much it holds."""
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")


def _create(path: Path) -> None:
    """An empty file that only its owner can read; SQLite gives its log files the same mode."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, FILE_MODE))
    except OSError as error:
        raise Malformed(
            str(path), "", f"cannot be opened for writing ({error.strerror}); check its owner", concern="access"
        ) from None
    sync_folder(path.parent)


def _pragma(connection: sqlite3.Connection, name: str) -> Any:
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def _check_owner(connection: sqlite3.Connection, path: Path, application: int, newest: int) -> int:
    """The schema version found. Nothing is written before this has passed: the file may be someone else's."""
    found, version = _pragma(connection, "application_id"), _pragma(connection, "user_version")
    empty = connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone() is None
    if found != application and not (found == 0 and version == 0 and empty):
        raise Malformed(
            str(path),
            "application",
            f"belongs to another program (id {found:#x}); choose another folder",
            concern="schema",
        )
    if not 0 <= version <= newest:
        reason = (
            f"version {version}; this program knows versions up to {newest}: update the program, or restore the backup"
        )
        raise Malformed(str(path), "schema", f"{reason} made before the update", concern="schema")
    return int(version)


def _make_durable(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")  # an erased key must not linger in a free page
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_KEPT}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
    # a process killed between a commit and its sync leaves a log that is read but not durable: sync it before anyone answers from it
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
    mode, level = _pragma(connection, "journal_mode"), _pragma(connection, "synchronous")
    if mode != "wal" or level < _SYNCHRONOUS_FULL:
        reason = f"journal_mode {mode}, synchronous {level}: must be wal and 2; use a local file system that can lock"
        raise Malformed(str(path), "settings", reason)


def _migrate(
    connection: sqlite3.Connection, path: Path, application: int, migrations: Sequence[str], version: int
) -> None:
    """Forward, one transaction each, foreign keys checked once at its end so that a table can be rebuilt in it."""
    connection.execute("PRAGMA foreign_keys = OFF")
    for number, script in enumerate(migrations[version:], version + 1):
        field = f"migration {number}"
        try:
            connection.executescript(f"BEGIN IMMEDIATE;\n{script}\n;")
            if not connection.in_transaction:
                raise RuntimeError(f"{field} ends the transaction it runs in")
            if connection.execute("PRAGMA foreign_key_check").fetchone() is not None:
                raise Malformed(str(path), field, "would leave rows without their parent; nothing was changed")
            connection.execute(f"PRAGMA application_id = {application}")
            connection.execute(f"PRAGMA user_version = {number}")
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if is_unsafe(error):
                raise
            raise Malformed(str(path), field, f"failed ({error}); nothing was changed") from error
        finally:
            if connection.in_transaction:
                connection.rollback()


def _refusal(path: Path, error: sqlite3.Error) -> Exception:
    code = primary_code(error)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Malformed(str(path), "", "another program holds it open for writing; close that program")
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return Malformed(str(path), "", f"is not a usable database ({error}); restore it from a backup or move it away")
    return StorageFailed(f"{path}: {error}")
