"""Several workers share one relay's jobs: each does as many as its part, and only while its lease runs.

Leases are for order, not for safety: a worker that was paused and goes on believing that it holds one is refused by the
store, because another has a higher number by then.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from relay.core.errors import Unavailable, Uncertain
from relay.ports.sharing import Beat, Lease, Leases
from relay.services.forwarding.origins import Origins
from relay.telemetry import metrics

log = logging.getLogger(__name__)

PULSE_S: Final = 0.25
RETRY_S: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedJob:
    """Something exactly one worker should do: `run` never returns and ends by cancellation, and may be started again."""

    lease: Lease
    run: Callable[[], Coroutine[Any, Any, None]]


class Sharing:
    """Does this worker's part of the jobs. `run` never returns; it ends by cancellation, and by the crash of a job."""

    def __init__(
        self, leases: Leases, jobs: Sequence[SharedJob], *, lease_s: float, sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        self._leases = leases
        self._jobs = {job.lease.name: job for job in jobs}
        self._lease_s = lease_s
        self._sleep = sleep
        self._running: dict[str, asyncio.Task[None]] = {}
        self.problem = ""

    @property
    def held(self) -> list[str]:
        """Names of the jobs this worker does now."""
        return sorted(self._running)

    async def run(self) -> None:
        """A sign of life five times in a lease; then give up what is lost or too much, and take what is free."""
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    await self._turn(group)
                    await self._sleep(self._lease_s / 5)
        finally:
            with suppress(Unavailable, Uncertain):
                for name in self.held:
                    await self._give_back(name)
                await self._leases.leave()

    async def _turn(self, group: asyncio.TaskGroup) -> None:
        beat = await self._beat()
        for name in self.held:
            if beat is None or name not in beat.kept:
                log.warning("%s: the lease is lost", name)
                await self._stop(name)
        if beat is None:
            return
        part = -(-len(self._jobs) // max(1, beat.workers))
        try:
            for name in self.held[part:]:
                await self._give_back(name)
            if len(self._running) < part:
                await self._take(group, part - len(self._running))
            self.problem = ""
        except (Unavailable, Uncertain) as error:
            self._report(error)

    async def _beat(self) -> Beat | None:
        """None when the store could not be asked before what is held runs out."""
        try:
            async with asyncio.timeout(self._lease_s * 0.6):
                while True:
                    try:
                        return await self._leases.beat([self._jobs[name].lease for name in self._running])
                    except (Unavailable, Uncertain) as error:
                        self._report(error)
                    await self._sleep(RETRY_S)
        except TimeoutError:
            return None

    async def _take(self, group: asyncio.TaskGroup, limit: int) -> None:
        free = [job.lease for name, job in self._jobs.items() if name not in self._running]
        for lease in await self._leases.take(free, limit):
            log.info("%s: this worker's, number %d", lease.name, lease.token)
            self._running[lease.name] = group.create_task(self._jobs[lease.name].run(), name=lease.name)
            metrics.leader.labels(lease.name).set(1)
            metrics.fencing_token.labels(lease.name).set(lease.token)

    async def _stop(self, name: str) -> None:
        """Cancel a job and wait until it has ended; its lease's number is forgotten, so that it writes nothing more."""
        task = self._running.pop(name)
        task.cancel()
        await asyncio.wait({task})
        self._jobs[name].lease.token = 0
        metrics.leader.labels(name).set(0)
        metrics.fencing_token.labels(name).set(0)

    async def _give_back(self, name: str) -> None:
        lease = Lease(name, self._jobs[name].lease.token)
        await self._stop(name)
        await self._leases.give_back(lease)

    def _report(self, error: Exception) -> None:
        self.problem = f"leases: {error}"
        log.warning(self.problem)


async def pulse(origins: Origins, sleep: Callable[[float], Awaitable[None]]) -> None:
    """Wake every origin from time to time: what it waits for may have come to another worker. Never returns."""
    while True:
        for room in origins:
            room.wake.set()
        await sleep(PULSE_S)
