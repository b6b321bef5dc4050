"""Halted origins and the contradictory pieces that halted them; a resumed halt stays on record."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from relay.core.errors import NotFound
from relay.ports.forwarding import Exhibit
from relay.store.postgres.database import Connection, PostgresDatabase
from relay.store.postgres.notices import Tell
from relay.store.postgres.statements import changed, plain
from relay.store.rows import EXHIBIT_COLUMNS, exhibit_from, pieces_to_text

Write = Callable[[Callable[[Connection], Awaitable[None]]], Awaitable[None]]


class PostgresHalts:
    """The exhibit table. `write` runs a function in a transaction, under the store's lease if it has one."""

    def __init__(self, database: PostgresDatabase, write: Write, tell: Tell) -> None:
        self._database = database
        self._write = write
        self._tell = tell

    async def halt(self, origin: str, reason: str, exhibit: Mapping[str, bytes]) -> None:
        """Stop an origin; while it is stopped the first reason stays."""

        async def write(c: Connection) -> None:
            sql = "INSERT INTO exhibit (origin, reason, pieces) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
            if await changed(c, sql, origin, plain(reason), pieces_to_text(exhibit)):
                await self._tell(c, "halted", origin, 0)

        await self._write(write)

    async def reason(self, origin: str) -> str:
        """Why an origin stands still; empty when it does not."""
        sql = "SELECT reason FROM exhibit WHERE origin = $1 AND resumed = ''"
        return await self._database.read(lambda c: c.fetchval(sql, origin)) or ""

    async def resume(self, origin: str, reason: str) -> None:
        """Let it go on; what halted it is kept with the operator's reason. Raises `NotFound` when it is not halted."""

        async def write(c: Connection) -> None:
            sql = "UPDATE exhibit SET resumed = $2 WHERE origin = $1 AND resumed = ''"
            if not await changed(c, sql, origin, plain(reason)):
                raise NotFound(f"{origin} is not halted")
            await self._tell(c, "resumed", origin, 0)

        await self._write(write)

    async def exhibits(self, origin: str) -> list[Exhibit]:
        """All of an origin, oldest first."""
        sql = f"SELECT {EXHIBIT_COLUMNS} FROM exhibit WHERE origin = $1 ORDER BY number"
        return [exhibit_from(row) for row in await self._database.read(lambda c: c.fetch(sql, origin))]
