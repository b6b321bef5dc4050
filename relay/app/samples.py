"""Gauges that are read from a role's stores when somebody asks for the metrics."""

from __future__ import annotations

from collections.abc import Sequence

from relay.ports.court import CourtStore
from relay.ports.custodian import CustodianStore
from relay.ports.forwarding import RelayStore
from relay.services.forwarding.watch import Watcher
from relay.telemetry import metrics


async def sample_relay(store: RelayStore, watchers: Sequence[Watcher], court: str) -> None:
    """Items by state, heights."""
    for state, count in (await store.counts()).items():
        metrics.outbox_items.labels(court, state).set(count)
    for watcher in watchers:
        metrics.ledger_head_height.labels(watcher.ledger, "final").set(watcher.final_height)


async def sample_custodian(store: CustodianStore) -> None:
    """What its store counts."""
    await store.counts()


async def sample_court(store: CourtStore, _court: str) -> None:
    """What its store counts."""
    await store.counts()
