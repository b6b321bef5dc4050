"""A collector for OTLP over HTTP: a real server that keeps what it is sent, byte by byte and decoded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

PATIENCE_S = 60.0


@dataclass(frozen=True)
class Got:
    """One span as it arrived. Ids in hex; `parent` empty for the first of a trace."""

    role: str
    name: str
    trace: str
    id: str
    parent: str
    links: tuple[tuple[str, str], ...]
    attributes: dict[str, Any]
    error: str


@dataclass
class Collector:
    """Built by `collecting`."""

    url: str = ""
    spans: list[Got] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    status: int = 200

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        if self.status != 200 or request.path != "/v1/traces":
            return web.Response(status=self.status if self.status != 200 else 404)
        self.bodies.append(body)
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        self.spans += list(decoded(body))
        return web.Response(
            body=ExportTraceServiceResponse().SerializeToString(), content_type="application/x-protobuf"
        )

    def named(self, name: str) -> list[Got]:
        return [one for one in self.spans if one.name == name]

    async def until(self, what: str, done: Callable[[], object]) -> None:
        """Wait for a condition on what came."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not done():
                    await asyncio.sleep(0.05)
        except TimeoutError:
            there = sorted({f"{one.name} ({one.error or 'no error'})" for one in self.spans})
            raise AssertionError(f"never came: {what}; there are {there}") from None


def decoded(body: bytes) -> list[Got]:
    found = []
    for group in ExportTraceServiceRequest.FromString(body).resource_spans:
        named = {one.key: one.value.string_value for one in group.resource.attributes}
        for scope in group.scope_spans:
            for span in scope.spans:
                values = {one.key: getattr(one.value, str(one.value.WhichOneof("value"))) for one in span.attributes}
                found.append(
                    Got(
                        role=named["service.name"],
                        name=span.name,
                        trace=span.trace_id.hex(),
                        id=span.span_id.hex(),
                        parent=span.parent_span_id.hex(),
                        links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
                        attributes=values,
                        error=span.status.message if span.status.code == 2 else "",
                    )
                )
    return found


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    """Serve on the loopback while the body runs."""
    collector = Collector()
    runner = web.ServerRunner(web.Server(collector.handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server: Any = site._server
    collector.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/traces"
    try:
        yield collector
    finally:
        await runner.cleanup()
