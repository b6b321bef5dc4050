"""A default that acknowledges before the disk has it (NATS 2.12.1): every store refuses to start on such settings.

Here with real servers and files; the settings are read back from whatever is opened, not assumed from what was asked for.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from relay.core.errors import Malformed, Unavailable
from relay.durable.schema import open_writer
from relay.store.postgres.relay import PostgresRelayStore
from relay.store.relay_schema import APPLICATION, MIGRATIONS
from tests.store.relay_items import LEDGER, block
from tests.support.postgres import Cluster, running_cluster


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("fsync", "off"),
        ("full_page_writes", "off"),
        ("data_sync_retry", "on"),
        ("zero_damaged_pages", "on"),
        ("ignore_checksum_failure", "on"),
    ],
)
async def test_server_that_may_lose_or_hide_damage_is_refused(postgres: Cluster, setting: str, value: str) -> None:
    with running_cluster({setting: value}) as unsafe:
        with pytest.raises(Malformed, match=f"{setting}: is {value}: set {setting} = "):
            await PostgresRelayStore.open(unsafe.new_database())
        assert unsafe.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'courtrelay'") == "0"


async def test_lazy_commit_as_the_databases_default_does_not_reach_our_connections(postgres: Cluster) -> None:
    url = postgres.new_database()
    name = url.split("/")[3].partition("?")[0]
    postgres.sql(f"ALTER DATABASE {name} SET synchronous_commit = off")
    postgres.sql("ALTER ROLE postgres SET synchronous_commit = off")
    try:
        store = await PostgresRelayStore.open(url)
        assert await store.database.read(lambda c: c.fetchval("SHOW synchronous_commit")) == "on"
        await store.close()
    finally:
        postgres.sql("ALTER ROLE postgres RESET synchronous_commit")


async def test_database_of_another_encoding_is_refused(postgres: Cluster) -> None:
    postgres.sql("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
    with pytest.raises(Malformed, match="server_encoding: is LATIN1: create the database with ENCODING 'UTF8'"):
        await PostgresRelayStore.open(postgres.url("latin"))


async def test_setting_that_becomes_unsafe_under_a_running_worker_stops_its_writes() -> None:
    """Each new connection is checked: after the server came back without fsync nothing is written, and nothing crashes."""
    with running_cluster() as cluster:
        store = await PostgresRelayStore.open(cluster.new_database())
        await store.take_block(LEDGER, block(1))
        cluster.stop()
        cluster.start({"fsync": "off"})
        with pytest.raises(Unavailable):  # the old connection is found broken
            await store.take_block(LEDGER, block(2))
        with pytest.raises(Unavailable, match="fsync: is off"):
            await store.take_block(LEDGER, block(2))
        cluster.stop()
        cluster.start()
        await store.take_block(LEDGER, block(2))
        await store.close()


class Deaf(sqlite3.Connection):
    """A SQLite that ignores one of the settings it is asked for."""

    ignored = ""

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        if sql.startswith(f"PRAGMA {self.ignored} ="):
            sql = "SELECT 1"
        elif "PRAGMA synchronous = FULL" in sql:
            sql = "PRAGMA synchronous = NORMAL" if self.ignored == "synchronous" else sql
        return super().execute(sql, *values)


@pytest.mark.parametrize(
    ("ignored", "reason"),
    [
        ("journal_mode", "journal_mode delete"),
        ("synchronous", "synchronous 1"),
        ("foreign_keys", "without foreign keys"),
    ],
)
def test_sqlite_that_does_not_take_a_setting_is_refused(tmp_path: Path, ignored: str, reason: str) -> None:
    class Opened(Deaf):
        pass

    Opened.ignored = ignored

    def connect(*arguments: Any, **named: Any) -> sqlite3.Connection:
        connection = sqlite3.connect(*arguments, **named, factory=Opened)
        sqlite3.Connection.execute(connection, "PRAGMA synchronous = NORMAL")
        return connection

    with pytest.raises(Malformed, match=reason):
        open_writer(tmp_path / "relay.sqlite", APPLICATION, MIGRATIONS, False, connect)
