"""What health says of real parts that really fail, and that nothing a look raises ends the looking."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from relay.app.components import Disk, ledger
from relay.app.heights import Heights
from relay.app.initialise import initialise
from relay.app.relay import read_origins
from relay.app.samples import sample_relay
from relay.config.roles import read_custodian, read_relay
from relay.core.checkpoint import Checkpoint
from relay.ports.ledgers import AnchorSource, LedgerHead
from relay.services.forwarding.origins import OriginConfig, Origins
from relay.services.forwarding.watch import Watcher
from relay.store.relay import SqliteRelayStore
from relay.telemetry import metrics
from relay.telemetry.clocks import ClockWatch, peer_clock
from relay.telemetry.health import Component, Health
from relay.telemetry.silence import SILENT_S
from tests.store.relay_items import LEDGER, ORIGIN, block
from tests.support.frozen import TestClock, no_waits, settle
from tests.support.way import opened_source, start_ledger

NOW_MS = 1_750_000_000_000


def health_of(*components: Component) -> Health:
    return Health("relay", components, now_ms=TestClock(NOW_MS).now_ms, sleep=asyncio.sleep)


async def problem_of(component: Component) -> str:
    health = health_of(component)
    await health.look()
    return health.states[0].problem


@asynccontextmanager
async def lender_ledger(home: Path) -> AsyncIterator[tuple[AnchorSource, AnchorSource]]:
    """A node, as the custodian writes to it and as the relay reads it."""
    initialise(home, base_port=0, validators=1, threshold=1)
    node = await start_ledger(home / "lender-ledger/config.toml", TestClock(NOW_MS))
    writing = await opened_source(read_custodian(home / "custodian/config.toml").ledger)
    reading = await opened_source(read_relay(home / "relay/config.toml").sources[0])
    try:
        yield writing, reading
    finally:
        node.cancel()
        await asyncio.gather(node, return_exceptions=True)
        await writing.close()
        await reading.close()


async def test_silent_feed_is_told_from_an_idle_chain(tmp_path: Path) -> None:
    """The node's height moves and nothing is read: after a while that is a problem of its own words. A chain that stands is none."""
    home = tmp_path / "home"
    passed = 0.0
    async with lender_ledger(home) as (writing, reading):
        relay = read_relay(home / "relay/config.toml")
        store = await SqliteRelayStore.open(relay.common.data)

        async def read() -> int:
            return (await store.cursor(reading.ledger)).height

        watched = ledger(reading, read, lambda: passed)
        assert await problem_of(watched) == ""
        passed += 10 * SILENT_S  # nothing was written all the while: idle
        assert await problem_of(watched) == ""
        origin = relay.origins[0].origin
        await writing.anchor(Checkpoint(origin=origin, size=1, root=bytes(32)))
        assert await problem_of(watched) == ""  # just now
        passed += SILENT_S + 1
        assert "silent feed: the node has block 1, what was read stands at block 0" in await problem_of(watched)
        watcher = Watcher(reading, store, read_origins(relay), sleep=asyncio.sleep, backoff=no_waits)
        task = asyncio.create_task(watcher.run())

        async def caught_up() -> bool:
            return await read() == 1

        await settle(caught_up, "the feed goes on")
        assert await problem_of(watched) == ""
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await store.close()


class LastAsked:
    """A ledger whose node was last asked when its newest block was this one."""

    ledger = LEDGER

    def __init__(self, height: int) -> None:
        self.said = LedgerHead(height=height, block_hash=b"h", final_height=height)

    async def head(self) -> LedgerHead:
        return self.said


async def test_what_was_read_is_never_shown_as_beyond_the_newest_block(tmp_path: Path) -> None:
    """The node is asked now and then, and its blocks come meanwhile. In `status` and in the metrics."""
    store = await SqliteRelayStore.open(tmp_path)
    for height in (1, 2, 3):
        await store.take_block(LEDGER, block(height))
    node: Any = LastAsked(2)
    seen = await Heights(node, store).seen()
    assert (seen.latest, seen.final, seen.read) == (3, 2, 3)
    origins = Origins({ORIGIN: OriginConfig(origin=ORIGIN, custodian="c", log_keys=(), ledger=LEDGER)})
    watcher = Watcher(node, store, origins, sleep=asyncio.sleep, backoff=no_waits)
    watcher.head = node.said
    await sample_relay(store, origins, (watcher,), "court")
    shown = {
        kind: metrics.REGISTRY.get_sample_value("courtrelay_ledger_head_height", {"ledger": LEDGER, "kind": kind})
        for kind in ("latest", "final")
    }
    assert shown == {"latest": 3.0, "final": 2.0}
    await store.close()


