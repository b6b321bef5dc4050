"""Route a sealed retrieval: from the court, down the custodian's open stream, and the sealed answer back.

The relay checks form and the grant's state on the court ledger. It cannot read the request's details or the answer, and
holds at most a window of chunks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from relay.core.errors import Conflict, Denied, NotFound, RelayError, Unavailable
from relay.core.limits import FUTURE_SKEW_S
from relay.core.resume import Asked, parse_asked
from relay.ports.common import Clock
from relay.ports.ledgers import CourtRegistry
from relay.telemetry import metrics
from relay.telemetry.counting import disclosure_decided, stopwatch

log = logging.getLogger(__name__)

WINDOW_CHUNKS: Final = 1
REQUESTS_WAITING_MAX: Final = 64
ANSWER_WAIT_S: Final = 60.0


class _Mark(Enum):
    END = "end"
    BROKEN = "broken"
    REFUSED = "refused"


@dataclass(slots=True)
class _Route:
    """One retrieval under way: the header first, then chunks, then one mark."""

    custodian: str
    queue: asyncio.Queue[bytes | _Mark] = field(default_factory=lambda: asyncio.Queue(WINDOW_CHUNKS))
    answering: bool = False
    closed: bool = False

    async def put(self, piece: bytes | _Mark) -> None:
        """Hand on to the court's side, waiting while its window is full."""
        if self.closed:
            raise Unavailable("the court's side of this retrieval is gone")
        await self.queue.put(piece)

    def close(self) -> None:
        """The court's side is gone: let a waiting writer through, so that it sees that."""
        self.closed = True
        while not self.queue.empty():
            self.queue.get_nowait()


class Router:
    """Pairs the court's calls with the custodians' open streams."""

    def __init__(self, registry: CourtRegistry, clock: Clock) -> None:
        self._registry = registry
        self._clock = clock
        self._streams: dict[str, asyncio.Queue[tuple[bytes, bytes]]] = {}
        self._routes: dict[bytes, _Route] = {}

    @property
    def connected(self) -> list[str]:
        """Custodians whose request stream is open."""
        return sorted(self._streams)

    @asynccontextmanager
    async def subscribed(self, custodian: str) -> AsyncIterator[asyncio.Queue[tuple[bytes, bytes]]]:
        """While open, requests for this custodian arrive on the queue as (request id, request). The newest stream wins."""
        queue: asyncio.Queue[tuple[bytes, bytes]] = asyncio.Queue(REQUESTS_WAITING_MAX)
        self._streams[custodian] = queue
        try:
            yield queue
        finally:
            if self._streams.get(custodian) is queue:
                del self._streams[custodian]

    async def retrieve(self, court: str, custodian: str, token: bytes) -> AsyncIterator[bytes]:
        """Yield the sealed header, then every chunk, or those from the chunk that a resume names.

        Raises `Malformed`, `Denied` (one text for all reasons), `Unavailable`.
        """
        seconds = stopwatch()
        try:
            request = parse_asked(token)
            await self._admit(court, custodian, request)
            stream = self._stream(custodian)
        except RelayError as error:
            disclosure_decided(self._registry.ledger, error)
            raise
        disclosure_decided(self._registry.ledger, None)
        request_id = request.digest
        if request_id in self._routes:
            raise Denied("the same request is already under way")
        route = self._routes[request_id] = _Route(custodian=custodian)
        try:
            stream.put_nowait((request_id, token))
            while True:
                async with asyncio.timeout(ANSWER_WAIT_S):
                    piece = await route.queue.get()
                if piece is _Mark.END:
                    metrics.disclosure_duration.labels(self._registry.ledger).observe(seconds())
                    return
                if piece is _Mark.REFUSED:
                    raise Denied("the custodian refused")
                if isinstance(piece, _Mark):
                    raise Unavailable("the custodian's answer broke off; ask again")
                yield piece
        except asyncio.QueueFull:
            raise Unavailable("too many requests are waiting for this custodian") from None
        except TimeoutError:
            raise Unavailable(f"no answer from the custodian for {ANSWER_WAIT_S:.0f} s") from None
        finally:
            del self._routes[request_id]
            route.close()

    def _stream(self, custodian: str) -> asyncio.Queue[tuple[bytes, bytes]]:
        stream = self._streams.get(custodian)
        if stream is None:
            raise Unavailable("the custodian is not connected to this relay now")
        return stream

    async def _admit(self, court: str, custodian: str, request: Asked) -> None:
        """Form, parties, time window, and the grant's state as the court ledger has it."""
        now_s = self._clock.now_ms() // 1000
        if request.iss != court or request.aud != custodian:
            raise Denied("the request names other parties than this call")
        if not request.iat - FUTURE_SKEW_S <= now_s < request.exp:
            raise Denied("the request is outside its time window", "time")
        state = await self._registry.grant_state(request.aud, bytes.fromhex(request.grant))
        if not state.registered_ms or state.revoked_ms:
            raise Denied("the grant is not registered on the court ledger, or revoked", "grant")

    async def answer(self, custodian: str, request_id: bytes, pieces: AsyncIterator[bytes]) -> None:
        """Hand on the custodian's sealed header and chunks. A stream that breaks is never taken for an end.

        `pieces` raises `Denied` when the custodian refuses to go on: the court is refused, and so is this call.
        """
        route = self._take(custodian, request_id)
        mark = _Mark.BROKEN
        try:
            async for piece in pieces:
                await route.put(piece)
            mark = _Mark.END
        except Denied:
            mark = _Mark.REFUSED
            raise
        finally:
            if not route.closed:
                await route.put(mark)

    async def refuse(self, custodian: str, request_id: bytes) -> None:
        """The custodian will not answer."""
        await self._take(custodian, request_id).put(_Mark.REFUSED)

    def _take(self, custodian: str, request_id: bytes) -> _Route:
        route = self._routes.get(request_id)
        if route is None or route.custodian != custodian:
            raise NotFound("no such request is waiting for an answer")
        if route.answering:
            raise Conflict("this request is being answered already")
        route.answering = True
        return route
