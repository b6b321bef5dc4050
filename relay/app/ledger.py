"""Runs a ledger's node: one of the embedded ledger, or what stands beside an EVM chain."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Awaitable, Callable
from pathlib import Path

from adapters.embedded import node as embedded
from adapters.evm import node as evm
from relay.app.adapters import verifiers
from relay.app.runtime import SystemClock, announce, until_signalled

Run = Callable[[asyncio.Event, Callable[[str, str], None]], Awaitable[None]]
"""Serve until the event is set; call the function with ledger and address once it answers."""


async def run_ledger(path: Path, role: str) -> None:
    """Serve until SIGTERM. `role` is what the ready line calls it."""
    run = _evm(path) if _family(path) == "evm" else _embedded(path)
    stopped = asyncio.Event()

    async def stop() -> None:
        await until_signalled()
        stopped.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(stop(), name="signals")
        await run(stopped, lambda _ledger, address: announce(role, address))


def _family(path: Path) -> str:
    """What the file says, `embedded` by default; what is wrong with the file is for the family's own reader to say."""
    try:
        return str(tomllib.loads(path.read_text()).get("family", "embedded"))
    except (OSError, ValueError):
        return "embedded"


def _embedded(path: Path) -> Run:
    config = embedded.read_node_config(path)
    return lambda stopped, ready: embedded.run_node(
        config, verifiers=verifiers(), now_ms=SystemClock().now_ms, stopped=stopped, ready=ready
    )


def _evm(path: Path) -> Run:
    config = evm.read_node_config(path)
    return lambda stopped, ready: evm.run_node(config, now_ms=SystemClock().now_ms, stopped=stopped, ready=ready)
