"""Projected events in the custodian's database: the place up to which a ledger is read, its dossiers, and the mappings of all time.

Nothing here is secret to whoever reads the ledger, and all of it can be made again from there.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from typing import Final

from relay.core.errors import Conflict
from relay.core.projection import ProjectedDossier
from relay.durable.database import Database
from relay.ports.projection import EventSource, Place, ProjectedStep, ProjectionState
from relay.store.mirror_log import StoredMirrorLog

PROJECTION: Final = """
CREATE TABLE projection (
    only INTEGER PRIMARY KEY CHECK (only = 1), height INTEGER NOT NULL, block_hash BLOB NOT NULL,
    projected INTEGER NOT NULL, refused INTEGER NOT NULL
) STRICT;
INSERT INTO projection VALUES (1, 0, x'', 0, 0);
CREATE TABLE projection_source (text TEXT PRIMARY KEY, start INTEGER NOT NULL) STRICT;
CREATE TABLE projected_dossier (
    name BLOB PRIMARY KEY, first_block BLOB NOT NULL, first_log INTEGER NOT NULL, count INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
"""
NAMES_READ: Final = 500
"""Dossiers that are asked for in one statement."""


class SqliteProjection:
    """Implements relay.ports.projection.ProjectionStore beside a custodian's evidence log."""

    def __init__(self, database: Database, log: StoredMirrorLog, writing: asyncio.Lock) -> None:
        """`writing` keeps all appends to the evidence log apart."""
        self._database = database
        self._log = log
        self._writing = writing

    async def projection(self) -> ProjectionState:
        """See the port."""

        def read(c: sqlite3.Connection) -> ProjectionState:
            row = c.execute("SELECT height, block_hash, projected, refused FROM projection").fetchone()
            return ProjectionState(
                upto=Place(height=row[0], block_hash=row[1]),
                sources=dict(c.execute("SELECT text, start FROM projection_source ORDER BY text").fetchall()),
                projected=row[2],
                refused=row[3],
            )

        return await self._database.read(read)

    async def add_sources(self, sources: Sequence[EventSource]) -> None:
        """See the port."""
        rows = [(source.text, source.start) for source in sources]
        await self._database.write(lambda c: c.executemany("INSERT INTO projection_source VALUES (?, ?)", rows))

    async def projected_dossiers(self, names: Sequence[bytes]) -> dict[bytes, ProjectedDossier]:
        """See the port."""

        def read(c: sqlite3.Connection) -> dict[bytes, ProjectedDossier]:
            found: dict[bytes, ProjectedDossier] = {}
            for start in range(0, len(names), NAMES_READ):
                asked = names[start : start + NAMES_READ]
                marks = ", ".join("?" * len(asked))
                rows = c.execute(f"SELECT * FROM projected_dossier WHERE name IN ({marks})", asked)
                found |= {row[0]: ProjectedDossier(first_block=row[1], first_log=row[2], count=row[3]) for row in rows}
            return found

        return await self._database.read(read)

    async def append_projected(self, step: ProjectedStep) -> None:
        """See the port."""
        rows = [(name, one.first_block, one.first_log, one.count) for name, one in step.dossiers.items()]

        def also(c: sqlite3.Connection) -> None:
            moved = c.execute(
                "UPDATE projection SET height = ?, block_hash = ?, projected = projected + ?, refused = refused + ?"
                " WHERE height = ? AND block_hash = ?",
                (
                    step.upto.height,
                    step.upto.block_hash,
                    len(step.entries),
                    step.refused,
                    step.before.height,
                    step.before.block_hash,
                ),
            )
            if moved.rowcount != 1:
                raise Conflict(f"the log is not where block {step.before.height} leaves it; another step came between")
            c.executemany("INSERT OR REPLACE INTO projected_dossier VALUES (?, ?, ?, ?)", rows)

        if not step.entries:
            await self._database.write(also)
            return
        async with self._writing:
            await self._log.append(step.entries, also)
