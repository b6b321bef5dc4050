"""gRPC's own health service (grpc/grpc: doc/health-checking.md): a role's answer to it, and what a role asks its peers.

A peer's answer carries its time in milliseconds as trailing metadata, so that clocks that differ are seen.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, Final

import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from relay.transport.channels import errors

TIME_KEY: Final = "courtrelay-time-ms"
TIME_CHARS_MAX: Final = 16
ASK_S: Final = 3.0

Status = health_pb2.HealthCheckResponse


class HealthDesk(health.aio.HealthServicer):
    """One status for each service and "" for all of them: NOT_FOUND for others on Check, SERVICE_UNKNOWN on Watch."""

    def __init__(self, services: Iterable[str], *, serving: bool) -> None:
        super().__init__()
        self._names = ("", *services)
        self._server_status = dict.fromkeys(self._names, Status.SERVING if serving else Status.NOT_SERVING)

    async def Check(self, request: health_pb2.HealthCheckRequest, context: Any) -> Any:
        """The status, and our time beside it."""
        context.set_trailing_metadata(((TIME_KEY, str(time.time_ns() // 1_000_000)),))
        return await super().Check(request, context)

    async def turn(self, serving: bool) -> None:
        """All services at once: they share what they need. Nothing changes any more once the server is stopping."""
        for name in self._names:
            await self.set(name, Status.SERVING if serving else Status.NOT_SERVING)


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
