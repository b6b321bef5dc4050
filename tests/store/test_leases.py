"""Leases on PostgreSQL: one holder by the database's clock, and a number that fences whoever has lost his."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from relay.core.errors import Unavailable
from relay.core.lifecycle import ItemState
from relay.ports.forwarding import Cursor
from relay.ports.sharing import Lease
from relay.services.forwarding.sharing import SharedJob, Sharing
from relay.store.postgres.leases import Fenced, PostgresLeases
from relay.store.postgres.relay import PostgresRelayStore
from relay.store.postgres.standing import end_standing
from tests.store.relay_items import LEDGER, ORIGIN, anchor, block, confirmation
from tests.support.frozen import settle
from tests.support.postgres import Cluster
from tests.support.standing_session import StandingSession

LONG_S, SHORT_S = 600.0, 0.4


@pytest.fixture
async def store(postgres: Cluster) -> AsyncIterator[PostgresRelayStore]:
    opened = await PostgresRelayStore.open(postgres.new_database())
    yield opened
    await opened.close()


def leases(store: PostgresRelayStore, worker: str, lease_s: float = LONG_S) -> PostgresLeases:
    return PostgresLeases(store.database, worker, lease_s)


async def taken_after_its_time(store: PostgresRelayStore, name: str) -> Lease:
    """Another worker takes a lease as soon as the first one's time is over."""
    lease = Lease(name)
    other = leases(store, "other")

    async def take() -> bool:
        return bool(await other.take([lease], 1))

    await settle(take, "the lease's time is over")
    return lease


async def test_one_worker_holds_a_lease_and_gives_it_back(store: PostgresRelayStore) -> None:
    one, other = leases(store, "one"), leases(store, "other")
    mine, theirs = Lease("job"), Lease("job")
    assert await one.take([mine], 1) == [mine]
    assert await other.take([theirs], 1) == []
    assert await one.take([Lease("job")], 1) == []
    await one.give_back(mine)
    assert mine.token == 0
    assert await other.take([theirs], 1) == [theirs]
    assert theirs.token == 2


async def test_at_most_so_many_are_taken(store: PostgresRelayStore) -> None:
    wanted = [Lease(f"job {n}") for n in range(5)]
    assert await leases(store, "one").take(wanted, 2) == wanted[:2]
    assert await leases(store, "other").take(wanted[1:], 2) == wanted[2:4]


async def test_beat_tells_what_is_kept_and_who_lives(store: PostgresRelayStore) -> None:
    one, other = leases(store, "one"), leases(store, "other")
    held = [Lease("a"), Lease("b")]
    await one.take(held, 2)
    beat = await one.beat(held)
    assert (beat.kept, beat.workers) == (frozenset({"a", "b"}), 1)
    assert (await other.beat([Lease("a", 7)])).kept == frozenset()
    assert (await one.beat(held)).workers == 2
    await other.leave()
    assert (await one.beat(held[:1])).workers == 1


async def test_lease_that_ran_out_goes_to_another_with_a_higher_number(store: PostgresRelayStore) -> None:
    mine = Lease("job")
    paused = leases(store, "paused", SHORT_S)
    await paused.take([mine], 1)
    theirs = await taken_after_its_time(store, "job")
    assert theirs.token > mine.token
    assert (await paused.beat([mine])).kept == frozenset()
    await paused.give_back(mine)
    assert (await leases(store, "other").beat([theirs])).kept == frozenset({"job"})


