"""Retrievals by their callers' names, in the court's database: begun how often, and with which bundle they ended."""

from __future__ import annotations

import sqlite3
from typing import Final

from relay.core.errors import Conflict
from relay.ports.court import NamedRetrieval

SCHEMA: Final = """
CREATE TABLE named_retrieval (
    request_id BLOB PRIMARY KEY, command BLOB NOT NULL, attempts INTEGER NOT NULL, bundle TEXT REFERENCES bundle
) STRICT, WITHOUT ROWID;
"""


def begin(c: sqlite3.Connection, request_id: bytes, command: bytes) -> NamedRetrieval:
    """See relay.ports.court.CourtStore.begin_named."""
    row = c.execute("SELECT command FROM named_retrieval WHERE request_id = ?", (request_id,)).fetchone()
    if row is None:
        c.execute("INSERT INTO named_retrieval VALUES (?, ?, 0, NULL)", (request_id, command))
    elif row[0] != command:
        raise Conflict("another retrieval was begun under this request id")
    c.execute(
        "UPDATE named_retrieval SET attempts = attempts + 1 WHERE request_id = ? AND bundle IS NULL", (request_id,)
    )
    attempts, bundle, size, verdict = c.execute(
        "SELECT n.attempts, coalesce(n.bundle, ''), coalesce(b.bytes, 0), coalesce(b.verdict, x'')"
        " FROM named_retrieval n LEFT JOIN bundle b ON b.id = n.bundle WHERE n.request_id = ?",
        (request_id,),
    ).fetchone()
    return NamedRetrieval(attempts=attempts, bundle_id=bundle, bundle_bytes=size, verdict=verdict)


def finish(c: sqlite3.Connection, request_id: bytes, bundle: str) -> None:
    """The bundle is there; part of the transaction that records it."""
    c.execute("UPDATE named_retrieval SET bundle = ? WHERE request_id = ?", (bundle, request_id))
