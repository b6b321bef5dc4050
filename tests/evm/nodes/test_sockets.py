"""Heads that a WebSocket announces, announces no longer, or announces as nonsense: nothing is missed, and nothing is waited for in vain."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from relay.core.errors import Unavailable
from tests.evm.nodes.lender import Lender, open_lender, point
from tests.support.lying import Liar, lying


@pytest.fixture
async def lender(tmp_path: Path, needs_anvil: None) -> AsyncIterator[Lender]:
    async with open_lender(tmp_path) as opened:
        yield opened


@pytest.fixture
async def liar(lender: Lender) -> AsyncIterator[Liar]:
    async with lying(lender.anvil.url) as opened:
        yield opened


async def test_dropped_websocket_is_opened_again_and_nothing_is_missed(lender: Lender, liar: Liar) -> None:
    writer = await lender.source()
    feed = (await lender.source([liar.ws], account=None)).blocks(1)
    seen = []
    for size in range(1, 5):
        anchor = await writer.anchor(point(size))
        await liar.drop()
        async with asyncio.timeout(60):
            while anchor not in seen:
                seen += (await anext(feed)).anchors
    await feed.aclose()  # type: ignore[attr-defined]
    assert [a.size for a in seen] == [1, 2, 3, 4]


async def test_websocket_that_falls_silent_is_noticed_and_replaced(lender: Lender, liar: Liar) -> None:
    """The connection stands, calls are answered, heads are no longer announced."""
    writer = await lender.source()
    source = await lender.source([liar.ws], account=None, watch_s=0.2)
    feed = source.blocks(1)
    assert (await anext(feed)).height == 1
    waiting = asyncio.ensure_future(anext(feed))
    await asyncio.sleep(0.1)
    liar.silent = True
    (before,) = liar._sockets
    anchor = await writer.anchor(point(1))
    async with asyncio.timeout(60):
        assert (await waiting).anchors == (anchor,)
        again = asyncio.ensure_future(anext(feed))
        while before in liar._sockets:
            await asyncio.sleep(0.02)
        liar.silent = False
        later = await writer.anchor(point(2))
        assert (await again).anchors == (later,)
    await feed.aclose()  # type: ignore[attr-defined]


async def test_announced_heads_are_not_waited_for_by_the_clock(lender: Lender, liar: Liar) -> None:
    """With a poll of a minute and a watchdog of a minute, a block comes at once: it was announced."""
    writer = await lender.source()
    feed = (await lender.source([liar.ws], account=None, poll_s=60, watch_s=60.0)).blocks(1)
    assert (await anext(feed)).height == 1
    async with asyncio.timeout(60):
        for size in (1, 2, 3):
            waiting = asyncio.ensure_future(anext(feed))
            while liar.connections == 0:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            anchor = await writer.anchor(point(size))
            assert (await waiting).anchors == (anchor,)
    await feed.aclose()  # type: ignore[attr-defined]


async def test_websocket_answers_of_nonsense_end_the_connection(lender: Lender) -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            number = json.loads(message.data)["id"]
            await socket.send_str(["nonsense", json.dumps([number]), json.dumps({"id": number})][number % 3])
        return socket

    app = web.Application()
    app.router.add_route("*", "/", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    source = await lender.source([f"ws://127.0.0.1:{runner.addresses[0][1]}"])
    for _ in range(4):
        with pytest.raises(Unavailable):
            await source.head()
    await source.close()
    await runner.cleanup()