async def test_node_that_stopped_is_a_problem_and_leaves_the_role_ready(tmp_path: Path) -> None:
    async with lender_ledger(tmp_path / "home") as (_, reading):
        health = health_of(ledger(reading))
        await health.look()
        assert (health.ready, health.states[0].problem) == (True, "")
    await health.look()
    assert health.ready
    assert health.states[0].problem
    await reading.close()


async def test_store_that_another_program_locks_is_seen_and_so_is_its_end(tmp_path: Path) -> None:
    store = await SqliteRelayStore.open(tmp_path)

    async def look() -> str:
        await store.probe()
        return ""

    health = health_of(Component(kind="database", name="sqlite", look=look, needed=True))
    await health.look()
    assert health.ready
    other = sqlite3.connect(tmp_path / "relay.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    await health.look()
    assert not health.ready
    assert health.states[0].problem
    other.execute("ROLLBACK")
    other.close()
    await health.look()
    assert health.ready
    assert (await store.cursor("x")).height == 0
    await store.close()


async def test_a_probe_leaves_nothing_behind(tmp_path: Path) -> None:
    store = await SqliteRelayStore.open(tmp_path)
    await asyncio.gather(store.probe(), store.halt("a.example/log/1", "kept", {}), store.probe())
    await store.close()
    again = await SqliteRelayStore.open(tmp_path, check=True)
    assert await again.halted("a.example/log/1") == "kept"
    await again.close()


async def test_disk_with_too_little_room_says_how_much_there_is(tmp_path: Path) -> None:
    assert await Disk("relay", tmp_path, 0).look() == ""
    assert "make room" in await Disk("relay", tmp_path, 1 << 60).look()
    with pytest.raises(FileNotFoundError):
        await Disk("relay", tmp_path / "gone", 0).look()


def test_clock_that_jumps_is_told_for_a_while() -> None:
    wall, steady = 1_000_000, 50.0
    watch = ClockWatch(lambda: wall, lambda: steady)
    assert watch.look() == ""
    wall, steady = wall + 5_000, steady + 5.0
    assert watch.look() == ""
    wall, steady = wall + 5_000 - 3_600_000, steady + 5.0
    assert "moved by -3600.0 s" in watch.look()
    wall, steady = wall + 5_000, steady + 5.0
    assert "moved by -3600.0 s" in watch.look()
    wall, steady = wall + 61_000, steady + 61.0
    assert watch.look() == ""


@pytest.mark.parametrize(
    ("offset_s", "unsure_s", "says"),
    [(2.0, 0.0, ""), (2.1, 0.0, "2.1 s ahead of ours"), (-9.0, 0.5, "9.0 s behind ours"), (5.0, 4.0, "")],
)
def test_peer_clock_is_judged_by_what_is_sure(offset_s: float, unsure_s: float, says: str) -> None:
    told = peer_clock("court 127.0.0.1:1", offset_s, unsure_s)
    assert told.startswith("the clock of court 127.0.0.1:1 is " + says) if says else told == ""


@pytest.mark.parametrize("raised", [ValueError("odd"), KeyError("x"), RuntimeError("worse"), asyncio.CancelledError()])
async def test_looking_goes_on_whatever_a_look_raises(raised: BaseException) -> None:
    looked = 0

    async def look() -> str:
        nonlocal looked
        looked += 1
        if looked < 3:
            raise raised
        return ""

    async def no_sleep(_seconds: float) -> None:
        await asyncio.sleep(0)

    health = Health(
        "relay",
        [Component(kind="database", name="x", look=look, needed=True)],
        now_ms=TestClock(NOW_MS).now_ms,
        sleep=no_sleep,
    )
    told: list[bool] = []

    async def follower(ready: bool) -> None:
        told.append(ready)
        raise RuntimeError("a follower that breaks")

    health.follow(follower)
    task = asyncio.create_task(health.run())
    await settle(lambda: health.ready, "the third look")
    assert told[:2] == [False, False]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()
