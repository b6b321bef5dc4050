"""gRPC's own health service (grpc/grpc: doc/health-checking.md): a role's answer to it, and what a role asks its peers.

A peer's answer carries its time in milliseconds as trailing metadata, so that clocks that differ are seen.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, Final

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from relay.core.errors import NotFound
from relay.transport.channels import errors

TIME_KEY: Final = "courtrelay-time-ms"
TIME_CHARS_MAX: Final = 16
ASK_S: Final = 3.0

Status = health_pb2.HealthCheckResponse


class HealthDesk(health_pb2_grpc.HealthServicer):
    """One status for each service and "" for all of them: NOT_FOUND for others on Check, SERVICE_UNKNOWN on Watch.

    gRPC's own servicer writes to a watcher under the lock that a turn needs: one that takes nothing would hold up the role's health, and
    its end. Here nobody waits for a watcher.
    """

    def __init__(self, services: Iterable[str], *, serving: bool) -> None:
        self._status = dict.fromkeys(("", *services), Status.SERVING if serving else Status.NOT_SERVING)
        self._turned = asyncio.Event()
        self._ended = False

    async def Check(self, request: health_pb2.HealthCheckRequest, context: Any) -> Any:
        """The status, and our time beside it. Raises `NotFound`."""
        status = self._status.get(request.service)
        if status is None:
            raise NotFound("there is no such service here")
        context.set_trailing_metadata(((TIME_KEY, str(time.time_ns() // 1_000_000)),))
        return health_pb2.HealthCheckResponse(status=status)

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: Any) -> AsyncIterator[Any]:
        """The status now and whenever it is another; what a slow watcher misses in between is gone."""
        last = None
        while True:
            turned = self._turned
            status = self._status.get(request.service, Status.SERVICE_UNKNOWN)
            if status != last:
                yield health_pb2.HealthCheckResponse(status=status)
            last = status
            await turned.wait()

    async def turn(self, serving: bool) -> None:
        """All services at once: they share what they need."""
        if self._ended:
            return
        self._status = dict.fromkeys(self._status, Status.SERVING if serving else Status.NOT_SERVING)
        turned, self._turned = self._turned, asyncio.Event()
        turned.set()

    async def end(self) -> None:
        """NOT_SERVING from now on, whatever is said later."""
        await self.turn(False)
        self._ended = True


class PeerHealth:
    """Asks the server at a channel's other end how it is and what its time is."""

    def __init__(self, channel: grpc.aio.Channel, *, now_ms: Callable[[], int], monotonic: Callable[[], float]) -> None:
        self._stub: Any = health_pb2_grpc.HealthStub(channel)
        self._now_ms = now_ms
        self._monotonic = monotonic
        self.offset_s: float | None = None
        """Its clock less ours, half of the way there and back taken off; None while it does not answer or tells no time."""
        self.unsure_s = 0.0
        """By how much that may be wrong: half of the way there and back."""

    async def ask(self) -> bool:
        """Whether it takes calls. Raises `Unavailable`, `Denied`."""
        self.offset_s = None
        began_ms, began = self._now_ms(), self._monotonic()
        with errors():
            asked = self._stub.Check(health_pb2.HealthCheckRequest(), timeout=ASK_S)
            reply = await asked
            trailer = await asked.trailing_metadata()
        half_s = (self._monotonic() - began) / 2
        told_ms = _time(dict(trailer or ()).get(TIME_KEY, ""))
        if told_ms is not None:
            self.offset_s, self.unsure_s = (told_ms - began_ms) / 1000 - half_s, half_s
        return bool(reply.status == Status.SERVING)


def _time(text: str | bytes) -> int | None:
    """A peer's time; None for what is no number of a plausible length."""
    plain = isinstance(text, str) and text.isascii() and text.isdigit() and len(text) <= TIME_CHARS_MAX
    return int(text) if plain else None
