"""A verified copy of a log on disk, its committed size in the database: what relay and court gateway hold of each origin."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final, TypeAlias

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
        cls,
        database: Database,
        directory: Path,
        origin: str,
        open_pack: Callable[[Path], Pack] = Pack,
    ) -> StoredMirrorLog:
        """Open an origin's log; bytes beyond the committed size are cut off."""

        def ensure(connection: sqlite3.Connection) -> int:
            connection.execute("INSERT INTO mirror_log VALUES (?, 0) ON CONFLICT DO NOTHING", (origin,))
            row = connection.execute("SELECT size FROM mirror_log WHERE origin = ?", (origin,)).fetchone()
            return int(row[0])

        committed = await database.write(ensure)
        folder = directory / hashlib.sha256(origin.encode()).hexdigest()
        files = await asyncio.to_thread(LogPacks.open, folder, committed, open_pack)
        return cls(database, origin, files)

    @property
    def size(self) -> int:
        """Entries whose append is committed."""
        return self._size

    @property
    def files(self) -> LogPacks:
        """For proofs and reading."""
        return self._files

    async def append(
        self,
        entries: Sequence[bytes],
        also: Also | None = None,
        seal: Callable[[], Also] | None = None,
        *,
        beside: Part | None = None,
    ) -> int:
        """Packs first, then the size by compare-and-swap, together with what else belongs in that transaction.

        `seal` runs off the loop between the two, when the entries are on disk and not yet counted; what it returns joins the
        transaction. `beside` is another log of this database and what it gets in the same transaction; wherever two logs are
        appended to together, it is the same one that stands beside the other. When the transaction or `seal` is refused, the packs
        are cut back and the error is raised. Cancelling the caller does not stop an append half way: it runs to its end, so that
        memory, packs and database agree.
        """
        parts = [(self, entries)] if beside is None else [beside, (self, entries)]
        task = asyncio.create_task(self._append(parts, also, seal), name=f"append {self._origin}")
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def _append(self, parts: Sequence[Part], also: Also | None, seal: Callable[[], Also] | None) -> int:
        async with AsyncExitStack() as appending:
            for log, _ in parts:
                await appending.enter_async_context(log._appending)
            sealed = await asyncio.to_thread(_write_packs, parts, seal)

            def commit(connection: sqlite3.Connection) -> None:
                for log, entries in parts:
                    log._count(connection, len(entries))
                for one in (also, sealed):
                    if one is not None:
                        one(connection)

            try:
                await self._database.write(commit)
            except StorageFailed:
                raise  # whether the commit is on disk is unknown until a restart: nothing that it may count is cut off
            except Exception:
                await asyncio.to_thread(_cut_back, parts)
                raise
            for log, entries in parts:
                log._size += len(entries)
            return self._size

    def _count(self, connection: sqlite3.Connection, new: int) -> None:
        done = connection.execute(
            "UPDATE mirror_log SET size = ? WHERE origin = ? AND size = ?", (self._size + new, self._origin, self._size)
        )
        if done.rowcount != 1:
            raise RuntimeError("another writer has moved this log's size")

    def close(self) -> None:
        """Close the packs."""
        self._files.close()


Part: TypeAlias = tuple[StoredMirrorLog, Sequence[bytes]]
"""A log and what is appended to it."""


def _write_packs(parts: Sequence[Part], seal: Callable[[], Also] | None) -> Also | None:
    try:
        for log, entries in parts:
            log.files.append(entries)
        return seal() if seal is not None else None
    except Exception:
        _cut_back(parts)
        raise


def _cut_back(parts: Sequence[Part]) -> None:
    """To what is committed."""
    for log, _ in parts:
        log.files.truncate(log.size)
