"""A consistent copy of a data folder while its role runs: databases first, then the append-only files up to what they count.

A database is copied by SQLite's online backup, which waits for no writer and stops none. What a database names is durable before the
database names it, so that files copied after it hold at least what it needs.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from relay.core.errors import Malformed
from relay.durable.errors import StorageFailed
from relay.durable.files import FILE_MODE, make_folder, sync_file, sync_folder

LOGS: Final = "logs"
ENTRIES: Final = "entries.pack"
PAGES_A_STEP: Final = 4096
"""Copied in one hold of the read lock: 16 MB."""
CHUNK_BYTES: Final = 1024 * 1024
LEFT_OUT: Final = (".lock", ".new", ".part", "-wal", "-shm", "-journal")
"""Endings of what belongs to a running process alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiedDatabase:
    """Where it stands below the data folder, its schema's version, and how many entries it counts of each log."""

    name: str
    schema: int
    logs: dict[str, int]


def databases(data: Path) -> list[Path]:
    """Every SQLite file of a data folder."""
    return sorted(path for path in data.rglob("*.sqlite") if path.is_file())


def copy_database(source: Path, target: Path) -> CopiedDatabase:
    """Copy one, read the copy through, and leave it as a single file. Raises `Malformed` (damaged), `StorageFailed`."""
    make_folder(target.parent)
    os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, FILE_MODE))
    uri = f"{source.absolute().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as reader, closing(sqlite3.connect(target)) as writer:
            reader.backup(writer, pages=PAGES_A_STEP, sleep=0.01)
            writer.execute("PRAGMA journal_mode = DELETE")
            found = read_database(writer, source)
    except sqlite3.Error as error:
        raise StorageFailed(f"{source}: {error}") from error
    sync_file(target)
    return CopiedDatabase(name=source.name, schema=found.schema, logs=found.logs)


def read_database(connection: sqlite3.Connection, path: Path) -> CopiedDatabase:
    """Read every page. Raises `Malformed` for a damaged one."""
    said = connection.execute("PRAGMA quick_check").fetchone()[0]
    if said != "ok":
        raise Malformed(str(path), "", f"is damaged ({said})")
    schema = int(connection.execute("PRAGMA user_version").fetchone()[0])
    counted = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'mirror_log'").fetchone()
    logs = dict(connection.execute("SELECT origin, size FROM mirror_log")) if counted else {}
    return CopiedDatabase(name=path.name, schema=schema, logs=logs)


def log_folder(origin: str) -> str:
    """The name of a log's folder below `logs`."""
    return hashlib.sha256(origin.encode()).hexdigest()


def other_files(data: Path) -> Iterator[Path]:
    """What is neither database nor log, relative to the data folder: payloads, bundles, small memories."""
    for path in sorted(data.rglob("*")):
        name = path.relative_to(data)
        left_out = path.suffix == ".sqlite" or path.name == "lock" or path.name.endswith(LEFT_OUT)
        if name.parts[0] != LOGS and not left_out and path.is_file() and not path.is_symlink():
            yield name


def copy_file(source: Path, target: Path, length: int | None = None) -> None:
    """Copy a file, or its first `length` bytes, durably. Raises `FileNotFoundError`, `Malformed` (shorter), `StorageFailed`."""
    with source.open("rb") as reader:
        try:
            make_folder(target.parent)
            handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
            with os.fdopen(handle, "wb") as writer:
                if length is None:
                    shutil.copyfileobj(reader, writer, CHUNK_BYTES)
                left = length or 0
                while left:
                    data = reader.read(min(left, CHUNK_BYTES))
                    if not data:
                        raise Malformed(str(source), "", f"is {left} bytes shorter than its database says")
                    writer.write(data)
                    left -= len(data)
                writer.flush()
                os.fsync(writer.fileno())
        except OSError as error:
            raise StorageFailed(f"{target}: {error}") from error


def digest_of(path: Path) -> tuple[int, str]:
    """Size in bytes and SHA-256 in hex."""
    hashed, size = hashlib.sha256(), 0
    with path.open("rb") as reader:
        while data := reader.read(CHUNK_BYTES):
            hashed.update(data)
            size += len(data)
    return size, hashed.hexdigest()


def sync_tree(folder: Path) -> None:
    """Make the names of everything below a folder durable. Raises `StorageFailed`."""
    for path in [*(p for p in folder.rglob("*") if p.is_dir()), folder, folder.parent]:
        sync_folder(path)
