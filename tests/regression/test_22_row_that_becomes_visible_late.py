"""A number drawn before a commit that comes after another's (outbox polled by `id > last`): no item is passed by.

On real PostgreSQL: four transactions record an anchor each and commit in each of the 24 orders, at every isolation level; after
every commit a worker does all that it sees. A poller that remembers the last number stands beside it and loses some.
"""

from __future__ import annotations

from itertools import permutations
from typing import Any

import asyncpg
import pytest

from relay.core.lifecycle import ItemState
from relay.store.postgres.notices import tell_nothing
from relay.store.postgres.relay import PostgresRelayStore
from relay.store.postgres.statements import insert_anchor
from tests.store.relay_items import LEDGER, ORIGIN, anchor, bring_to
from tests.support.postgres import Cluster

ORDERS = list(permutations(range(4)))
LEVELS = ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"]


class NumberPoller:
    """How not to do it."""

    def __init__(self) -> None:
        self.last = 0
        self.done: list[int] = []

    async def poll(self, c: Any) -> None:
        for row in await c.fetch("SELECT number, size FROM drawn WHERE number > $1 ORDER BY number", self.last):
            self.last = row["number"]
            self.done.append(row["size"])


async def do_all(store: PostgresRelayStore) -> list[int]:
    """What a worker sees: final, then to the end, smallest first."""
    await store.mark_final(LEDGER, 1)
    done = []
    while (item := await store.next_item(ORIGIN)) is not None:
        await bring_to_the_end(store, item)
        done.append(item.anchor.size)
    return done


async def bring_to_the_end(store: PostgresRelayStore, item: Any) -> None:
    await bring_to(store, item, ItemState.CONFIRMED)


@pytest.mark.parametrize("level", LEVELS)
async def test_every_order_of_commits_is_done_once(postgres: Cluster, level: str) -> None:
    url = postgres.new_database()
    store = await PostgresRelayStore.open(url)
    writers = [await asyncpg.connect(url, server_settings={"search_path": "courtrelay"}) for _ in range(4)]
    await writers[0].execute("CREATE TABLE drawn (number bigserial, size bigint)")
    # which writers share a row of counts, and would wait for each other, is chance: here all stay open side by side
    await writers[0].execute("ALTER TABLE item DISABLE TRIGGER USER")
    lost_by_number = 0
    for order in ORDERS:
        await writers[0].execute("TRUNCATE item, confirmation, checkpoint; TRUNCATE drawn RESTART IDENTITY")
        poller, done = NumberPoller(), []
        for size, writer in enumerate(writers, 1):
            await writer.execute(f"BEGIN ISOLATION LEVEL {level}")
            await writer.execute("INSERT INTO drawn (size) VALUES ($1)", size)
            assert await insert_anchor(writer, anchor(size, 1), tell_nothing) == 1
        for index in order:
            await writers[index].execute("COMMIT")
            done += await do_all(store)
            await store.database.read(poller.poll)
        assert sorted(done) == [1, 2, 3, 4]
        assert await store.last_confirmed(ORIGIN) == 4
        assert len(await store.items({ItemState.CONFIRMED}, ORIGIN, 10)) == 4
        lost_by_number += len(poller.done) < 4
    assert lost_by_number == len(ORDERS) - 1  # all but the order in which the numbers were drawn
    for writer in writers:
        await writer.close()
    await store.close()
