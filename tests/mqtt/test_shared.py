"""Several workers on one PostgreSQL: exactly one publishes at a time, and another goes on where a dead one stopped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from relay.app.notices import open_publisher
from relay.ports.sharing import Lease
from relay.services.forwarding.sharing import SharedJob, Sharing
from relay.services.notices.publishing import Publisher
from relay.store.postgres.leases import PostgresLeases
from relay.store.postgres.relay import PostgresRelayStore
from tests.mqtt.broker import Mosquitto, listening, mosquitto
from tests.mqtt.test_publishing import _Common, heard
from tests.store.relay_items import ORIGIN, anchor
from tests.support.frozen import settle
from tests.support.postgres import Cluster

LEASE_S = 1.0


@asynccontextmanager
async def worker(name: str, url: str, broker: Mosquitto) -> AsyncIterator[tuple[Publisher, asyncio.Task[None]]]:
    """One relay process's publisher."""
    store = await PostgresRelayStore.open(url, tells=True)
    common: Any = _Common(broker.settings())
    publisher = open_publisher(common, store.notices, [ORIGIN])
    assert publisher is not None
    job = SharedJob(lease=Lease("notices"), run=publisher.run)
    leases = PostgresLeases(store.database, name, LEASE_S)
    task = asyncio.create_task(Sharing(leases, [job], lease_s=LEASE_S, sleep=asyncio.sleep).run())
    try:
        yield publisher, task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await store.close()


async def test_one_worker_publishes_and_another_goes_on(tmp_path: Path, postgres: Cluster) -> None:
    url = postgres.new_database()
    writer = await PostgresRelayStore.open(url, tells=True)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(writer.close)
        broker = await stack.enter_async_context(mosquitto(tmp_path / "m"))
        link = await stack.enter_async_context(listening(broker.settings(), "lab/#"))
        both = [await stack.enter_async_context(worker(name, url, broker)) for name in ("one", "two")]
        await settle(lambda: any(publisher.connected for publisher, _ in both), "somebody publishes")
        for size in range(1, 21):
            await writer.save_found(anchor(size, 1))
        found = await heard(link, 20)
        assert [publisher.connected for publisher, _ in both].count(True) == 1

        async def remembered() -> bool:
            """Before it is, another worker would rightly publish again what it cannot know to be acknowledged."""
            return (await writer.notices.head()).sent == 20

        await settle(remembered, "it is remembered what the broker has acknowledged")
        holder, task = next(one for one in both if one[0].connected)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        for size in range(21, 31):
            await writer.save_found(anchor(size, 1))
        found += await heard(link, 10)
        assert [notice["seq"] for notice in found] == list(range(1, 31))
        assert len({notice["epoch"] for notice in found}) == 2
        assert not holder.connected