async def test_two_that_both_believe_they_lead_do_no_harm(store: PostgresRelayStore) -> None:
    """Every write of the one whose number is lower is refused, and nothing of it is there."""
    mine = Lease("job")
    await leases(store, "paused", SHORT_S).take([mine], 1)
    believing = store.fenced(mine)
    assert (await believing.take_block(LEDGER, block(1, anchor(1, 1), anchor(2, 1)))).total() == 2
    item = await store.find_item(ORIGIN, 1)
    assert item is not None
    leading = store.fenced(await taken_after_its_time(store, "job"))
    late = [
        believing.take_block(LEDGER, block(2, anchor(9, 2))),
        believing.rewind(LEDGER, 0),
        believing.mark_final(LEDGER, 1),
        believing.move(item.id, ItemState.SEEN, ItemState.FINAL),
        believing.begin_attempt(item.id),
        believing.save_checkpoint(ORIGIN, 1, b"note"),
        believing.save_mirrored(item.id, b"note"),
        believing.save_confirmed(item.id, confirmation(1)),
        believing.halt(ORIGIN, "late", {}),
        believing.resume(ORIGIN, "late"),
        believing.save_rescan(LEDGER, Cursor(height=1, block_hash=b"x"), [anchor(3, 1)]),
        believing.save_found(anchor(4, 1)),
    ]
    for write in late:
        with pytest.raises(Fenced, match="another worker does job now"):
            await write
    assert await store.item(item.id) == item
    assert (await store.cursor(LEDGER)).height == 1
    assert await store.halted(ORIGIN) == ""
    assert (await store.counts())["seen"] == 2
    assert await leading.mark_final(LEDGER, 1) == {ORIGIN: 2}
    assert await leading.begin_attempt(item.id) == 1


async def test_store_without_a_held_lease_writes_nothing(store: PostgresRelayStore) -> None:
    with pytest.raises(Fenced):
        await store.fenced(Lease("job")).take_block(LEDGER, block(1))


async def test_lease_is_not_taken_in_the_middle_of_its_holders_transaction(store: PostgresRelayStore) -> None:
    """What was begun under a number is finished before a higher one exists."""
    mine = Lease("job")
    await leases(store, "one", 0.0).take([mine], 1)  # its time is over at once
    begun, go_on = asyncio.Event(), asyncio.Event()
    order: list[str] = []

    async def slow(c: object) -> None:
        begun.set()
        await go_on.wait()
        order.append("written")

    async def take() -> None:
        taken: list[Lease] = []
        while not taken:
            with suppress(Unavailable):  # on a busy machine the holder's transaction may outlast one try
                taken = await leases(store, "other").take([Lease("job")], 1)
        order.append("taken")

    writing = asyncio.create_task(store.fenced(mine)._write(slow))
    await begun.wait()
    taking = asyncio.create_task(take())

    async def waits() -> bool:
        sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        return bool(await store.database.read(lambda c: c.fetchval(sql)))

    await settle(waits, "the taker waits for the holder's transaction")
    go_on.set()
    await asyncio.gather(writing, taking)
    assert order == ["written", "taken"]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE lease SET expires_at = clock_timestamp() WHERE name = 'job'",
        "SELECT token FROM lease WHERE name = 'job' FOR SHARE",
        "DELETE FROM worker WHERE name = 'other'",
    ],
)
async def test_worker_that_stands_in_the_middle_of_a_transaction_is_put_out(
    postgres: Cluster, store: PostgresRelayStore, statement: str
) -> None:
    """Stopped with its locks held, where the server's own timeout does not run: the others end its session and go on."""
    other = leases(store, "other", SHORT_S)
    assert await leases(store, "stopped", 0.0).take([Lease("job")], 1)
    await other.beat([])
    mine = Lease("job")
    database = await store.database.read(lambda c: c.fetchval("SELECT current_database()"))

    async def stands() -> bool:
        # The server answers a moment before it waits again: at that moment it has no wait event yet.
        sql = "SELECT state FROM pg_stat_activity WHERE wait_event = 'ClientRead' AND datname = $1 AND state <> 'idle'"
        return bool(await store.database.read(lambda c: c.fetchval(sql, database)) == "active")

    async def beat_and_take() -> None:
        for _ in range(20):  # each try waits for a lock, so that this is far above the five seconds a worker may stand
            with suppress(Unavailable, TimeoutError):
                async with asyncio.timeout(SHORT_S):
                    await other.beat([])
                if await other.take([mine], 1):
                    return
            await asyncio.sleep(SHORT_S)

    with StandingSession(postgres.folder, database) as session:
        session.run("BEGIN")
        session.run(statement)
        session.stand()
        await settle(stands, "the session waits for its client in the middle of a command")
        await beat_and_take()
        await settle(lambda: session.ended, "the standing session is ended")
    assert mine.token == 2


