"""The custodian's checkpoints: signed, anchored, receipted. Part of `SqliteCustodianStore`."""

from __future__ import annotations

import sqlite3

from relay.core.errors import Conflict
from relay.core.ledgerproof import LedgerProof
from relay.durable.database import Database
from relay.ports.custodian import LogCheckpoint
from relay.ports.ledgers import Anchor


class CheckpointRows:
    """The table `checkpoint`, for the store that owns the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save_checkpoint(self, size: int, root: bytes, note: bytes, trace: str = "") -> None:
        """See the port."""

        def write(c: sqlite3.Connection) -> None:
            row = c.execute("SELECT root FROM checkpoint WHERE size = ?", (size,)).fetchone()
            if row is None:
                c.execute(
                    "INSERT INTO checkpoint (size, root, note, trace) VALUES (?, ?, ?, ?)", (size, root, note, trace)
                )
            elif row[0] != root:
                raise Conflict(f"another root was signed at size {size}: this log must not be used any more")
            else:
                c.execute("UPDATE checkpoint SET note = ? WHERE size = ? AND receipt IS NULL", (note, size))

        await self._database.write(write)

    async def last_checkpoint(self) -> LogCheckpoint | None:
        """See the port."""
        rows = await self._checkpoints("ORDER BY size DESC LIMIT 1")
        return rows[0] if rows else None

    async def unconfirmed(self) -> list[LogCheckpoint]:
        """See the port."""
        return await self._checkpoints(
            "WHERE receipt IS NULL AND anchored_height > 0 AND size >"
            " (SELECT coalesce(max(size), 0) FROM checkpoint WHERE receipt IS NOT NULL) ORDER BY size"
        )

    async def _checkpoints(self, where: str) -> list[LogCheckpoint]:
        rows = await self._database.read(
            lambda c: c.execute(f"SELECT size, root, note, anchored_height, trace FROM checkpoint {where}").fetchall()
        )
        return [LogCheckpoint(size=r[0], root=r[1], note=r[2], anchored_height=r[3], trace=r[4]) for r in rows]

    async def save_anchored(self, size: int, anchor: Anchor) -> None:
        """See the port."""
        await self._database.write(
            lambda c: c.execute(
                "UPDATE checkpoint SET anchored_height = ?, anchored_ms = ?, anchor_tx = ? WHERE size = ?",
                (anchor.height, anchor.time_ms, anchor.tx_id, size),
            )
        )

    async def save_receipt(self, size: int, proof: LedgerProof, cosigned: bytes) -> None:
        """See the port."""
        await self._database.write(
            lambda c: c.execute(
                "UPDATE checkpoint SET receipt_kind = ?, receipt_ledger = ?, receipt = ?, cosigned = ? WHERE size = ?",
                (proof.kind, proof.ledger, proof.body, cosigned, size),
            )
        )
