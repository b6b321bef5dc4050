"""A batch's memory in SQLite, in its folder: what was begun, what came of it. One process at a time."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any, Final

from relay.core.errors import Conflict, NotFound
from relay.durable.database import Database
from relay.ports.batch import BatchHead, RowOutcome, RowState

APPLICATION: Final = 0x43524254  # "CRBT"
SCHEMA: Final = """
CREATE TABLE head (
    only INTEGER PRIMARY KEY CHECK (only = 1), id BLOB NOT NULL, manifest BLOB NOT NULL, terms TEXT NOT NULL,
    rows INTEGER NOT NULL, begun_s INTEGER NOT NULL
) STRICT;
CREATE TABLE row_outcome (
    number INTEGER PRIMARY KEY, "case" TEXT NOT NULL, dossier TEXT NOT NULL, state TEXT NOT NULL, grant_token BLOB NOT NULL,
    grant_digest TEXT NOT NULL, verdict TEXT NOT NULL, bundle TEXT NOT NULL, bundle_sha256 TEXT NOT NULL,
    disclosures INTEGER NOT NULL, field TEXT NOT NULL, reason TEXT NOT NULL, seconds REAL NOT NULL
) STRICT;
"""
_COLUMNS: Final = (
    'number, "case", dossier, state, grant_token, grant_digest, verdict, bundle, bundle_sha256, disclosures, field,'
    " reason, seconds"
)
PAGE_ROWS: Final = 1000


def _head(c: sqlite3.Connection) -> BatchHead | None:
    row = c.execute("SELECT id, manifest, terms, rows, begun_s FROM head").fetchone()
    return BatchHead(id=row[0], manifest=row[1], terms=row[2], rows=row[3], begun_s=row[4]) if row else None


def _outcome(row: Any) -> RowOutcome:
    number, case, dossier, state, token, digest, verdict, bundle, sha256, disclosures, field, reason, seconds = row
    return RowOutcome(
        number=number,
        case=case,
        dossier=dossier,
        state=RowState(state),
        grant=token,
        grant_digest=digest,
        verdict=verdict,
        bundle=bundle,
        bundle_sha256=sha256,
        disclosures=disclosures,
        field=field,
        reason=reason,
        seconds=seconds,
    )


class SqliteBatchState:
    """Implements relay.ports.batch.BatchState."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    async def open(cls, folder: Path) -> SqliteBatchState:
        """Open or create. Raises `Conflict` while another process runs the batch."""
        return cls(await Database.open(folder / "batch.sqlite", application=APPLICATION, migrations=[SCHEMA]))

    async def close(self) -> None:
        """Close the database."""
        await self._database.close()

    async def begin(self, head: BatchHead) -> BatchHead:
        """See the port."""

        def write(c: sqlite3.Connection) -> BatchHead:
            values = (head.id, head.manifest, head.terms, head.rows, head.begun_s)
            c.execute("INSERT INTO head VALUES (1, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", values)
            held = _head(c)
            if held is None or held.manifest != head.manifest:
                raise Conflict(
                    "this folder belongs to another manifest (or the file was changed since the batch began): "
                    "choose another --out, or give the manifest it was begun with"
                )
            if held.terms != head.terms:
                raise Conflict(f"this batch was begun with {held.terms}, now it is {head.terms}: give the same options")
            return held

        return await self._database.write(write)

    async def held(self) -> BatchHead:
        """The stored head. Raises `NotFound`."""
        head = await self._database.read(_head)
        if head is None:
            raise NotFound("no batch was begun in this folder")
        return head

    async def states(self) -> dict[int, RowState]:
        """See the port."""
        rows = await self._database.read(lambda c: c.execute("SELECT number, state FROM row_outcome").fetchall())
        return {number: RowState(state) for number, state in rows}

    async def outcome(self, number: int) -> RowOutcome | None:
        """See the port."""
        row = await self._database.read(
            lambda c: c.execute(f"SELECT {_COLUMNS} FROM row_outcome WHERE number = ?", (number,)).fetchone()
        )
        return _outcome(row) if row else None

    async def page(self, after: int) -> list[RowOutcome]:
        """The next rows by number."""
        rows = await self._database.read(
            lambda c: c.execute(
                f"SELECT {_COLUMNS} FROM row_outcome WHERE number > ? ORDER BY number LIMIT ?", (after, PAGE_ROWS)
            ).fetchall()
        )
        return [_outcome(row) for row in rows]

    async def save(self, outcome: RowOutcome) -> None:
        """See the port."""
        o = outcome
        values = (
            *(o.number, o.case, o.dossier, o.state.value, o.grant, o.grant_digest, o.verdict, o.bundle),
            *(o.bundle_sha256, o.disclosures, o.field, o.reason, o.seconds),
        )
        marks = ", ".join("?" * len(values))
        await self._database.write(lambda c: c.execute(f"INSERT OR REPLACE INTO row_outcome VALUES ({marks})", values))
