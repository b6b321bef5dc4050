"""Timestamp tokens over checkpoints, in the court's database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from relay.durable.database import Database
from relay.ports.held import HeldCheckpoint

TIMESTAMPS: Final = """
CREATE TABLE timestamp (
    origin TEXT NOT NULL, size INTEGER NOT NULL, authority TEXT NOT NULL, token BLOB NOT NULL, time_ms INTEGER NOT NULL,
    PRIMARY KEY (origin, size, authority), FOREIGN KEY (origin, size) REFERENCES checkpoint (origin, size)
) STRICT, WITHOUT ROWID;
CREATE INDEX checkpoint_receipted ON checkpoint (receipted_ms) WHERE receipt IS NOT NULL;
"""
_UNSTAMPED: Final = (
    "WHERE receipt IS NOT NULL AND receipted_ms >= ? AND cosigned <> x'' AND NOT EXISTS (SELECT 1 FROM timestamp t"
    " WHERE t.origin = checkpoint.origin AND t.size = checkpoint.size AND t.authority = ?)"
    " ORDER BY receipted_ms DESC, origin, size DESC LIMIT ?"
)


class TimestampRows:
    """Implements relay.ports.timestamps.TimestampStore for the store that has the checkpoints."""

    _database: Database
    _select: Callable[[str, tuple[object, ...]], Any]

    async def unstamped(self, authority: str, since_ms: int, count_max: int) -> list[HeldCheckpoint]:
        """See the port."""
        found: list[HeldCheckpoint] = await self._select(_UNSTAMPED, (since_ms, authority, count_max))
        return found

    async def save_timestamp(self, origin: str, size: int, authority: str, token: bytes, time_ms: int) -> None:
        """See the port."""
        row = (origin, size, authority, token, time_ms)
        await self._database.write(
            lambda c: c.execute("INSERT INTO timestamp VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", row)
        )

    async def timestamps(self, origin: str, sizes: Sequence[int]) -> dict[int, tuple[bytes, ...]]:
        """See the port."""
        found: dict[int, tuple[bytes, ...]] = {}
        query = "SELECT token FROM timestamp WHERE origin = ? AND size = ? ORDER BY authority"
        rows = await self._database.read(
            lambda c: [(size, c.execute(query, (origin, size)).fetchall()) for size in sizes]
        )
        for size, tokens in rows:
            if tokens:
                found[size] = tuple(row[0] for row in tokens)
        return found
