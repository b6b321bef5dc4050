"""Gauges that are read from a role's stores when somebody asks for the metrics. Each costs the same however much is stored."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from relay.core.lifecycle import ItemState
from relay.ports.custodian import CustodianStore
from relay.ports.forwarding import RelayStore
from relay.services.forwarding.origins import Origins
from relay.services.forwarding.watch import Watcher
from relay.telemetry import metrics
from relay.telemetry.counting import stopwatch

LAG_EVERY_S: Final = 0.25


async def sample_relay(store: RelayStore, origins: Origins, watchers: Sequence[Watcher], court: str) -> None:
    """Items, what waits longest, halts, and how far each ledger was read."""
    counts = await store.counts_by_origin()
    for state in ItemState:
        items = sum(one[state.value] for one in counts.values())
        metrics.outbox_items.labels(court, state.value).set(items)
    oldest_s = 0.0
    for room in origins:
        origin = room.config.origin
        metrics.quarantine_items.labels(origin).set(counts.get(origin, {}).get(ItemState.QUARANTINED.value, 0))
        metrics.origin_halted.labels(origin).set(bool(await store.halted(origin)))
        oldest_s = max(oldest_s, (await store.waiting(origin)).oldest_s)
    metrics.outbox_oldest_age.labels(court).set(oldest_s)
    for watcher in watchers:
        await _sample_ledger(store, origins, watcher)


async def _sample_ledger(store: RelayStore, origins: Origins, watcher: Watcher) -> None:
    """A worker that does not watch a ledger says nothing of its head: another does."""
    read = (await store.cursor(watcher.ledger)).height
    compared = (await store.rescanned(watcher.ledger)).height
    final = max(watcher.head.final_height if watcher.head else 0, watcher.final_height)
    if watcher.head is not None:
        # a node is asked now and then, and its blocks come meanwhile: what was read is never shown as beyond its newest
        metrics.ledger_head_height.labels(watcher.ledger, "latest").set(max(watcher.head.height, read))
        metrics.ledger_head_height.labels(watcher.ledger, "final").set(final)
    for room in origins:
        if room.config.ledger == watcher.ledger:
            metrics.proven_contiguous_height.labels(room.config.origin).set(read)
            metrics.sequence_gaps.labels(room.config.origin).set(max(0, min(read, final) - compared))


async def sample_custodian(store: CustodianStore, origin: str, now_ms: Callable[[], int]) -> None:
    """Grants in force."""
    metrics.grants_active.labels(origin).set(await store.active_grants(now_ms() // 1000))


async def sample_court() -> None:
    """Nothing: what a court gateway counts, it counts where it happens."""


async def measure_loop_lag(sleep: Callable[[float], Awaitable[None]]) -> None:
    """How much later than asked the event loop comes back. Never returns; it ends by cancellation."""
    while True:
        seconds = stopwatch()
        await sleep(LAG_EVERY_S)
        metrics.loop_lag.observe(max(0.0, seconds() - LAG_EVERY_S))
