"""The ops address itself: a loop that is stuck cannot say that it lives, and readiness turns with its components."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from relay.app.ops import OpsSite
from relay.telemetry.health import Component, Health
from relay.telemetry.overview import Overview
from relay.wire.logs_http import serving_http
from tests.health.views import overview


class Site:
    """With one needed component and one that is waited for."""

    def __init__(self) -> None:
        self.problem = ""
        self.waits = ""
        components = [
            Component(kind="database", name="sqlite", look=self._look, needed=True),
            Component(kind="court", name="127.0.0.1:1", look=self._wait, needed=False),
        ]
        self.health = Health("relay", components, now_ms=lambda: 1, sleep=asyncio.sleep)
        self.site = OpsSite(self.health, self._sample, self._tell)

    async def _look(self) -> str:
        return self.problem

    async def _wait(self) -> str:
        return self.waits

    async def _sample(self) -> None:
        return

    async def _tell(self) -> Overview:
        return overview()


@asynccontextmanager
async def listening(site: Site) -> AsyncIterator[int]:
    async with serving_http(site.site.handle, listen="127.0.0.1:0", tls=None) as port:
        yield port


def ask(port: int, path: str, *, method: str = "GET", within_s: float = 20.0) -> str:
    """The whole answer. Raises TimeoutError when there is none."""
    with socket.create_connection(("127.0.0.1", port), timeout=within_s) as one:
        one.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: one.recv(65_536), b"")).decode()


async def test_readiness_turns_with_what_is_needed_alone() -> None:
    site = Site()
    async with listening(site) as port:

        async def readiness() -> tuple[str, list[str]]:
            head, _, body = (await asyncio.to_thread(ask, port, "/readyz")).partition("\r\n\r\n")
            return head.split(" ")[1], body.splitlines()

        assert await readiness() == ("503", ["not ready"])  # nothing was looked at yet
        site.health.begin("its logs are compared")
        assert await readiness() == ("503", ["not ready: its logs are compared"])
        await site.health.look()
        assert (await readiness())[0] == "503"
        await site.health.begun()
        assert await readiness() == ("200", ["ready", "database sqlite: ok", "court 127.0.0.1:1: ok"])
        site.waits = "away\r\nX-Injected: 1"
        await site.health.look()
        assert await readiness() == (
            "200",
            ["ready", "database sqlite: ok", "court 127.0.0.1:1: waits: away X-Injected: 1"],
        )
        site.problem = "stuck"
        await site.health.look()
        code, lines = await readiness()
        assert (code, lines[:2]) == ("503", ["not ready", "database sqlite: stuck"])
        site.problem = ""
        await site.health.look()
        assert (await readiness())[0] == "200"
        await site.health.stop()
        assert (await readiness())[1][0] == "not ready: stopping"


def test_loop_that_is_stuck_does_not_say_that_it_lives() -> None:
    site, ports, end = Site(), list[int](), threading.Event()
    stuck, go_on, listens = threading.Event(), threading.Event(), threading.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def main() -> None:
        async with listening(site) as port:
            ports.append(port)
            loops.append(asyncio.get_running_loop())
            listens.set()
            await asyncio.to_thread(end.wait)

    def hold() -> None:
        stuck.set()
        go_on.wait()

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    try:
        assert listens.wait(20)
        assert ask(ports[0], "/livez").endswith("alive\n")
        loops[0].call_soon_threadsafe(hold)
        assert stuck.wait(20)
        with pytest.raises(TimeoutError):
            ask(ports[0], "/livez", within_s=0.3)
        go_on.set()
        assert ask(ports[0], "/livez").endswith("alive\n")
    finally:
        go_on.set()
        end.set()
        thread.join()


async def test_page_and_json_are_for_reading_alone() -> None:
    async with listening(Site()) as port:
        page = await asyncio.to_thread(ask, port, "/")
        assert "Content-Security-Policy: default-src 'none'" in page
        assert "Cache-Control: no-store" in page
        assert '"role": "relay"' in await asyncio.to_thread(ask, port, "/status.json")
        refused = await asyncio.to_thread(ask, port, "/", method="POST")
        assert refused.startswith("HTTP/1.1 405 ")
