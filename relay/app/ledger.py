"""Runs a node of the embedded ledger."""

from __future__ import annotations

import asyncio
from pathlib import Path

from adapters.embedded.node import read_node_config, run_node
from relay.app.runtime import SystemClock, announce, until_signalled


async def run_ledger(path: Path, role: str) -> None:
    """Serve until SIGTERM. `role` is what the ready line calls it."""
    config = read_node_config(path)
    stopped = asyncio.Event()

    async def stop() -> None:
        await until_signalled()
        stopped.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(stop(), name="signals")
        await run_node(
            config,
            now_ms=SystemClock().now_ms,
            stopped=stopped,
            ready=lambda _ledger, address: announce(role, address),
        )
