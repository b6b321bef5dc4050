"""Halted origins and the contradictory pieces that halted them; a resumed halt stays on record."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from relay.core.errors import NotFound
from relay.durable.database import Database
from relay.ports.forwarding import Exhibit
from relay.store.notices import Tell
from relay.store.rows import EXHIBIT_COLUMNS, exhibit_from, pieces_to_text


class Halts:
    """The exhibit table of a relay's database."""

    def __init__(self, database: Database, tell: Tell) -> None:
        self._database = database
        self._tell = tell

    async def halt(self, origin: str, reason: str, pieces: Mapping[str, bytes]) -> None:
        """Stop an origin; while it is stopped the first reason stays."""
        text = pieces_to_text(pieces)

        def write(c: sqlite3.Connection) -> None:
            sql = "INSERT INTO exhibit (origin, reason, pieces) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
            if c.execute(sql, (origin, reason, text)).rowcount:
                self._tell(c, "halted", origin, 0, "")

        await self._database.write(write)

    async def reason(self, origin: str) -> str:
        """Why an origin stands still; empty when it does not."""
        row = await self._database.read(
            lambda c: c.execute("SELECT reason FROM exhibit WHERE origin = ? AND resumed = ''", (origin,)).fetchone()
        )
        return str(row[0]) if row else ""

    async def resume(self, origin: str, reason: str) -> None:
        """Let it go on; what halted it is kept with the operator's reason. Raises `NotFound` when it is not halted."""

        def write(c: sqlite3.Connection) -> None:
            done = c.execute("UPDATE exhibit SET resumed = ? WHERE origin = ? AND resumed = ''", (reason, origin))
            if done.rowcount != 1:
                raise NotFound(f"{origin} is not halted")
            self._tell(c, "resumed", origin, 0, "")

        await self._database.write(write)

    async def exhibits(self, origin: str) -> list[Exhibit]:
        """All of an origin, oldest first."""
        rows = await self._database.read(
            lambda c: c.execute(
                f"SELECT {EXHIBIT_COLUMNS} FROM exhibit WHERE origin = ? ORDER BY number", (origin,)
            ).fetchall()
        )
        return [exhibit_from(row) for row in rows]
