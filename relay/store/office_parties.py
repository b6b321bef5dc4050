"""Invitations of parties in the court office's database."""

from __future__ import annotations

import sqlite3
from typing import Any, Final

from relay.core.errors import Conflict
from relay.core.invitation import ScryptCost
from relay.durable.database import Database
from relay.ports.parties import TRIES_MAX, Invitation

PARTIES: Final = f"""
CREATE TABLE invitation (
    id TEXT PRIMARY KEY,
    case_number TEXT NOT NULL,
    dossier TEXT NOT NULL,
    link BLOB NOT NULL UNIQUE CHECK (length(link) = 32),
    salt BLOB NOT NULL CHECK (length(salt) = 16),
    n INTEGER NOT NULL, r INTEGER NOT NULL, p INTEGER NOT NULL,
    kept BLOB NOT NULL CHECK (length(kept) = 32),
    invited_by TEXT NOT NULL,
    made_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL CHECK (expires_ms > made_ms),
    revoked_ms INTEGER NOT NULL DEFAULT 0,
    tries INTEGER NOT NULL DEFAULT 0 CHECK (tries BETWEEN 0 AND {TRIES_MAX}),
    entered_ms INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX invitation_of_dossier ON invitation (case_number, dossier, made_ms);
"""
_COLUMNS: Final = "id, case_number, dossier, link, salt, n, r, p, kept, invited_by, made_ms, expires_ms, revoked_ms, tries, entered_ms"
_OPEN: Final = f"revoked_ms = 0 AND expires_ms > :now AND tries < {TRIES_MAX}"


class SqliteParties:
    """Implements relay.ports.parties.PartyStore over the office's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, invitation: Invitation, open_max: int) -> None:
        """See the port."""

        def write(c: sqlite3.Connection) -> None:
            values = {"case": invitation.case, "dossier": invitation.dossier, "now": invitation.made_ms}
            (count,) = c.execute(
                f"SELECT count(*) FROM invitation WHERE case_number = :case AND dossier = :dossier AND {_OPEN}", values
            ).fetchone()
            if count >= open_max:
                raise Conflict(f"{count} invitations to this dossier are open; revoke one that is not needed")
            c.execute(f"INSERT INTO invitation ({_COLUMNS}) VALUES ({', '.join('?' * 15)})", _values(invitation))

        await self._database.write(write)

    async def find(self, invitation_id: str) -> Invitation | None:
        """See the port."""
        return await self._database.read(lambda c: _one(c, "id = ?", (invitation_id,)))

    async def of(self, case: str, dossier: str, limit: int) -> list[Invitation]:
        """See the port."""
        query = (
            f"SELECT {_COLUMNS} FROM invitation WHERE (:case = '' OR case_number = :case)"
            " AND (:dossier = '' OR dossier = :dossier) ORDER BY made_ms DESC, id LIMIT :limit"
        )

        def read(c: sqlite3.Connection) -> list[Invitation]:
            return [_row(row) for row in c.execute(query, {"case": case, "dossier": dossier, "limit": limit})]

        return await self._database.read(read)

    async def take_try(self, link: bytes, now_ms: int) -> Invitation | None:
        """See the port."""

        def write(c: sqlite3.Connection) -> Invitation | None:
            found = _one(c, "link = ?", (link,))
            c.execute(
                f"UPDATE invitation SET tries = tries + 1 WHERE link = :link AND {_OPEN}", {"link": link, "now": now_ms}
            )
            return found

        return await self._database.write(write)

    async def let_in(self, invitation_id: str, now_ms: int) -> bool:
        """See the port."""

        def write(c: sqlite3.Connection) -> bool:
            done = c.execute(
                "UPDATE invitation SET tries = 0, entered_ms = :now WHERE id = :id AND revoked_ms = 0 AND expires_ms > :now",
                {"id": invitation_id, "now": now_ms},
            )
            return done.rowcount == 1

        return await self._database.write(write)

    async def revoke(self, invitation_id: str, now_ms: int) -> Invitation | None:
        """See the port."""

        def write(c: sqlite3.Connection) -> Invitation | None:
            c.execute("UPDATE invitation SET revoked_ms = ? WHERE id = ? AND revoked_ms = 0", (now_ms, invitation_id))
            return _one(c, "id = ?", (invitation_id,))

        return await self._database.write(write)


def _one(c: sqlite3.Connection, where: str, values: tuple[Any, ...]) -> Invitation | None:
    row = c.execute(f"SELECT {_COLUMNS} FROM invitation WHERE {where}", values).fetchone()
    return None if row is None else _row(row)


def _values(one: Invitation) -> tuple[Any, ...]:
    cost = (one.cost.n, one.cost.r, one.cost.p)
    times = (one.made_ms, one.expires_ms, one.revoked_ms, one.tries, one.entered_ms)
    return (one.id, one.case, one.dossier, one.link, one.salt, *cost, one.kept, one.by, *times)


def _row(row: tuple[Any, ...]) -> Invitation:
    return Invitation(
        id=row[0],
        case=row[1],
        dossier=row[2],
        link=row[3],
        salt=row[4],
        cost=ScryptCost(n=row[5], r=row[6], p=row[7]),
        kept=row[8],
        by=row[9],
        made_ms=row[10],
        expires_ms=row[11],
        revoked_ms=row[12],
        tries=row[13],
        entered_ms=row[14],
    )
