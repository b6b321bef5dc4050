"""The live feed of one contract's blocks: in order, without gaps, and again from the fork after a reorganisation.

A head that a WebSocket announces is a hint to look; a reorganisation is seen by hashes alone, for nodes differ in what they say of
logs that went away. Silence is looked into: a subscription can die without a word.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from adapters.evm.chain import PAUSE_S, Chain, Event, Header
from adapters.evm.sockets import WsRpc
from relay.core.errors import Unavailable
from relay.telemetry.events import BLOCK_NOT_FINAL, log_event

log = logging.getLogger(__name__)

RANGE_BLOCKS: Final = 200
KEPT_BLOCKS: Final = 4096
"""Delivered blocks that are remembered: how deep a reorganisation may be that the feed follows by itself."""
WATCH_S: Final = 10.0
"""How long an announcing node may be silent before its head is looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedBlock:
    """A block, its events of the wanted kind, and the final height on its chain when it was read."""

    header: Header
    events: tuple[Event, ...]
    final_height: int


class Bell:
    """Rings when there may be a new head: announced by the first endpoint that can, else after `poll_s`."""

    def __init__(self, chain: Chain, *, watch_s: float = WATCH_S) -> None:
        self._endpoints = chain.endpoints
        self._sockets = chain.endpoints.sockets
        self._poll_s = chain.config.poll_s
        self._watch_s = watch_s
        self._rung = asyncio.Event()
        self._endpoints.waiting.add(self._rung)
        self._socket: WsRpc | None = None

    async def listen(self) -> None:
        """Subscribe where that is possible and not the case already."""
        if self._socket is not None and self._socket.watching:
            return
        self._socket = None
        for socket in self._sockets:
            with suppress(Unavailable, TimeoutError):
                await socket.watch(self._rung)
                self._socket = socket
                return
            socket.unwatch(self._rung)

    async def wait(self, *, soon: bool) -> bool:
        """Until it rings or it is time to look without (`soon`: after `poll_s` in any case); True when it rang."""
        patience = self._poll_s if soon or self._socket is None else self._watch_s
        try:
            async with asyncio.timeout(patience):
                await self._rung.wait()
        except TimeoutError:
            return False
        self._rung.clear()
        return True

    async def distrust(self) -> None:
        """A head came that was not announced: the subscription is dead, whatever the connection says."""
        if self._socket is not None:
            await self._socket.drop()
            self._socket = None
        self._rung.clear()

    def end(self) -> None:
        """Nobody listens any more."""
        self._endpoints.waiting.discard(self._rung)
        for socket in self._sockets:
            socket.unwatch(self._rung)


class Feed:
    """One reader of blocks. Iterate `blocks` once."""

    def __init__(self, chain: Chain, topic: bytes, start: int, *, watch_s: float = WATCH_S) -> None:
        self._chain = chain
        self._topics = (topic,)
        self._cursor = max(1, start)
        self._kept: deque[Header] = deque(maxlen=KEPT_BLOCKS)
        self._bell = Bell(chain, watch_s=watch_s)

    async def blocks(self) -> AsyncGenerator[FeedBlock, None]:
        """Without end. Raises `Unavailable` when the nodes cannot be read."""
        await self._chain.ready()
        announced = rang = True
        try:
            while True:
                await self._bell.listen()
                newest = await self._chain.newest()
                came = False
                while await self._step_back(newest) or self._cursor <= newest.height:
                    final = await self._chain.final_height(newest.height)
                    for block in await self._next(newest, final):
                        came = True
                        yield block
                    newest = await self._chain.newest()
                if came and not announced:
                    await self._bell.distrust()
                    await self._bell.listen()
                # what one node announces, another that is read may show a moment later
                behind = rang and not came
                rang = await self._bell.wait(soon=behind)
                announced = rang or behind
        finally:
            self._bell.end()

    async def _next(self, newest: Header, final: int) -> list[FeedBlock]:
        """The next blocks, kept as delivered; none when they do not follow what was delivered."""
        high = min(newest.height, self._cursor + RANGE_BLOCKS - 1)
        if high < self._cursor:
            return []
        headers, events = await self._chain.range(self._cursor, high, self._topics)
        if self._kept and headers[0].parent != self._kept[-1].hash:
            await self._to_fork()
            await asyncio.sleep(PAUSE_S)  # two nodes that disagree shall not keep us busy
            return []
        final = await self._agreed(headers, final)
        by_height: dict[int, list[Event]] = {}
        for event in events:
            by_height.setdefault(event.height, []).append(event)
        self._cursor = high + 1
        self._kept.extend(headers)
        return [FeedBlock(header=h, events=tuple(by_height.get(h.height, ())), final_height=final) for h in headers]

    async def _agreed(self, headers: list[Header], final: int) -> int:
        """The final height, or 0 (nothing is said) while the nodes do not agree on the highest of these blocks that is final."""
        place = min(final, headers[-1].height) - headers[0].height
        if place >= 0 and self._chain.endpoints.several:
            try:
                await self._chain.endpoints.agree(headers[place].height, headers[place].hash)
            except Unavailable as error:
                log_event(log, BLOCK_NOT_FINAL, height=headers[place].height, reason=error)
                return 0
        return final

    async def _step_back(self, newest: Header) -> bool:
        """Whether the head shows that delivered blocks have left the chain; the cursor then stands behind the fork."""
        if not self._kept or newest.height > self._kept[-1].height:
            return False
        same = newest.height - self._kept[0].height
        if same < 0 or self._kept[same].hash == newest.hash:
            return False  # the chain is shorter than it was, or the node behind; what it shows is what was delivered
        await self._to_fork()
        return self._cursor <= newest.height

    async def _to_fork(self) -> None:
        """Forget what the chain has no longer: it is delivered again, as it is now."""
        while self._kept and not await self._chain.stands(self._kept[-1].height, self._kept[-1].hash):
            self._cursor = self._kept.pop().height
