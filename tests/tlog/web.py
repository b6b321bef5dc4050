"""A real HTTP server with a written log, honest or not."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Site:
    """Serves a folder under a prefix; `instead` answers a path in another way; `asked` counts requests by path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = ""
        self.instead: dict[str, Handler] = {}
        self.asked: dict[str, int] = {}
        self.unchanged = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        self.asked[path] = self.asked.get(path, 0) + 1
        if path in self.instead:
            return await self.instead[path](request)
        place = self.folder / path
        if not place.is_file():
            raise web.HTTPNotFound
        data = place.read_bytes()
        tag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
        if request.headers.get("If-None-Match") == tag:
            self.unchanged += 1
            return web.Response(status=304, headers={"ETag": tag})
        if path.startswith("tile/entries"):  # tlog-tiles: compressed whether it was asked for or not
            return web.Response(body=gzip.compress(data), headers={"Content-Encoding": "gzip"})
        return web.Response(body=data, headers={"ETag": tag})


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[Site]:
    """On a free port of the loopback."""
    site = Site(folder)
    app = web.Application()
    app.router.add_get("/some/log/{path:.*}", site.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    listening = web.TCPSite(runner, "127.0.0.1", 0)
    await listening.start()
    site.url = f"http://127.0.0.1:{runner.addresses[0][1]}/some/log"
    try:
        yield site
    finally:
        await runner.cleanup()


def fixed(body: bytes, status: int = 200, **headers: str) -> Handler:
    async def do(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, status=status, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return do


async def endless(request: web.Request) -> web.StreamResponse:
    """Never stops sending; the reader has to."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(bytes(65_536))


async def breaks_off(request: web.Request) -> web.StreamResponse:
    """Says more than it sends."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b"x")
    assert request.transport is not None
    request.transport.close()
    return response
