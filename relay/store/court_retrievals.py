"""Retrievals under way, as the court keeps them: request, one-time key, what came so far; and when a dossier was first disclosed here."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from pathlib import Path
from typing import Final

from relay.core.base64strict import b64decode, b64encode
from relay.durable.database import Database
from relay.ports.court import KeptRetrieval

RETRIEVALS: Final = """
CREATE TABLE retrieval (
    request BLOB PRIMARY KEY, grant_digest BLOB NOT NULL, dossier TEXT NOT NULL, officer TEXT NOT NULL,
    purpose TEXT NOT NULL, token BLOB NOT NULL, key BLOB NOT NULL, header BLOB NOT NULL, events TEXT NOT NULL,
    begun_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX retrieval_dossier ON retrieval (grant_digest, dossier);
CREATE TABLE first_disclosure (
    origin TEXT NOT NULL, dossier TEXT NOT NULL, size INTEGER NOT NULL, at_s INTEGER NOT NULL,
    PRIMARY KEY (origin, dossier)
) STRICT, WITHOUT ROWID;
"""
ASKED_SIZES: Final = "ALTER TABLE retrieval ADD COLUMN asked_sizes TEXT NOT NULL DEFAULT '{}';"
_COLUMNS: Final = "request, grant_digest, dossier, officer, purpose, token, key, header, events, begun_ms, asked_sizes"
_Row = tuple[bytes, bytes, str, str, str, bytes, bytes, bytes, str, int, str]


class RetrievalRows:
    """The part of relay.ports.court.CourtStore that keeps retrievals."""

    _database: Database
    _directory: Path

    async def keep_retrieval(self, kept: KeptRetrieval) -> None:
        """See the port."""
        events = json.dumps([[b64encode(event), index] for event, index in kept.events])
        row = (
            kept.request, kept.grant, kept.dossier, kept.officer, kept.purpose, kept.token, kept.key, kept.header,
            events, kept.begun_ms, json.dumps(dict(kept.asked_sizes)),
        )  # fmt: skip
        await self._database.write(
            lambda c: c.execute(
                f"INSERT INTO retrieval ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (request) DO UPDATE SET header = excluded.header, events = excluded.events",
                row,
            )
        )

    async def kept_retrievals(self, grant: bytes, dossier: str) -> list[KeptRetrieval]:
        """See the port."""
        rows: list[_Row] = await self._database.read(
            lambda c: c.execute(
                f"SELECT {_COLUMNS} FROM retrieval WHERE grant_digest = ? AND dossier = ? ORDER BY begun_ms",
                (grant, dossier),
            ).fetchall()
        )
        return [_kept(row) for row in rows]

    async def staging(self, request: bytes) -> Path:
        """See the port."""
        folder = self._folder(request)
        await asyncio.to_thread(folder.mkdir, 0o700, exist_ok=True)
        return folder

    async def drop_retrieval(self, request: bytes) -> None:
        """See the port. The key first: a folder without a row is swept at the next start."""
        await self._database.write(lambda c: c.execute("DELETE FROM retrieval WHERE request = ?", (request,)))
        await asyncio.to_thread(shutil.rmtree, self._folder(request), True)

    async def drop_retrievals_before(self, begun_ms: int) -> None:
        """See the port."""
        rows = await self._database.read(
            lambda c: c.execute("SELECT request FROM retrieval WHERE begun_ms < ?", (begun_ms,)).fetchall()
        )
        for (request,) in rows:
            await self.drop_retrieval(request)

    async def first_disclosure(self, origin: str, dossier: str, size: int, at_s: int) -> tuple[int, int] | None:
        """See the port."""

        def write(c: sqlite3.Connection) -> tuple[int, int] | None:
            values = (origin, dossier, size, at_s)
            if c.execute("INSERT INTO first_disclosure VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", values).rowcount:
                return None
            row: tuple[int, int] = c.execute(
                "SELECT size, at_s FROM first_disclosure WHERE origin = ? AND dossier = ?", (origin, dossier)
            ).fetchone()
            return row

        return await self._database.write(write)

    async def sweep_staging(self) -> None:
        """Remove folders that no kept retrieval names."""
        rows = await self._database.read(lambda c: c.execute("SELECT request FROM retrieval").fetchall())
        known = {self._folder(row[0]) for row in rows}
        for folder in (self._directory / "staging").iterdir():
            if folder not in known:
                await asyncio.to_thread(shutil.rmtree, folder, True)

    def _folder(self, request: bytes) -> Path:
        return self._directory / "staging" / request.hex()


def _kept(row: _Row) -> KeptRetrieval:
    events = tuple((b64decode(event, what="retrieval", field="events"), int(i)) for event, i in json.loads(row[8]))
    return KeptRetrieval(
        request=row[0],
        grant=row[1],
        dossier=row[2],
        officer=row[3],
        purpose=row[4],
        token=row[5],
        key=row[6],
        header=row[7],
        events=events,
        begun_ms=row[9],
        asked_sizes=json.loads(row[10]),
    )
