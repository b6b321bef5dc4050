"""Stores made before request ids existed open, keep what they hold, and take request ids from then on."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from relay.core.errors import Conflict
from relay.durable.database import Database
from relay.ports.custodian import IssueRequest
from relay.store import court, custodian_schema
from relay.store.court import SqliteCourtStore
from relay.store.custodian import SqliteCustodianStore

KEY = bytes(32)


@pytest.mark.parametrize("version", range(1, len(custodian_schema.MIGRATIONS)))
async def test_a_custodians_older_store_keeps_its_grants(tmp_path: Path, version: int) -> None:
    path = tmp_path / "custodian.sqlite"
    known = custodian_schema.MIGRATIONS[:version]
    old = await Database.open(path, application=custodian_schema.APPLICATION, migrations=known)
    await old.write(lambda c: c.execute("INSERT INTO grant_record (digest, number, token) VALUES (x'01', 0, 'old')"))
    await old.close()
    store = await SqliteCustodianStore.open(tmp_path, KEY)
    try:
        held = await store.grant(b"\x01")
        assert held is not None
        assert (held.token, held.command) == ("old", None)
        request = IssueRequest(id=b"r" * 32, command=b"c" * 32)
        await store.save_grant(b"\x02", "new", "statement", b"event", request)
        found = await store.issued(request.id)
        assert found is not None
        assert (found.digest, found.token, found.command) == (b"\x02", "new", request.command)
        assert await store.issued(b"o" * 32) is None
        size = store.custody_size
        with pytest.raises(RuntimeError):
            await store.save_grant(b"\x03", "twice", "statement", b"event", request)
        assert (await store.grant(b"\x03"), store.custody_size) == (None, size)
        await store.save_grant(b"\x04", "without", "statement", b"event")
        await store.save_grant(b"\x05", "without", "statement", b"event")
    finally:
        await store.close()


@pytest.mark.parametrize("version", range(1, len(court.MIGRATIONS)))
async def test_a_courts_older_store_keeps_its_bundles(tmp_path: Path, version: int) -> None:
    path = tmp_path / "court.sqlite"
    old = await Database.open(path, application=court.APPLICATION, migrations=court.MIGRATIONS[:version])
    await old.write(lambda c: c.execute("INSERT INTO bundle VALUES ('b1', 'o', 'd', 3, x'7b7d')"))
    await old.close()
    store = await SqliteCourtStore.open(tmp_path)
    try:
        assert (await store.counts()).bundles == 1
        name, wish = b"r" * 32, b"c" * 32
        assert (await store.begin_named(name, wish)).attempts == 1
        assert (await store.begin_named(name, wish)).attempts == 2
        (await store.new_bundle("b2")).write_bytes(b"zip")
        await store.save_bundle("b2", "o", "d", b"{}", name)
        held = await store.begin_named(name, wish)
        assert (held.attempts, held.bundle_id, held.bundle_bytes, held.verdict) == (2, "b2", 3, b"{}")
        with pytest.raises(Conflict):
            await store.begin_named(name, b"o" * 32)
    finally:
        await store.close()
    with closing(sqlite3.connect(path)) as c:
        assert c.execute("PRAGMA user_version").fetchone() == (len(court.MIGRATIONS),)
