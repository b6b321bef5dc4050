"""PostgreSQL behind the relay's store: whose database it is, what a broken connection means, and appending side by side."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from relay.core.errors import Conflict, Malformed, Unavailable, Uncertain
from relay.durable.errors import StorageFailed
from relay.store.postgres.database import CONNECTIONS_MAX, PostgresDatabase, check_url
from relay.store.postgres.relay import PostgresRelayStore
from relay.store.postgres.schema import APPLICATION, MIGRATIONS
from tests.store.relay_items import LEDGER, ORIGIN, anchor, block
from tests.support.postgres import Cluster, running_cluster

ENTRY = bytes(65)


@pytest.fixture
async def url(postgres: Cluster) -> str:
    return postgres.new_database()


@pytest.fixture
async def store(url: str) -> AsyncIterator[PostgresRelayStore]:
    opened = await PostgresRelayStore.open(url)
    yield opened
    await opened.close()


def name_of(url: str) -> str:
    found = re.search(r"/(test_[0-9]+)[?]", url)
    assert found is not None
    return found[1]


async def end_this_connection(c: Any, url: str) -> None:
    """As a restart of the server would, from a connection beside it."""
    number = await c.fetchval("SELECT pg_backend_pid()")
    other = await asyncpg.connect(url)
    await other.fetchval("SELECT pg_terminate_backend($1, 5000)", number)
    await other.close()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "must be postgresql://"),
        ("mysql://u@h/d", "must be postgresql://"),
        ("postgresql://u@h/", "must be postgresql://"),
        ("postgresql://[::1/d", "is no address"),
        ("postgresql://u:secret@db.example/d", "sslmode=verify-full only"),
        ("postgresql://u:secret@db.example/d?sslmode=require", "sslmode=verify-full only"),
        ("postgresql://u:secret@/d?host=db.example", "sslmode=verify-full only"),
    ],
)
def test_address_is_refused_without_showing_a_password(url: str, reason: str) -> None:
    with pytest.raises(Malformed, match=reason) as caught:
        check_url(url)
    assert "secret" not in str(caught.value)


def test_address_with_encryption_or_on_this_machine_is_taken() -> None:
    assert check_url("postgresql://u:secret@db.example/d?sslmode=verify-full") == "PostgreSQL database d at db.example"
    for host in ("127.0.0.1", "localhost", "[::1]"):
        check_url(f"postgresql://u@{host}:5432/d")
    check_url("postgresql://u@/d?host=/run/postgresql")


async def test_workers_that_start_together_make_the_schema_once(url: str) -> None:
    stores = await asyncio.gather(*(PostgresRelayStore.open(url) for _ in range(6)))
    for number, store in enumerate(stores, 1):
        await store.take_block(LEDGER, block(number))
    assert (await stores[0].cursor(LEDGER)).height == 6
    await asyncio.gather(*(store.close() for store in stores))


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("UPDATE courtrelay.schema_version SET version = 99", "version 99; this program knows .* restore the backup"),
        ("UPDATE courtrelay.schema_version SET application = 'court'", "belongs to court, not to a relay"),
        ("DELETE FROM courtrelay.schema_version", "belongs to None"),
        ("DROP TABLE courtrelay.schema_version", "of another program; choose another database"),
    ],
)
async def test_schema_that_is_not_ours_is_left_alone(postgres: Cluster, url: str, statement: str, reason: str) -> None:
    await (await PostgresRelayStore.open(url)).close()
    postgres.sql(statement, name_of(url))
    with pytest.raises(Malformed, match=reason):
        await PostgresRelayStore.open(url)


async def test_missing_database_user_and_right_are_named(postgres: Cluster, url: str) -> None:
    with pytest.raises(Malformed, match="make it with createdb"):
        await PostgresRelayStore.open(url.replace(name_of(url), "nowhere"))
    with pytest.raises(Malformed, match="does not let this user in"):
        await PostgresRelayStore.open(url.replace("postgres@", "nobody@"))
    postgres.sql(f"CREATE ROLE plain_{name_of(url)} LOGIN")
    with pytest.raises(Malformed, match="GRANT CREATE ON DATABASE"):
        await PostgresRelayStore.open(url.replace("postgres@", f"plain_{name_of(url)}@"))
    with pytest.raises(Unavailable):
        await PostgresRelayStore.open("postgresql://u@127.0.0.1:1/d")


async def test_worker_needs_no_right_to_create_once_the_schema_is_there(postgres: Cluster, url: str) -> None:
    await (await PostgresRelayStore.open(url)).close()
    role, database = f"worker_{name_of(url)}", name_of(url)
    postgres.sql(f"CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA courtrelay TO {role};"
                 f" GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA courtrelay TO {role}", database)  # fmt: skip
    store = await PostgresRelayStore.open(url.replace("postgres@", f"{role}@"))
    assert (await store.take_block(LEDGER, block(1, anchor(1, 1)))).total() == 1
    await store.close()


async def test_connection_lost_before_the_commit_means_nothing_happened(store: PostgresRelayStore, url: str) -> None:
    async def write(c: Any) -> None:
        await c.execute("INSERT INTO cursor VALUES ('a', 1, '')")
        await end_this_connection(c, url)
        await c.execute("INSERT INTO cursor VALUES ('b', 1, '')")

    with pytest.raises(Unavailable):
        await store.database.write(write)
    assert (await store.cursor("a")).height == 0


async def test_connection_lost_during_the_commit_means_that_nobody_knows(store: PostgresRelayStore, url: str) -> None:
    async def write(c: Any) -> None:
        await c.execute("INSERT INTO cursor VALUES ('a', 1, '')")
        await end_this_connection(c, url)

    with pytest.raises(Uncertain):
        await store.database.write(write)
    assert (await store.cursor("a")).height == 0


async def test_connection_lost_while_reading_is_made_again(store: PostgresRelayStore, url: str) -> None:
    async def read(c: Any) -> Any:
        await end_this_connection(c, url)
        return await c.fetchval("SELECT 1")

    with pytest.raises(Unavailable):
        await store.database.read(read)
    assert await store.database.read(lambda c: c.fetchval("SELECT 1")) == 1


async def test_connection_that_breaks_while_it_is_given_back_harms_nobody(store: PostgresRelayStore) -> None:
    """The pool takes it back by itself and then calls giving it back a mistake of its own; every place of the pool stays usable."""

    async def last_word(c: Any) -> int:
        asyncio.get_running_loop().call_soon(c.terminate)
        return 7

    for _ in range(CONNECTIONS_MAX + 1):
        assert await store.database.read(last_word) == 7


async def test_deadlock_is_tried_again(store: PostgresRelayStore) -> None:
    await store.take_block("a", block(1))
    await store.take_block("b", block(1))
    met = asyncio.Barrier(2)
    tries = 0

    async def both(first: str, second: str) -> None:
        async def write(c: Any) -> None:
            nonlocal tries
            tries += 1
            if (
                first == "b"
            ):  # looks for a deadlock so late that the other is always the one that finds it, and the victim
                await c.execute("SET LOCAL deadlock_timeout = '1min'")
            await c.execute("UPDATE cursor SET height = height + 1 WHERE ledger = $1", first)
            if tries <= 2:
                await met.wait()
            await c.execute("UPDATE cursor SET height = height + 1 WHERE ledger = $1", second)

        await store.database.write(write)

    await asyncio.gather(both("a", "b"), both("b", "a"))
    assert tries == 3
    assert [(await store.cursor(name)).height for name in "ab"] == [3, 3]


async def test_what_a_write_raises_undoes_it(store: PostgresRelayStore) -> None:
    async def write(c: Any) -> None:
        await c.execute("INSERT INTO cursor VALUES ('a', 1, '')")
        raise Conflict("no")

    with pytest.raises(Conflict):
        await store.database.write(write)
    with pytest.raises(RuntimeError, match="syntax"):
        await store.database.write(lambda c: c.execute("INSERT NONSENSE"))
    assert (await store.cursor("a")).height == 0


async def test_swallowed_error_of_a_statement_does_not_pass_for_a_commit(store: PostgresRelayStore) -> None:
    async def write(c: Any) -> None:
        with pytest.raises(Exception, match="syntax"):
            await c.execute("INSERT NONSENSE")

    with pytest.raises(RuntimeError, match="went on after"):
        await store.database.write(write)


@pytest.mark.parametrize("state", ["58030", "XX001", "XX002"])
async def test_damage_that_the_server_reports_ends_the_process(store: PostgresRelayStore, state: str) -> None:
    raising = f"DO $$ BEGIN RAISE EXCEPTION 'could not read block' USING ERRCODE = '{state}'; END $$"
    for call in (store.database.read, store.database.write):
        with pytest.raises(StorageFailed, match="could not read block"):
            await call(lambda c: c.execute(raising))


async def test_of_two_workers_that_append_at_once_one_wins_and_the_other_goes_on_behind_it(url: str) -> None:
    one, other = await PostgresRelayStore.open(url), await PostgresRelayStore.open(url)
    logs = [await store.log(ORIGIN) for store in (one, other)]
    outcomes = await asyncio.gather(*(log.append([ENTRY] * 300) for log in logs), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Unavailable", "int"]
    logs = [await store.log(ORIGIN) for store in (one, other)]
    assert [log.size for log in logs] == [300, 300]
    assert await logs[0].append([ENTRY] * 10) == 310
    with pytest.raises(Unavailable, match="another worker has appended"):
        await logs[1].append([ENTRY])
    assert await (await other.log(ORIGIN)).append([ENTRY]) == 311
    held = [await store.log(ORIGIN) for store in (one, other)]
    assert len({await asyncio.to_thread(log.files.root, 311) for log in held}) == 1
    files = held[0].files
    proof = await asyncio.to_thread(files.consistency_proof, 310, 311)
    assert await asyncio.to_thread(files.extension_proof, 310, [ENTRY]) == proof, (
        "as it was before the last one was stored"
    )
    await asyncio.gather(one.close(), other.close())


async def test_damaged_row_of_a_log_is_said_and_not_built_upon(postgres: Cluster, url: str) -> None:
    store = await PostgresRelayStore.open(url)
    log = await store.log(ORIGIN)
    await log.append([ENTRY] * 10)
    postgres.sql("UPDATE courtrelay.entry_bundle SET data = substring(data for 100)", name_of(url))
    with pytest.raises(Malformed, match="damaged; restore from a backup"):
        await log.append([ENTRY])
    with pytest.raises(Malformed):
        await asyncio.to_thread(log.files.entries, 0, 10)
    postgres.sql("DELETE FROM courtrelay.tile", name_of(url))
    with pytest.raises(Malformed, match="is missing; restore from a backup"):
        await log.append([ENTRY])
    assert (await store.log(ORIGIN)).size == 10
    await store.close()


async def test_server_that_loses_power_keeps_what_was_acknowledged() -> None:
    """The server dies without a chance to write anything down, and comes back; the same store goes on."""
    with running_cluster() as cluster:
        store = await PostgresRelayStore.open(cluster.new_database())
        for height in range(1, 6):
            assert (await store.take_block(LEDGER, block(height, anchor(height, height)))).total() == 1
            size = await (await store.log(ORIGIN)).append([bytes([height]) * 65] * 100)
            await asyncio.to_thread(cluster.stop, "immediate")
            with pytest.raises(Unavailable):
                await store.cursor(LEDGER)
            await asyncio.to_thread(cluster.start)
            assert (await store.cursor(LEDGER)).height == height
            log = await store.log(ORIGIN)
            assert log.size == size == 100 * height
            assert len(await asyncio.to_thread(log.files.entries, 0, size)) == size
        await store.close()


async def test_migrations_go_forward_once(url: str) -> None:
    steps = ("CREATE TABLE one (n int)", "ALTER TABLE one ADD m int; INSERT INTO one VALUES (1, 2)")
    for upto in (1, 2, 2):
        opened = await PostgresDatabase.open(url, application="test", migrations=steps[:upto])
        await opened.close()
    opened = await PostgresDatabase.open(url, application="test", migrations=steps)
    assert [tuple(row) for row in await opened.read(lambda c: c.fetch("SELECT n, m FROM one"))] == [(1, 2)]
    await opened.close()
    assert (APPLICATION, len(MIGRATIONS)) == ("relay", 4)
