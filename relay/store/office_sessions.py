"""Sessions, one-time links and sign-ins under way in the court office's database, each found by the SHA-256 of its secret."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from typing import Final

from relay.core.errors import Busy
from relay.durable.database import Database
from relay.ports.sessions import PERSON_ROLES, PersonRole, Session, SignInLink, WaitingSignIn

WAITING_MAX: Final = 1000
"""Sign-ins under way at a time: who never comes back is forgotten after minutes."""

SESSIONS: Final = """
CREATE TABLE session (
    digest BLOB PRIMARY KEY, name TEXT NOT NULL, roles TEXT NOT NULL, case_number TEXT NOT NULL, dossiers TEXT NOT NULL,
    way TEXT NOT NULL, certificate BLOB NOT NULL, begun_ms INTEGER NOT NULL, seen_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX session_name ON session (name);
CREATE INDEX session_seen ON session (seen_ms);
CREATE TABLE sign_in_link (
    digest BLOB PRIMARY KEY, name TEXT NOT NULL, roles TEXT NOT NULL, ends_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE sign_in_waiting (
    digest BLOB PRIMARY KEY, verifier TEXT NOT NULL, nonce TEXT NOT NULL, next TEXT NOT NULL, ends_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
"""
KEPT_MS: Final = 24 * 3_600_000
"""A session that nobody used for so long has ended by any rule and is forgotten."""


class OfficeSessions:
    """Implements relay.ports.sessions.SessionStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, digest: bytes, session: Session, replaced: bytes) -> None:
        """See the port."""
        row = (
            digest,
            session.name,
            _words(session.roles),
            session.case,
            json.dumps(sorted(session.dossiers)),
            session.way,
            session.certificate,
            session.begun_ms,
            session.seen_ms,
        )

        def write(c: sqlite3.Connection) -> None:
            c.execute("DELETE FROM session WHERE digest = ? OR seen_ms < ?", (replaced, session.begun_ms - KEPT_MS))
            c.execute("INSERT INTO session VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

        await self._database.write(write)

    async def find(self, digest: bytes) -> Session | None:
        """See the port."""
        columns = "name, roles, case_number, dossiers, way, certificate, begun_ms, seen_ms"
        row = await self._database.read(
            lambda c: c.execute(f"SELECT {columns} FROM session WHERE digest = ?", (digest,)).fetchone()
        )
        if row is None:
            return None
        return Session(
            name=row[0],
            roles=_roles(row[1]),
            case=row[2],
            dossiers=frozenset(json.loads(row[3])),
            way=row[4],
            certificate=row[5],
            begun_ms=row[6],
            seen_ms=row[7],
        )

    async def seen(self, digest: bytes, at_ms: int) -> None:
        """See the port."""
        await self._database.write(
            lambda c: c.execute("UPDATE session SET seen_ms = max(seen_ms, ?) WHERE digest = ?", (at_ms, digest))
        )

    async def end(self, digest: bytes) -> None:
        """See the port."""
        await self._database.write(lambda c: c.execute("DELETE FROM session WHERE digest = ?", (digest,)))

    async def end_all(self, name: str) -> int:
        """See the port."""
        return await self._database.write(lambda c: c.execute("DELETE FROM session WHERE name = ?", (name,)).rowcount)

    async def add_link(self, digest: bytes, link: SignInLink, now_ms: int) -> None:
        """See the port."""

        def write(c: sqlite3.Connection) -> None:
            c.execute("DELETE FROM sign_in_link WHERE ends_ms < ?", (now_ms,))
            c.execute(
                "INSERT INTO sign_in_link VALUES (?, ?, ?, ?)", (digest, link.name, _words(link.roles), link.ends_ms)
            )

        await self._database.write(write)

    async def take_link(self, digest: bytes) -> SignInLink | None:
        """See the port."""
        row = await self._database.write(
            lambda c: c.execute(
                "DELETE FROM sign_in_link WHERE digest = ? RETURNING name, roles, ends_ms", (digest,)
            ).fetchone()
        )
        return None if row is None else SignInLink(name=row[0], roles=_roles(row[1]), ends_ms=row[2])

    async def add_waiting(self, digest: bytes, waiting: WaitingSignIn, now_ms: int) -> None:
        """See the port."""
        row = (digest, waiting.verifier, waiting.nonce, waiting.next, waiting.ends_ms)

        def write(c: sqlite3.Connection) -> None:
            c.execute("DELETE FROM sign_in_waiting WHERE ends_ms < ?", (now_ms,))
            done = c.execute(
                "INSERT INTO sign_in_waiting SELECT ?, ?, ?, ?, ? WHERE (SELECT count(*) FROM sign_in_waiting) < ?",
                (*row, WAITING_MAX),
            )
            if done.rowcount != 1:
                raise Busy("too many people are signing in at this moment", 60.0)

        await self._database.write(write)

    async def take_waiting(self, digest: bytes) -> WaitingSignIn | None:
        """See the port."""
        row = await self._database.write(
            lambda c: c.execute(
                "DELETE FROM sign_in_waiting WHERE digest = ? RETURNING verifier, nonce, next, ends_ms", (digest,)
            ).fetchone()
        )
        return None if row is None else WaitingSignIn(verifier=row[0], nonce=row[1], next=row[2], ends_ms=row[3])


def _words(roles: Iterable[str]) -> str:
    return " ".join(sorted(roles))


def _roles(words: str) -> frozenset[PersonRole]:
    held = words.split()
    return frozenset(role for role in PERSON_ROLES if role in held)
