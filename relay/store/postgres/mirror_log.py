"""A verified copy of a log in PostgreSQL: entries, tiles and the size that counts them change in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from relay.core.errors import Malformed, Unavailable
from relay.core.limits import ENTRY_BYTES
from relay.core.merkle import HASH_BYTES
from relay.core.tiles import TILE_HEIGHT, TILE_WIDTH, UPPER_BYTES, Growth, TileAppender, encode_entries
from relay.store.postgres.database import Connection, PostgresDatabase
from relay.store.postgres.log_rows import ROW_BYTES, LogRows, slices


class PostgresMirrorLog:
    """Implements relay.ports.forwarding.MirrorLog. Of several workers that append at once, one wins and the others start again."""

    def __init__(self, database: PostgresDatabase, origin: str, number: int) -> None:
        self._database = database
        self._origin = origin
        self._number = number
        self._rows = LogRows(database, number, 0)
        self._appender: TileAppender | None = TileAppender.empty()
        self._appending = asyncio.Lock()
        self._running: set[asyncio.Task[int]] = set()

    @classmethod
    async def open(cls, database: PostgresDatabase, origin: str) -> PostgresMirrorLog:
        """Open or create an origin's log."""

        async def ensure(c: Connection) -> int:
            await c.execute("INSERT INTO mirror_log (origin, size) VALUES ($1, 0) ON CONFLICT DO NOTHING", origin)
            return int(await c.fetchval("SELECT id FROM mirror_log WHERE origin = $1", origin))

        log = cls(database, origin, await database.write(ensure))
        await log.refresh()
        return log

    @property
    def size(self) -> int:
        """Entries committed, by whichever worker, when this one last looked."""
        return self._rows.size

    @property
    def files(self) -> LogRows:
        """For proofs and reading, off the loop."""
        return self._rows

    async def refresh(self) -> None:
        """Look how far other workers have brought the log."""
        async with self._appending:
            await self._refresh()

    async def _refresh(self) -> None:
        size = int(
            await self._database.read(lambda c: c.fetchval("SELECT size FROM mirror_log WHERE id = $1", self._number))
        )
        if size < self._rows.size:  # the database was restored from a backup under a running worker
            self._rows = LogRows(self._database, self._number, size)
            self._appender = None
        elif size > self._rows.size:
            self._rows.grow(size)
            self._appender = None

    async def append(self, entries: Sequence[bytes]) -> int:
        """Durably append entries; returns the new size. Cancelling the caller does not stop it half way.

        Raises `Unavailable` when another worker has appended meanwhile, and what the database's `write` raises.
        """
        if any(len(entry) != ENTRY_BYTES for entry in entries):
            raise Malformed("log", "entry", f"every entry must be {ENTRY_BYTES} bytes")
        task = asyncio.create_task(self._append(entries), name=f"append {self._origin}")
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def _append(self, entries: Sequence[bytes]) -> int:
        async with self._appending:
            old = self._rows.size
            if self._appender is None:
                self._appender = await asyncio.to_thread(TileAppender.restore, old, self._rows)
            appender, self._appender = self._appender, None  # whatever fails below: the next one reads the tiles again
            grown = await asyncio.to_thread(appender.append, entries)
            await self._database.write(lambda c: self._write(c, old, entries, grown))
            self._rows.grow(old + len(entries))
            self._appender = appender
            return self._rows.size

    async def _write(self, c: Connection, old: int, entries: Sequence[bytes], grown: Sequence[Growth]) -> None:
        moved = await c.execute(
            "UPDATE mirror_log SET size = $3 WHERE id = $1 AND size = $2", self._number, old, old + len(entries)
        )
        if moved != "UPDATE 1":
            raise Unavailable(f"another worker has appended to {self._origin}; offer the entries again")
        await self._write_entries(c, old, encode_entries(entries))
        for growth in grown:
            await self._write_tiles(c, old >> TILE_HEIGHT * growth.level, growth)

    async def _write_entries(self, c: Connection, old: int, data: bytes) -> None:
        fresh = []
        for row, held, piece in slices(old, data, ROW_BYTES):
            if not held:
                fresh.append((self._number, row, piece))
                continue
            done = await c.execute(
                "UPDATE entry_bundle SET data = data || $4 WHERE log = $1 AND number = $2 AND length(data) = $3",
                *(self._number, row, held, piece),
            )
            self._check(done, f"entry bundle {row}")
        await c.executemany("INSERT INTO entry_bundle VALUES ($1, $2, $3)", fresh)

    async def _write_tiles(self, c: Connection, start: int, growth: Growth) -> None:
        first = start // TILE_WIDTH
        fresh = []
        for row, held, piece in slices(start, growth.hashes, HASH_BYTES):
            upper = growth.upper[(row - first) * UPPER_BYTES :][:UPPER_BYTES]
            if not held:
                fresh.append((self._number, growth.level, row, piece, upper))
                continue
            done = await c.execute(
                "UPDATE tile SET data = data || $5, upper = $6"
                " WHERE log = $1 AND level = $2 AND number = $3 AND length(data) = $4",
                *(self._number, growth.level, row, held, piece, upper),
            )
            self._check(done, f"tile {row} of level {growth.level}")
        await c.executemany("INSERT INTO tile VALUES ($1, $2, $3, $4, $5)", fresh)

    def _check(self, done: str, what: str) -> None:
        if done != "UPDATE 1":
            raise Malformed(self._database.name, f"{what} of {self._origin}", "is damaged; restore from a backup")
