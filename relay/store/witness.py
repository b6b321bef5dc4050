"""A witness's memory: of each origin the last checkpoint it cosigned. A file of its own, so that no restore of another rolls it back."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from relay.core.checkpoint import Checkpoint
from relay.core.errors import Conflict
from relay.durable.database import Database
from relay.ports.witness import Witnessed

APPLICATION: Final = 0x43525749  # "CRWI"
SCHEMA: Final = """
CREATE TABLE witnessed (
    origin TEXT PRIMARY KEY, size INTEGER NOT NULL CHECK (size >= 0), root BLOB NOT NULL, cosigned BLOB NOT NULL
) STRICT, WITHOUT ROWID;
"""


class SqliteWitnessStore:
    """Implements relay.ports.witness.WitnessStore. Open with `open`, end with `close`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    async def open(cls, folder: Path) -> SqliteWitnessStore:
        """Open or create in a folder of its own."""
        return cls(await Database.open(folder / "witness.sqlite", application=APPLICATION, migrations=[SCHEMA]))

    async def latest(self, origin: str) -> Witnessed | None:
        """See the port."""
        row = await self._database.read(
            lambda c: c.execute("SELECT size, root, cosigned FROM witnessed WHERE origin = ?", (origin,)).fetchone()
        )
        if row is None:
            return None
        return Witnessed(checkpoint=Checkpoint(origin=origin, size=row[0], root=row[1]), cosigned=row[2])

    async def advance(self, witnessed: Witnessed, old: Checkpoint | None) -> None:
        """See the port."""
        new = witnessed.checkpoint

        def write(c: sqlite3.Connection) -> None:
            if old is None:
                done = c.execute(
                    "INSERT INTO witnessed VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                    (new.origin, new.size, new.root, witnessed.cosigned),
                )
            else:
                done = c.execute(
                    "UPDATE witnessed SET size = ?, root = ?, cosigned = ?"
                    " WHERE origin = ? AND size = ? AND root = ? AND size <= ?",
                    (new.size, new.root, witnessed.cosigned, new.origin, old.size, old.root, new.size),
                )
            if done.rowcount != 1:
                raise Conflict(f"another checkpoint of {new.origin} was witnessed meanwhile")

        await self._database.write(write)

    async def close(self) -> None:
        """Close the file. Safe to call twice."""
        await self._database.close()
