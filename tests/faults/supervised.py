"""Roles under a supervisor that starts again what ends by itself, as systemd would."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from relay.app.demo.network import Network
from relay.app.processes import RoleProcess
from relay.core.errors import Unavailable

RESTART_S = 0.2


@dataclass(slots=True)
class Supervisor:
    """`codes` counts how roles ended: (role, exit code)."""

    network: Network
    started: Callable[[RoleProcess], None] = lambda _process: None
    codes: Counter[tuple[str, int]] = field(default_factory=Counter)

    async def keep(self, process: RoleProcess) -> None:
        """Never returns."""
        while True:
            code = await process.wait()
            self.codes[process.role, code] += 1
            await asyncio.sleep(RESTART_S)
            try:
                await process.start()
            except Unavailable:
                continue
            self.started(process)


@asynccontextmanager
async def supervised(network: Network, started: Callable[[RoleProcess], None]) -> AsyncIterator[Supervisor]:
    """All roles of a started network."""
    supervisor = Supervisor(network, started)
    tasks = [asyncio.create_task(supervisor.keep(one), name=one.role) for one in network.roles.values()]
    try:
        yield supervisor
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