async def test_session_that_works_or_rests_is_not_put_out(postgres: Cluster, store: PostgresRelayStore) -> None:
    database = await store.database.read(lambda c: c.fetchval("SELECT current_database()"))
    with StandingSession(postgres.folder, database) as session:
        session.run("SELECT 1")
        working = asyncio.create_task(store.database.write(lambda c: c.fetchval("SELECT 7 FROM pg_sleep(6)")))
        while not working.done():
            assert await end_standing(store.database) == 0
            await asyncio.sleep(0.2)
        assert await working == 7
        assert not session.ended


async def test_what_was_taken_before_trouble_is_kept(store: PostgresRelayStore) -> None:
    """The second lease's row is locked for longer than a taker waits: the first is to be done all the same."""
    wanted = [Lease("a"), Lease("b")]
    await leases(store, "one", 0.0).take([Lease("b")], 1)
    locked, go_on = asyncio.Event(), asyncio.Event()

    async def lock(c: Any) -> None:
        await c.execute("SELECT 1 FROM lease WHERE name = 'b' FOR UPDATE")
        locked.set()
        await go_on.wait()

    locking = asyncio.create_task(store.database.write(lock))
    await locked.wait()
    other = leases(store, "other")
    assert await other.take(wanted, 2) == wanted[:1]
    with pytest.raises(Unavailable, match="lock timeout"):
        await other.take(wanted[1:], 1)
    go_on.set()
    await locking


class Job:
    """Counts how often it runs at the same time."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.at_once = self.most = 0

    async def run(self) -> None:
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            await asyncio.Event().wait()
        finally:
            self.at_once -= 1


class Workers:
    """Workers of one process that share the same counted jobs."""

    def __init__(self, store: PostgresRelayStore, jobs: int) -> None:
        self._store = store
        self.jobs = [Job(f"job {n}") for n in range(jobs)]
        self.sharing: dict[str, Sharing] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, name: str, lease_s: float = 1.0) -> None:
        shared = [SharedJob(lease=Lease(job.name), run=job.run) for job in self.jobs]
        self.sharing[name] = Sharing(leases(self._store, name, lease_s), shared, lease_s=lease_s, sleep=asyncio.sleep)
        self.tasks[name] = asyncio.create_task(self.sharing[name].run())

    async def end(self, name: str) -> None:
        self.tasks[name].cancel()
        await asyncio.wait({self.tasks[name]})
        del self.sharing[name]

    async def until_parts(self, *parts: int) -> None:
        def shared() -> bool:
            divided = sorted(len(one.held) for one in self.sharing.values()) == sorted(parts)
            return divided and all(job.at_once == 1 for job in self.jobs)

        await settle(shared, f"parts {parts}, each job done by one")


async def test_workers_share_and_take_over(store: PostgresRelayStore) -> None:
    workers = Workers(store, 5)
    workers.start("one")
    await workers.until_parts(5)
    workers.start("two")
    await workers.until_parts(2, 3)
    workers.start("three")
    await workers.until_parts(1, 2, 2)
    await workers.end("one")
    await workers.until_parts(2, 3)
    await workers.end("two")
    await workers.until_parts(5)
    await workers.end("three")
    assert [job.at_once for job in workers.jobs] == [0] * 5
    assert [job.most for job in workers.jobs] == [1] * 5


async def test_job_that_crashes_ends_its_worker(store: PostgresRelayStore) -> None:
    async def crash() -> None:
        raise RuntimeError("as it may be")

    shared = [SharedJob(lease=Lease("job"), run=crash)]
    with pytest.raises(ExceptionGroup) as caught:
        await Sharing(leases(store, "one"), shared, lease_s=LONG_S, sleep=asyncio.sleep).run()
    assert caught.group_contains(RuntimeError, match="as it may be")
    assert await leases(store, "other").take([Lease("job")], 1)


async def test_worker_that_cannot_reach_the_store_stops_before_its_lease_ends(postgres: Cluster) -> None:
    store = await PostgresRelayStore.open(postgres.new_database())
    workers = Workers(store, 2)
    workers.start("one")
    await workers.until_parts(2)
    await store.close()
    await settle(lambda: not workers.sharing["one"].held, "the jobs are given up")
    assert [job.at_once for job in workers.jobs] == [0, 0]
    assert workers.sharing["one"].problem.startswith("leases: ")
    await workers.end("one")
