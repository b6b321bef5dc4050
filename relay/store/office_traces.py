"""How one dossier of one case is named in the custody log, from the office's tables of cases."""

from __future__ import annotations

import sqlite3
from typing import Final

from relay.core.errors import NotFound
from relay.durable.database import Database
from relay.ports.parties import Traces

_TABLES: Final = {
    "grants": "SELECT digest FROM granted WHERE name = ? AND dossier = ?",
    "bundles": "SELECT bundle FROM kept_view WHERE name = ? AND dossier = ?",
}


class SqliteTraces:
    """Implements relay.ports.parties.CaseFiles over the office's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def traces(self, case: str, dossier: str) -> Traces:
        """See the port."""

        def read(c: sqlite3.Connection) -> dict[str, frozenset[str]]:
            return {
                name: frozenset(str(row[0]) for row in c.execute(query, (case, dossier)))
                for name, query in _TABLES.items()
            }

        found = await self._database.read(read)
        if not found["grants"]:
            raise NotFound("no grant of this case names this dossier")
        return Traces(**found)
