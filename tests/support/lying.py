"""Stands between an adapter and a real node and alters what it says: a hook for answers, a WebSocket that falls silent or breaks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web

Alter = Callable[[str, list[Any], Any], Any]
"""(method, params, the node's result) → the result to give. May raise `Broken`."""


class Broken(Exception):
    """The connection ends here, whatever the node did."""


def honest(_method: str, _params: list[Any], result: Any) -> Any:
    return result


class Liar:
    """One endpoint. Set `alter` (after the node answered) and `before` (may raise `Broken`, so that the node never hears it)."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self.alter: Alter = honest
        self.rewrite: Callable[[list[Any]], list[Any]] = lambda params: params
        self.before: Callable[[str, list[Any]], None] = lambda _method, _params: None
        self.raw: Callable[[], Awaitable[web.StreamResponse]] | None = None
        self.batches = True
        self.silent = False
        """Announcements of heads are swallowed; calls are still answered."""
        self.asked: list[str] = []
        self.url = self.ws = ""
        self._session: aiohttp.ClientSession | None = None
        self._sockets: set[web.WebSocketResponse] = set()

    @property
    def connections(self) -> int:
        return len(self._sockets)

    async def drop(self) -> None:
        """All WebSockets end now."""
        for socket in list(self._sockets):
            await socket.close()

    async def _forward(self, call: dict[str, Any]) -> dict[str, Any]:
        method, params = call["method"], call["params"]
        self.asked.append(method)
        self.before(method, params)
        assert self._session is not None
        async with self._session.post(self._upstream, json={**call, "params": self.rewrite(params)}) as response:
            answer = json.loads(await response.read())
        if "result" in answer:
            answer["result"] = self.alter(method, params, answer["result"])
        return dict(answer)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._socket(request)
        if self.raw is not None:
            return await self.raw()
        body = json.loads(await request.read())
        try:
            if isinstance(body, dict):
                return web.json_response(await self._forward(body))
            if not self.batches:
                return web.json_response(
                    {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "no batches"}}
                )
            return web.json_response([await self._forward(one) for one in body])
        except Broken:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        near = web.WebSocketResponse()
        await near.prepare(request)
        self._sockets.add(near)
        assert self._session is not None
        try:
            async with self._session.ws_connect(self._upstream.replace("http", "ws")) as far:
                tasks = [asyncio.create_task(self._up(near, far)), asyncio.create_task(self._down(near, far))]
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            self._sockets.discard(near)
            await near.close()
        return near

    async def _up(self, near: web.WebSocketResponse, far: aiohttp.ClientWebSocketResponse) -> None:
        async for message in near:
            await far.send_str(message.data)

    async def _down(self, near: web.WebSocketResponse, far: aiohttp.ClientWebSocketResponse) -> None:
        async for message in far:
            if not (self.silent and "eth_subscription" in message.data):
                await near.send_str(message.data)


@asynccontextmanager
async def lying(upstream: str) -> AsyncIterator[Liar]:
    """Serve on a free port of the loopback while the body runs."""
    liar = Liar(upstream)
    app = web.Application(client_max_size=2**24)
    app.router.add_route("*", "/", liar.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    liar.url, liar.ws = f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}"
    async with aiohttp.ClientSession() as session:
        liar._session = session
        try:
            yield liar
        finally:
            await liar.drop()
            await runner.cleanup()
