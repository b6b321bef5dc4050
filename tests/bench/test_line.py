"""The line of the stream bench passes on what it is given, both ways."""

from __future__ import annotations

import asyncio
import os

import pytest

from bench.line import line

pytestmark = pytest.mark.asyncio

SENT = 3_000_000
RATE = 10_000_000


async def test_bytes_pass_unchanged_both_ways() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(SENT))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0, limit=SENT)
    data = os.urandom(SENT)
    async with server, line(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", RATE) as near:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(near.rpartition(":")[2]))
        writer.write(data)
        assert await reader.readexactly(SENT) == data
        writer.close()


async def test_nobody_at_the_far_end_is_a_closed_connection() -> None:
    server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()
    await server.wait_closed()
    async with line(address, RATE) as near:
        reader, _ = await asyncio.open_connection("127.0.0.1", int(near.rpartition(":")[2]))
        assert await reader.read() == b""


async def test_without_a_rate_there_is_no_line() -> None:
    async with line("127.0.0.1:1", 0) as near:
        assert near == "127.0.0.1:1"
