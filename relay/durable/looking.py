"""Looking at a data folder without changing anything in it: who has it, and of which schema its files are."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from relay.core.errors import Malformed
from relay.durable.files import LOCK, holder_in

_MAGIC: Final = b"SQLite format 3\x00"
_HEADER_BYTES: Final = 100
_BUSY_MS: Final = 200


@dataclass(frozen=True, slots=True)
class Looked:
    """A SQLite file's own word. `wal`: it is written through a write-ahead log."""

    application: int
    version: int
    wal: bool


def lock_holder(folder: Path) -> str | None:
    """The process id in the lock's file, "unknown" where it says none; None when nobody holds the lock. Raises OSError.

    The lock is asked for as a reader's and given back at once: for that moment a role that starts would be refused, as by any holder.
    """
    try:
        handle = os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return holder_in(handle)
    finally:
        os.close(handle)
    return None


def look_at(path: Path) -> Looked | None:
    """None for a file that is not there or holds nothing yet. Raises `Malformed` for what is no database, OSError.

    The header of the file says it, unless a write-ahead log has a newer one: then SQLite is asked, which makes no file that is not there.
    """
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
    except FileNotFoundError:
        return None
    if not header:
        return None
    if len(header) < _HEADER_BYTES or not header.startswith(_MAGIC):
        raise Malformed(str(path), "", "is not a usable database; restore it from a backup or move it away")
    told = Looked(int.from_bytes(header[68:72], "big"), int.from_bytes(header[60:64], "big"), header[18] == 2)
    logs = [path.with_name(path.name + end) for end in ("-wal", "-shm")]
    if all(log.exists() for log in logs) and logs[0].stat().st_size:
        with suppress(sqlite3.Error):  # a lock for a moment: the header's word is at most one update old
            return _ask(path)
    return told


def _ask(path: Path) -> Looked:
    uri = f"{path.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_BUSY_MS / 1000)) as reader:
        application, version, mode = (
            reader.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("application_id", "user_version", "journal_mode")
        )
    return Looked(int(application), int(version), mode == "wal")
