"""What each role opens for its operators: health of its components, and, with `[ops]`, metrics and readiness over HTTP."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from relay.app.expiries import Expiries
from relay.app.runtime import SystemClock, program_version, workers
from relay.app.samples import measure_loop_lag
from relay.app.status_page import NEVER_KEPT, PAGE_HEADERS, overview_json, status_page
from relay.config.roles import Common
from relay.core.errors import Malformed
from relay.telemetry import metrics
from relay.telemetry.events import OPS_LISTENING, log_event
from relay.telemetry.health import Component, Health, State
from relay.telemetry.overview import Overview
from relay.telemetry.showing import plain

if TYPE_CHECKING:
    from aiohttp import web

log = logging.getLogger(__name__)

Sample = Callable[[], Awaitable[None]]
"""Sets the gauges of a role from its stores; called before a scrape is answered."""


def make_health(role: str, components: Sequence[Component]) -> Health:
    """A role's health, of which its gRPC server is told, too."""
    return Health(role, components, now_ms=SystemClock().now_ms, sleep=asyncio.sleep)


async def open_ops(
    stack: AsyncExitStack, health: Health, common: Common, sample: Sample, tell: Callable[[], Awaitable[Overview]]
) -> None:
    """The role's health is looked at until the stack closes, and served where the configuration says. Raises `Malformed`."""
    metrics.build_info.labels(health.role, program_version()).set(1)
    lag = measure_loop_lag(asyncio.sleep)
    await stack.enter_async_context(workers(("health", health.run()), ("loop lag", lag)))
    if common.ops is not None:
        await _serve(stack, common, OpsSite(health, _with_expiries(health.role, common, sample), tell))


def _with_expiries(role: str, common: Common, sample: Sample) -> Sample:
    """A role's own gauges, and when its credentials end."""
    expiries = Expiries(role, common)

    async def both() -> None:
        await sample()
        await asyncio.to_thread(expiries.sample, SystemClock().now_ms() / 1000)

    return both


async def _serve(stack: AsyncExitStack, common: Common, site: OpsSite) -> None:
    ops = common.ops
    if ops is None:
        return
    from relay.wire.logs_http import serving_http

    tls = common.tls if ops.tls == "mutual" else None
    try:
        port = await stack.enter_async_context(serving_http(site.handle, listen=ops.listen, tls=tls))
    except Malformed as error:
        raise error.within("ops") from None
    scheme = "http" if tls is None else "https"
    log_event(log, OPS_LISTENING, address=f"{scheme}://{ops.listen.rpartition(':')[0]}:{port}")


class OpsSite:
    """/metrics, /livez, /readyz; the overview for people at / and for programs at /status.json. One sample at a time, however many ask."""

    def __init__(self, health: Health, sample: Sample, tell: Callable[[], Awaitable[Overview]]) -> None:
        self._health = health
        self._sample = sample
        self._tell = tell
        self._one = asyncio.Lock()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """GET alone."""
        from aiohttp import web
        from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

        if request.method not in ("GET", "HEAD"):
            return web.Response(status=405, headers={"Allow": "GET, HEAD"}, text="GET only\n")
        if request.path == "/livez":
            return web.Response(text="alive\n")
        if request.path == "/readyz":
            return self._readiness()
        if request.path == "/metrics":
            async with self._one:
                await self._sample()
            return web.Response(body=generate_latest(metrics.REGISTRY), headers={"Content-Type": CONTENT_TYPE_LATEST})
        if request.path == "/":
            return web.Response(
                text=status_page(await self._tell()), content_type="text/html", charset="utf-8", headers=PAGE_HEADERS
            )
        if request.path == "/status.json":
            document = json.dumps(overview_json(await self._tell()), ensure_ascii=False, indent=2) + "\n"
            return web.Response(text=document, content_type="application/json", headers=NEVER_KEPT)
        return web.Response(status=404, text="there are /, /status.json, /metrics, /livez, /readyz\n")

    def _readiness(self) -> web.StreamResponse:
        from aiohttp import web

        lines = [component_line(one) for one in self._health.states]
        word = "ready" if self._health.ready else "not ready"
        word += f": {self._health.phase}" if self._health.phase else ""
        return web.Response(status=200 if self._health.ready else 503, text="\n".join([word, *lines]) + "\n")


def component_line(one: State) -> str:
    """A component in one line, as /readyz says it."""
    waits = "" if one.needed or not one.problem else "waits: "
    return f"{one.kind} {one.name}: {waits}{plain(one.problem) or 'ok'}"
