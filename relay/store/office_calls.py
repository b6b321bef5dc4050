"""Calls of the HTTP interface by their caller's key, in the court office's database."""

from __future__ import annotations

import sqlite3
from typing import Final

from relay.core.errors import Conflict
from relay.durable.database import Database

KEPT_MS: Final = 31 * 86_400_000
CALLS: Final = """
CREATE TABLE api_call (
    caller TEXT NOT NULL, key TEXT NOT NULL, digest BLOB NOT NULL CHECK (length(digest) = 32), made TEXT NOT NULL,
    begun_ms INTEGER NOT NULL, PRIMARY KEY (caller, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX api_call_by_time ON api_call (begun_ms);
"""


class SqliteCalls:
    """Implements relay.ports.calls.CallStore over the office's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def reserve(self, caller: str, key: str, digest: bytes, made: str, now_ms: int) -> str:
        """See the port."""

        def write(c: sqlite3.Connection) -> str:
            c.execute("DELETE FROM api_call WHERE begun_ms < ?", (now_ms - KEPT_MS,))
            row = c.execute(
                "INSERT INTO api_call VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET made = made RETURNING digest, made",
                (caller, key, digest, made, now_ms),
            ).fetchone()
            if row[0] != digest:
                raise Conflict("this Idempotency-Key was used for another request; take a new one")
            return str(row[1])

        return await self._database.write(write)

    async def settle(self, caller: str, key: str, made: str) -> None:
        """See the port."""

        def write(c: sqlite3.Connection) -> None:
            c.execute("UPDATE api_call SET made = ? WHERE caller = ? AND key = ?", (made, caller, key))

        await self._database.write(write)
