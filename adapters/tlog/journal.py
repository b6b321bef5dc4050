"""What has been seen of a log, durably: its cosigned checkpoints in a row, and a contradiction once there is one.

A tiled log has no heights. The place in this row is the height that the relay knows: the first cosigned checkpoint seen here
is 1, the next one that differs is 2. The file belongs to its reader and is backed up together with the reader's own memory.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from relay.core.checkpoint import Checkpoint, parse_checkpoint
from relay.core.errors import Malformed, Unavailable
from relay.core.note import parse_note
from relay.durable.database import Database

APPLICATION: Final = 0x43525447  # "CRTG"
SCHEMA: Final = """
CREATE TABLE log (one INTEGER PRIMARY KEY CHECK (one = 1), ledger TEXT NOT NULL, origin TEXT NOT NULL) STRICT;
CREATE TABLE seen (
    height INTEGER PRIMARY KEY CHECK (height > 0), size INTEGER NOT NULL UNIQUE CHECK (size > 0),
    root BLOB NOT NULL, time_s INTEGER NOT NULL, note BLOB NOT NULL
) STRICT;
CREATE TABLE contradiction (
    one INTEGER PRIMARY KEY CHECK (one = 1), reason TEXT NOT NULL, earlier BLOB NOT NULL, later BLOB NOT NULL, fork BLOB NOT NULL
) STRICT;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One cosigned checkpoint: its place in the row, the time of its quorum in seconds, and its note as it was first seen with one."""

    height: int
    checkpoint: Checkpoint
    time_s: int
    note: bytes

    @property
    def text(self) -> str:
        """The three lines."""
        return parse_note(self.note).text


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """Two notes that one log has signed and that cannot both be true; `fork` shows it where their sizes differ, empty otherwise."""

    reason: str
    earlier: bytes
    later: bytes
    fork: bytes


class Journal:
    """Open with `open`, end with `close`."""

    def __init__(self, database: Database, last: Seen | None, contradiction: Contradiction | None) -> None:
        self._database = database
        self.last = last
        self.contradiction = contradiction

    @classmethod
    async def open(cls, folder: Path, ledger: str, origin: str) -> Journal:
        """Open or create. Raises `Malformed` (another log's folder, damage), `Conflict` (another process holds it), `StorageFailed`."""
        database = await Database.open(folder / "tlog.sqlite", application=APPLICATION, migrations=[SCHEMA])

        def begin(c: sqlite3.Connection) -> None:
            c.execute("INSERT INTO log VALUES (1, ?, ?) ON CONFLICT DO NOTHING", (ledger, origin))
            found = c.execute("SELECT ledger, origin FROM log").fetchone()
            if found != (ledger, origin):
                reason = f"belongs to the log {found[1]} as ledger {found[0]}; choose another folder"
                raise Malformed(str(folder), "", reason)

        try:
            await database.write(begin)
            journal = cls(database, None, await database.read(_contradiction))
            await journal.refresh()
        except BaseException:
            await database.close()
            raise
        return journal

    async def refresh(self) -> None:
        """Read the last row again."""
        rows = await self._select("ORDER BY height DESC LIMIT 1", ())
        self.last = rows[0] if rows else None

    @property
    def height(self) -> int:
        """Height of the last one seen, 0 before the first."""
        return self.last.height if self.last is not None else 0

    async def append(self, checkpoint: Checkpoint, note: bytes, time_s: int) -> None:
        """Put a larger checkpoint at the end of the row; durable on return."""
        row = (checkpoint.size, checkpoint.root, time_s, note)

        def write(c: sqlite3.Connection) -> None:
            c.execute(
                "INSERT INTO seen SELECT (SELECT coalesce(max(height), 0) + 1 FROM seen), ?, ?, ?, ?"
                " WHERE (SELECT coalesce(max(size), 0) FROM seen) < ?",
                (*row, checkpoint.size),
            )

        await self._database.write(write)
        await self.refresh()

    async def contradict(self, found: Contradiction) -> None:
        """Keep the first contradiction for good; durable on return."""

        def write(c: sqlite3.Connection) -> None:
            values = (1, found.reason, found.earlier, found.later, found.fork)
            c.execute("INSERT INTO contradiction VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", values)

        await self._database.write(write)
        self.contradiction = await self._database.read(_contradiction)

    async def rows(self, start: int, count: int) -> list[Seen]:
        """At most `count` from a height on, ascending."""
        return await self._select("WHERE height >= ? ORDER BY height LIMIT ?", (start, count))

    async def of_size(self, size: int) -> Seen | None:
        """The one of that size."""
        rows = await self._select("WHERE size = ?", (size,))
        return rows[0] if rows else None

    async def _select(self, where: str, values: tuple[int, ...]) -> list[Seen]:
        rows = await self._database.read(
            lambda c: c.execute(f"SELECT height, size, root, time_s, note FROM seen {where}", values).fetchall()
        )
        return [_seen(*row) for row in rows]

    async def close(self) -> None:
        """Close the file. Safe to call twice."""
        await self._database.close()


def _contradiction(c: sqlite3.Connection) -> Contradiction | None:
    row = c.execute("SELECT reason, earlier, later, fork FROM contradiction").fetchone()
    return None if row is None else Contradiction(reason=row[0], earlier=row[1], later=row[2], fork=row[3])


def _seen(height: int, size: int, root: bytes, time_s: int, note: bytes) -> Seen:
    try:
        checkpoint, _ = parse_checkpoint(note)
    except Malformed as error:
        raise Unavailable(f"checkpoint {height} as it is kept here is damaged: {error}") from None
    if (checkpoint.size, checkpoint.root) != (size, root):
        raise Unavailable(f"checkpoint {height} as it is kept here is damaged: its note is of another tree")
    return Seen(height=height, checkpoint=checkpoint, time_s=time_s, note=note)
