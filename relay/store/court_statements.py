"""Statements of platforms, in the court's database."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from relay.core.errors import Conflict
from relay.core.ledgerproof import LedgerProof
from relay.durable.database import Database
from relay.ports.statements import KeptStatement, ShownOnLedger

STATEMENTS: Final = """
CREATE TABLE statement (
    ledger TEXT NOT NULL, version INTEGER NOT NULL, token BLOB NOT NULL, event BLOB NOT NULL, position INTEGER NOT NULL,
    proof BLOB, anchor_kind TEXT, anchor_ledger TEXT, anchor BLOB, published_ms INTEGER,
    PRIMARY KEY (ledger, version)
) STRICT, WITHOUT ROWID;
"""
_COLUMNS: Final = "ledger, version, token, event, position, proof, anchor_kind, anchor_ledger, anchor, published_ms"
_Row = tuple[str, int, bytes, bytes, int, bytes | None, str, str, bytes, int]


def _kept(row: _Row) -> KeptStatement:
    shown = None
    if row[5] is not None:
        anchor = LedgerProof(kind=row[6], ledger=row[7], body=row[8])
        shown = ShownOnLedger(proof=row[5], anchor=anchor, published_ms=row[9])
    return KeptStatement(ledger=row[0], version=row[1], token=row[2], event=row[3], index=row[4], shown=shown)


class StatementRows:
    """Implements relay.ports.statements.StatementStore."""

    _database: Database

    async def latest_statement(self, ledger: str) -> KeptStatement | None:
        """See the port."""
        rows = await self._statements("WHERE ledger = ? ORDER BY version DESC LIMIT 1", (ledger,))
        return rows[0] if rows else None

    async def add_statement(self, kept: KeptStatement) -> None:
        """See the port."""
        row = (kept.ledger, kept.version, kept.token, kept.event, kept.index, kept.ledger, kept.version)

        def write(c: sqlite3.Connection) -> None:
            done = c.execute(
                "INSERT INTO statement (ledger, version, token, event, position) SELECT ?, ?, ?, ?, ?"
                " WHERE (SELECT coalesce(max(version), 0) FROM statement WHERE ledger = ?) = ? - 1",
                row,
            )
            if done.rowcount != 1:
                raise Conflict(f"version {kept.version} is not the next statement of {kept.ledger} here")

        await self._database.write(write)

    async def statements_not_shown(self) -> list[KeptStatement]:
        """See the port."""
        return await self._statements("WHERE proof IS NULL ORDER BY position", ())

    async def save_statement_shown(self, ledger: str, version: int, shown: ShownOnLedger) -> None:
        """See the port."""
        anchor = shown.anchor
        row = (shown.proof, anchor.kind, anchor.ledger, anchor.body, shown.published_ms, ledger, version)
        await self._database.write(
            lambda c: c.execute(
                "UPDATE statement SET proof = ?, anchor_kind = ?, anchor_ledger = ?, anchor = ?, published_ms = ?"
                " WHERE ledger = ? AND version = ? AND proof IS NULL",
                row,
            )
        )

    async def shown_statements(self, ledgers: Sequence[str]) -> list[KeptStatement]:
        """See the port."""
        found: list[KeptStatement] = []
        for ledger in sorted(set(ledgers)):
            found += await self._statements("WHERE ledger = ? AND proof IS NOT NULL ORDER BY version", (ledger,))
        return found

    async def _statements(self, where: str, values: tuple[object, ...]) -> list[KeptStatement]:
        rows = await self._database.read(
            lambda c: c.execute(f"SELECT {_COLUMNS} FROM statement {where}", values).fetchall()
        )
        return [_kept(row) for row in rows]
