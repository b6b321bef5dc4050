"""The court office's memory in SQLite: who is signed in, cases and their grants, views of bundles, parties, reports.

A file of its own beside the gateway's: nothing here is needed to mirror, and losing it loses no evidence.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from relay.durable.database import Database
from relay.store import office_cases, office_jobs, office_reports
from relay.store.office_calls import CALLS
from relay.store.office_parties import PARTIES
from relay.store.office_sessions import SESSIONS

APPLICATION: Final = 0x43524F46  # "CROF"
MIGRATIONS: Final[tuple[str, ...]] = (
    "CREATE TABLE office (made_ms INTEGER NOT NULL) STRICT;",
    SESSIONS,
    office_cases.SCHEMA + office_jobs.SCHEMA,
    PARTIES + CALLS,
    office_reports.SCHEMA,
)


class SqliteOffice:
    """Opened once by the gateway; each group of tables is a class in a file of its own, over the same database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @classmethod
    async def open(cls, directory: Path) -> SqliteOffice:
        """Open or create it. Raises `Conflict` when another process holds it, `Malformed` for a newer schema."""
        return cls(
            await Database.open(directory / "office" / "office.sqlite", application=APPLICATION, migrations=MIGRATIONS)
        )

    async def close(self) -> None:
        """Close the database."""
        await self.database.close()
