"""When grants hold and how often, beside their tokens: so that those in force are counted without reading all."""

from __future__ import annotations

import sqlite3
from typing import Final

from relay.core.errors import Malformed
from relay.core.grants import parse_grant
from relay.durable.database import Database

GRANT_TERMS: Final = """
ALTER TABLE grant_record ADD COLUMN nbf_s INTEGER NOT NULL DEFAULT 0;
ALTER TABLE grant_record ADD COLUMN exp_s INTEGER NOT NULL DEFAULT 0;
ALTER TABLE grant_record ADD COLUMN uses INTEGER NOT NULL DEFAULT 0;
CREATE INDEX grant_standing ON grant_record (exp_s) WHERE revoked_ms = 0;
"""
"""All 0: not read out of the token yet."""
_ACTIVE: Final = (
    "SELECT count(*) FROM grant_record WHERE revoked_ms = 0 AND exp_s > ? AND nbf_s <= ? AND registered_ms > 0"
    " AND uses_spent < uses"
)


def terms(token: str) -> tuple[int, int, int]:
    """(nbf, exp, uses) of a grant; all 0 for one that cannot be read, which permits nothing."""
    try:
        grant = parse_grant(token)
    except Malformed:
        return 0, 0, 0
    return grant.nbf, grant.exp, grant.uses


def fill(c: sqlite3.Connection) -> None:
    """Read them out of the tokens that were stored before there were columns for them. Inside a transaction."""
    rows = c.execute("SELECT digest, token FROM grant_record WHERE exp_s = 0").fetchall()
    c.executemany(
        "UPDATE grant_record SET nbf_s = ?, exp_s = ?, uses = ? WHERE digest = ?",
        [(*terms(token), digest) for digest, token in rows],
    )


async def active_grants(database: Database, now_s: int) -> int:
    """How many would permit a request now."""
    row = await database.read(lambda c: c.execute(_ACTIVE, (now_s, now_s)).fetchone())
    return int(row[0])
