"""A replica shows an older state (RDS multi-AZ long fork): the relay never asks one, at the start or later.

A real standby that follows a real primary, its replay paused so that it shows what was true before.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from relay.core.errors import Malformed, Unavailable
from relay.store.postgres.relay import PostgresRelayStore
from tests.store.relay_items import LEDGER, ORIGIN, anchor, block
from tests.support.postgres import Cluster, running_cluster


@contextmanager
def primary_and_replica() -> Iterator[tuple[Cluster, Cluster]]:
    with running_cluster() as primary, tempfile.TemporaryDirectory(prefix="pg-") as folder:
        replica = primary.copy_as_replica(Path(folder))
        replica.start()
        try:
            yield primary, replica
        finally:
            if replica.running:
                replica.stop("immediate")


async def caught_up(replica: Cluster, primary: Cluster) -> None:
    """Until the replica has replayed what the primary has written by now: before, it may lack the database itself."""
    written = primary.sql("SELECT pg_current_wal_lsn()")
    async with asyncio.timeout(60):
        while replica.sql(f"SELECT pg_last_wal_replay_lsn() >= '{written}'") != "t":
            await asyncio.sleep(0.05)


async def test_replica_is_refused_whatever_it_shows(postgres: Cluster) -> None:
    with primary_and_replica() as (primary, replica):
        url = primary.new_database()
        store = await PostgresRelayStore.open(url)
        await store.take_block(LEDGER, block(1, anchor(1, 1)))
        await store.close()
        await caught_up(replica, primary)
        for _ in range(2):  # while it follows, and while it stands still
            with pytest.raises(Malformed, match=r"is a replica: .* use the primary's address"):
                await PostgresRelayStore.open(url.replace(str(primary.folder), str(replica.folder)))
            replica.sql("SELECT pg_wal_replay_pause()")


async def test_primary_that_comes_back_as_a_replica_is_not_asked() -> None:
    """The address leads to a standby after a failover: no answer from it is used, until it has become the primary."""
    with running_cluster() as cluster:
        store = await PostgresRelayStore.open(cluster.new_database())
        await store.take_block(LEDGER, block(1, anchor(1, 1)))
        cluster.stop()
        standby = cluster.folder / "data" / "standby.signal"
        standby.touch()
        cluster.start({"hot_standby": "on"})
        with pytest.raises(Unavailable):  # the old connection is found broken
            await store.find_item(ORIGIN, 1)
        for _ in range(2):
            with pytest.raises(Unavailable, match="is a replica"):
                await store.find_item(ORIGIN, 1)
            with pytest.raises(Unavailable, match="is a replica"):
                await store.take_block(LEDGER, block(2))
        cluster.sql("SELECT pg_promote()")
        assert await store.find_item(ORIGIN, 1) is not None
        await store.take_block(LEDGER, block(2))
        await store.close()
