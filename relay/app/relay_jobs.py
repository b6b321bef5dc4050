"""A relay's jobs: one a source ledger (watch and rescan), one an origin (advance), done here or shared among workers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from relay.app.memory import Memory, SharedMemory
from relay.app.runtime import backoff
from relay.ports.forwarding import CourtLink
from relay.ports.ledgers import AnchorSource, CourtRegistry
from relay.ports.sharing import Lease
from relay.services.forwarding.advance import Advancer
from relay.services.forwarding.origins import Origins
from relay.services.forwarding.rescan import Rescan
from relay.services.forwarding.sharing import SharedJob, Sharing, pulse
from relay.services.forwarding.watch import Watcher
from relay.services.notices.publishing import Publisher

Job = tuple[str, Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayJobs:
    """The workers themselves, for `status`, and `sharing` when other processes do their part."""

    watchers: Sequence[Watcher]
    advancers: Sequence[Advancer]
    alone: Sequence[tuple[str, Callable[[], Coroutine[Any, Any, None]]]]
    sharing: Sharing | None
    origins: Origins

    def start(self) -> list[Job]:
        """What this process runs."""
        if self.sharing is None:
            return [(name, run()) for name, run in self.alone]
        return [("leases", self.sharing.run()), ("pulse", pulse(self.origins, asyncio.sleep))]


def make_jobs(
    memory: Memory,
    origins: Origins,
    sources: Mapping[str, AnchorSource],
    court: CourtLink,
    registry: CourtRegistry,
    leap: int,
    publisher: Publisher | None = None,
) -> RelayJobs:
    """Each job gets the store as its lease's holder sees it."""
    watchers, advancers, jobs = [], [], []
    for source in sources.values():
        lease = Lease(f"ledger {source.ledger}")
        store = memory.shared.under(lease) if memory.shared else memory.store
        watcher = Watcher(source, store, origins, sleep=asyncio.sleep, backoff=backoff)
        rescan = Rescan(source, store, origins, sleep=asyncio.sleep)
        watchers.append(watcher)
        jobs.append(SharedJob(lease=lease, run=_both(watcher.run, rescan.run)))
    for room in origins:
        lease = Lease(f"origin {room.config.origin}")
        store = memory.shared.under(lease) if memory.shared else memory.store
        advancer = Advancer(room, store, sources, court, registry, sleep=asyncio.sleep, backoff=backoff, leap=leap)
        advancers.append(advancer)
        jobs.append(SharedJob(lease=lease, run=advancer.run))
    if publisher is not None:
        jobs.append(SharedJob(lease=Lease("notices"), run=publisher.run))
    return RelayJobs(
        watchers=watchers,
        advancers=advancers,
        alone=[(job.lease.name, job.run) for job in jobs],
        sharing=_sharing(memory.shared, jobs),
        origins=origins,
    )


def _sharing(shared: SharedMemory | None, jobs: Sequence[SharedJob]) -> Sharing | None:
    if shared is None:
        return None
    return Sharing(shared.leases, jobs, lease_s=shared.lease_s, sleep=asyncio.sleep)


def _both(
    first: Callable[[], Coroutine[Any, Any, None]], second: Callable[[], Coroutine[Any, Any, None]]
) -> Callable[[], Coroutine[Any, Any, None]]:
    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(first())
            group.create_task(second())

    return run
