"""A verified copy of a log on disk, its committed size in the database: what relay and court gateway hold of each origin."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from relay.durable.database import Database
from relay.durable.errors import StorageFailed
from relay.durable.packs import Pack
from relay.store.log_files import LogPacks

MIRROR_SCHEMA: Final = """
CREATE TABLE mirror_log (
    origin TEXT PRIMARY KEY,
    size   INTEGER NOT NULL CHECK (size >= 0)
) STRICT;
"""


Also = Callable[[sqlite3.Connection], None]
"""Joins the transaction that counts appended entries."""


class StoredMirrorLog:
    """Entries are durable in the packs before the size that counts them is committed."""

    def __init__(self, database: Database, origin: str, files: LogPacks) -> None:
        self._database = database
        self._origin = origin
        self._files = files
        self._size = files.size
        self._appending = asyncio.Lock()
        self._running: set[asyncio.Task[int]] = set()

    @classmethod
    async def open(
        cls, database: Database, directory: Path, origin: str, open_pack: Callable[[Path], Pack] = Pack
    ) -> StoredMirrorLog:
        """Open an origin's log; bytes beyond the committed size are cut off."""

        def ensure(connection: sqlite3.Connection) -> int:
            connection.execute("INSERT INTO mirror_log VALUES (?, 0) ON CONFLICT DO NOTHING", (origin,))
            row = connection.execute("SELECT size FROM mirror_log WHERE origin = ?", (origin,)).fetchone()
            return int(row[0])

        committed = await database.write(ensure)
        folder = directory / hashlib.sha256(origin.encode()).hexdigest()
        return cls(database, origin, await asyncio.to_thread(LogPacks.open, folder, committed, open_pack))

    @property
    def size(self) -> int:
        """Entries whose append is committed."""
        return self._size

    @property
    def files(self) -> LogPacks:
        """For proofs and reading."""
        return self._files

    async def append(
        self, entries: Sequence[bytes], also: Also | None = None, seal: Callable[[], Also] | None = None
    ) -> int:
        """Packs first, then the size by compare-and-swap, together with what else belongs in that transaction.

        `seal` runs off the loop between the two, when the entries are on disk and not yet counted; what it returns joins the
        transaction. When the transaction or `seal` is refused, the packs are cut back and the error is raised. Cancelling the
        caller does not stop an append half way: it runs to its end, so that memory, packs and database agree.
        """
        task = asyncio.create_task(self._append(entries, also, seal), name=f"append {self._origin}")
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    def _write_packs(self, entries: Sequence[bytes], seal: Callable[[], Also] | None) -> Also | None:
        old = self._files.size
        self._files.append(entries)
        try:
            return seal() if seal is not None else None
        except Exception:
            self._files.truncate(old)
            raise

    async def _append(self, entries: Sequence[bytes], also: Also | None, seal: Callable[[], Also] | None) -> int:
        async with self._appending:
            old, new = self._size, self._size + len(entries)
            sealed = await asyncio.to_thread(self._write_packs, entries, seal)

            def commit(connection: sqlite3.Connection) -> None:
                done = connection.execute(
                    "UPDATE mirror_log SET size = ? WHERE origin = ? AND size = ?", (new, self._origin, old)
                )
                if done.rowcount != 1:
                    raise RuntimeError("another writer has moved this log's size")
                for one in (also, sealed):
                    if one is not None:
                        one(connection)

            try:
                await self._database.write(commit)
            except StorageFailed:
                raise  # whether the commit is on disk is unknown until a restart: nothing that it may count is cut off
            except Exception:
                await asyncio.to_thread(self._files.truncate, old)
                raise
            self._size = new
            return new

    def close(self) -> None:
        """Close the packs."""
        self._files.close()
