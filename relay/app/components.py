"""What each role needs, and how its health looks at it.

Whatever a role can safely wait for is not `needed`: it stays ready and says that it waits. A peer's clock is among that, for a peer
could lie about its time; what is needed are the own store, disk and clock.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import grpc.aio

from relay.app.runtime import SystemClock
from relay.config.ops import DISK_FREE_MIN
from relay.config.roles import Common, CourtConfig, CustodianConfig, RelayConfig
from relay.core.errors import Unavailable
from relay.ports.court import CourtStore
from relay.ports.forwarding import RelayStore
from relay.ports.ledgers import AnchorSource, CourtRegistry
from relay.services.notices.publishing import Publisher
from relay.telemetry import metrics
from relay.telemetry.clocks import ClockWatch, peer_clock
from relay.telemetry.health import Component, Kind
from relay.telemetry.silence import Silence
from relay.transport.certificates import why_too_early
from relay.transport.health import PeerHealth

Look = Callable[[], Awaitable[str]]
UNKNOWN: Final = float("nan")


def relay_needs(
    config: RelayConfig,
    *,
    sources: Mapping[str, AnchorSource],
    registry: CourtRegistry,
    store: RelayStore,
    probe: Callable[[], Awaitable[None]],
    court: grpc.aio.Channel,
    connected: Callable[[], Sequence[str]],
    publisher: Publisher | None,
) -> list[Component]:
    """`probe` is the store's, `connected` tells which custodians have their stream open, `court` is the channel to the gateway."""
    return [
        *ledgers(sources.values(), store),
        court_ledger(registry, config.origins[0].origin if config.origins else ""),
        *peer("relay", "court", config.court, court),
        *custodians({one.custodian for one in config.origins}, connected),
        *own("relay", config.common, "postgresql" if config.store else "sqlite", probe),
        *broker(publisher),
    ]


def custodian_needs(
    config: CustodianConfig,
    *,
    source: AnchorSource,
    probe: Callable[[], Awaitable[None]],
    relay: grpc.aio.Channel,
    publisher: Publisher | None,
) -> list[Component]:
    """A lender's own."""
    return [
        ledger(source),
        *peer("custodian", "relay", config.relay, relay),
        *own("custodian", config.common, "sqlite", probe),
        *broker(publisher),
    ]


def court_needs(
    config: CourtConfig,
    *,
    registry: CourtRegistry,
    store: CourtStore,
    probe: Callable[[], Awaitable[None]],
    relay: grpc.aio.Channel,
    publisher: Publisher | None,
) -> list[Component]:
    """A court gateway's."""
    return [
        court_ledger(registry, config.custody_origin, store),
        *peer("court", "relay", config.relay, relay),
        *own("court", config.common, "sqlite", probe),
        *broker(publisher),
    ]


