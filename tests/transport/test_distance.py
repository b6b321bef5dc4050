"""Peers in other cities: a connection whose handshake takes its time is a connection all the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from relay.core.identity import Role
from tests.support.echo import Echo, ask, issued, served

LATE_S = 0.3
"""What a handshake's round trips take on a bad line; more than a loopback test would ever need."""


@asynccontextmanager
async def far_away(target: str) -> AsyncIterator[str]:
    """The same server behind a line that answers late."""
    host, _, port = target.rpartition(":")
    tasks: set[asyncio.Task[None]] = set()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        arrived = loop.create_future()
        loop.call_later(LATE_S, arrived.set_result, None)
        await arrived
        inner_reader, inner_writer = await asyncio.open_connection(host, int(port))
        for pair in ((reader, inner_writer), (inner_reader, writer)):
            task = asyncio.create_task(carry(*pair))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()


async def test_slow_handshake_still_connects(authority: Path, tmp_path: Path) -> None:
    files = issued(authority, tmp_path / "o", Role.OPERATOR)
    async with served(authority, Echo(), tmp_path) as target, far_away(target) as distant:
        assert await ask(distant, files, timeout=30.0) == b"hello"
