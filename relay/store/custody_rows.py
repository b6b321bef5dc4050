"""Reading the custody events of a custodian's or court's store: both keep them in the same table."""

from __future__ import annotations

import sqlite3
from typing import Final

from relay.durable.database import Database
from relay.ports.custody import CustodyFilter
from relay.store.court import SqliteCourtStore
from relay.store.custodian import SqliteCustodianStore

_MEMBER: Final = "json_extract(CAST(event AS TEXT), '$.{}')"
_FILTER: Final = " AND ".join(
    [f"(:{name} = '' OR {_MEMBER.format(name)} = :{name})" for name in ("action", "outcome", "actor")]
    + [f"(:{name} = '' OR {_MEMBER.format('subject.' + name)} = :{name})" for name in ("dossier", "grant", "request")]
    + [f"(:from_ms = 0 OR {_MEMBER.format('at_ms')} >= :from_ms)"]
    + [f"(:to_ms = 0 OR {_MEMBER.format('at_ms')} < :to_ms)"]
)
_BETWEEN: Final = (
    "SELECT position, event FROM custody_event WHERE position >= :start AND position < :end"
    f" AND CASE WHEN json_valid(CAST(event AS TEXT)) THEN {_FILTER} ELSE 1 END ORDER BY position"
)


class StoredCustodyRows:
    """Implements relay.ports.custody.CustodyRows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    def of(cls, store: SqliteCustodianStore | SqliteCourtStore) -> StoredCustodyRows:
        """The rows of an open store; closed with it."""
        return cls(store._database)

    async def end(self) -> int:
        """See the port."""

        def read(c: sqlite3.Connection) -> int:
            return int(c.execute("SELECT coalesce(max(position), -1) + 1 FROM custody_event").fetchone()[0])

        return await self._database.read(read)

    async def between(self, start: int, end: int, wanted: CustodyFilter) -> list[tuple[int, bytes]]:
        """See the port."""
        values = {
            "start": start,
            "end": end,
            "action": wanted.action,
            "outcome": wanted.outcome,
            "actor": wanted.actor,
            "dossier": wanted.dossier,
            "grant": wanted.grant,
            "request": wanted.request,
            "from_ms": wanted.from_ms,
            "to_ms": wanted.to_ms,
        }

        def read(c: sqlite3.Connection) -> list[tuple[int, bytes]]:
            return [(int(row[0]), bytes(row[1])) for row in c.execute(_BETWEEN, values)]

        return await self._database.read(read)