def ledger(
    source: AnchorSource,
    read: Callable[[], Awaitable[int]] | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> Component:
    """A lender's ledger: its node tells a head, and what is `read` of it follows that. A role waits safely for a silent one."""
    silence = Silence(monotonic)

    async def look() -> str:
        head = await source.head()
        if read is None:
            return ""
        height = await read()
        silent_s = silence.judge(head.height, height)
        return _silent("node", f"block {head.height}", f"block {height}", silent_s) if silent_s else ""

    return Component(kind="ledger", name=source.ledger, look=look, needed=False)


def _silent(who: str, has: str, read: str, silent_s: float) -> str:
    return (
        f"silent feed: the {who} has {has}, what was read stands at {read} for {silent_s:.0f} s; look at its connection"
    )


def ledgers(sources: Iterable[AnchorSource], store: RelayStore) -> list[Component]:
    """All that a relay follows; what it has read stands in its store, whichever worker did it."""

    def read(name: str) -> Callable[[], Awaitable[int]]:
        async def height() -> int:
            return (await store.cursor(name)).height

        return height

    return [ledger(source, read(source.ledger)) for source in sources]


def court_ledger(registry: CourtRegistry, origin: str, store: CourtStore | None = None) -> Component:
    """The court's ledger: its node tells the last checkpoint of an origin. With `store`: receipts that stand there are read, too."""
    silence = Silence(time.monotonic)

    async def look() -> str:
        missing = await store.without_receipt() if store is not None else []
        first = missing[0] if missing else None
        last = await registry.latest(first.origin if first else origin)
        if first is None or last is None:
            silence.judge(0, 0)
            return ""
        silent_s = silence.judge(last.size, first.size - 1)
        if not silent_s:
            return ""
        return _silent("court's ledger", f"{first.origin} up to {last.size}", f"{first.size - 1} entries", silent_s)

    return Component(kind="court_ledger", name=registry.ledger, look=look, needed=False)


def peer(role: str, kind: Kind, address: str, channel: grpc.aio.Channel) -> list[Component]:
    """Another role at a channel's end, and its clock. It is waited for: who calls it again and again goes on by itself."""
    asked = PeerHealth(channel, now_ms=SystemClock().now_ms, monotonic=time.monotonic)
    gauge = metrics.clock_offset.labels(role, address)

    async def look() -> str:
        try:
            serving = await asked.ask()
        finally:
            gauge.set(UNKNOWN if asked.offset_s is None else asked.offset_s)
        return "" if serving else "answers, but says that it is not ready; ask it for its own status"

    async def look_at_clock() -> str:
        return "" if asked.offset_s is None else peer_clock(f"{kind} {address}", asked.offset_s, asked.unsure_s)

    return [
        Component(kind=kind, name=address, look=look, needed=False),
        Component(kind="clock", name=address, look=look_at_clock, needed=False),
    ]


def custodians(names: Iterable[str], connected: Callable[[], Sequence[str]]) -> list[Component]:
    """A custodian is up when its stream is open: it is a client alone, and cannot be called."""

    def one(name: str) -> Component:
        async def look() -> str:
            return (
                ""
                if name in connected()
                else "its stream is not open at this relay; it connects by itself when it runs"
            )

        return Component(kind="custodian", name=name, look=look, needed=False)

    return [one(name) for name in sorted(names)]


def own(role: str, common: Common, family: str, probe: Callable[[], Awaitable[None]]) -> list[Component]:
    """Store, disk and clock of the process: what nothing works without."""
    watch = ClockWatch(SystemClock().now_ms, time.monotonic)

    async def look_at_store() -> str:
        await probe()
        return ""

    async def look_at_clock() -> str:
        return watch.look() or await asyncio.to_thread(why_too_early, common.tls.certificate)

    least = common.ops.disk_free_bytes_min if common.ops else DISK_FREE_MIN
    return [
        Component(kind="database", name=family, look=look_at_store, needed=True),
        Component(kind="disk", name="data", look=Disk(role, common.data, least).look, needed=True),
        Component(kind="clock", name="own", look=look_at_clock, needed=True),
    ]


class Disk:
    """Room where the data is. A disk that does not answer holds one thread, however often it is looked at."""

    def __init__(self, role: str, folder: Path, least: int) -> None:
        self._gauge = metrics.disk_free.labels(role)
        self._folder = folder
        self._least = least
        self._asked: asyncio.Future[os.statvfs_result] | None = None

    async def look(self) -> str:
        """Raises OSError, and `Unavailable` while an earlier look has not returned."""
        if self._asked is not None and not self._asked.done():
            raise Unavailable(f"{self._folder} does not answer")
        self._asked = asyncio.ensure_future(asyncio.to_thread(os.statvfs, self._folder))
        found = await asyncio.shield(self._asked)
        free = found.f_bavail * found.f_frsize
        self._gauge.set(free)
        if found.f_flag & os.ST_RDONLY:
            return f"{self._folder} is mounted read-only"
        if free < self._least:
            return f"{free} bytes are free in {self._folder}, fewer than {self._least}; make room"
        return ""


def broker(publisher: Publisher | None) -> list[Component]:
    """The broker that is told what happens, where there is one. A role without its broker is ready: others learn a little later."""
    if publisher is None:
        return []

    async def look() -> str:
        return publisher.problem

    return [Component(kind="broker", name="mqtt", look=look, needed=False)]
