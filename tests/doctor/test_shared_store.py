"""What doctor says of a database that several workers share, without changing it."""

from __future__ import annotations

import asyncpg
import pytest

from relay.app.doctor.findings import Finding, Findings
from relay.app.doctor.network import check_shared
from relay.config.roles import SharedStore
from relay.store.postgres.relay import PostgresRelayStore
from tests.support.postgres import Cluster


async def told(url: str) -> Finding:
    findings = Findings("relay")
    await check_shared(SharedStore(url=url, lease_s=5.0), findings)
    (one,) = findings.found
    return one


async def test_schema_of_every_age(postgres: Cluster) -> None:
    url = postgres.new_database()
    empty = await told(url)
    assert (empty.level, "is of schema 0; the start brings it to" in empty.what) == ("warning", True)
    connection = await asyncpg.connect(url)
    try:
        assert not await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'courtrelay'")
        await (await PostgresRelayStore.open(url)).close()
        assert (await told(url)).level == "ok"
        await connection.execute("UPDATE courtrelay.schema_version SET version = 99")
        newer = await told(url)
        assert (newer.level, "run the newer version" in newer.what) == ("problem", True)
        await connection.execute("UPDATE courtrelay.schema_version SET application = 'other'")
        assert "belongs to other" in (await told(url)).what
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://relay@127.0.0.1:1/courtrelay", "PostgreSQL database courtrelay at 127.0.0.1"),
        ("postgresql://relay:geheim@db.example/courtrelay", "sslmode=verify-full only"),
        ("mysql://db", "must be postgresql://"),
    ],
)
async def test_database_that_cannot_be_used(url: str, said: str) -> None:
    found = await told(url)
    assert (found.level, found.check) == ("problem", "store")
    assert said in found.what
    assert "geheim" not in found.what
