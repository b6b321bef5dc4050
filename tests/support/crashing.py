"""A relay that dies at a chosen point: before or after any call to its store, its ledgers or the court, or between two blocks of a feed.

Everything around it is real: SQLite, two embedded ledgers over mutual TLS, the court's mirror with its own store. What dies makes no
further call; what was committed stays.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

from adapters.embedded.adapter import open_court, open_source
from relay.app.adapters import verifiers
from relay.app.initialise import LENDER, WITNESS
from relay.app.relay import read_origins
from relay.app.trust import read_trust
from relay.config.roles import read_relay
from relay.core.errors import RelayError
from relay.core.note import VerifierKey
from relay.core.package import Package, package_borders
from relay.services.court.mirror import CourtMirror
from relay.services.forwarding.advance import Advancer
from relay.services.forwarding.intake import LogIntake
from relay.services.forwarding.watch import Watcher
from relay.services.mirroring import make_packages
from relay.setup.keys import load_signing_key
from relay.store.court import SqliteCourtStore
from relay.store.log_files import LogPacks
from relay.store.relay import SqliteRelayStore
from tests.ledgers.bench import NOW_MS, Bench
from tests.support.frozen import TestClock, no_waits
from tests.support.links import DirectCourtLink

SIZES = (3, 8)
TURNS_MAX = 5_000


class Crash(Exception):
    """The process is dead from here on."""


class Points:
    """Counts crash points; dies at number `target` (0: never), or at the first point of that name."""

    def __init__(self, target: int | str = 0) -> None:
        self.target = target
        self.count = 0
        self.names: Counter[str] = Counter()
        self.dead = False
        self.died_at = ""

    def hit(self, name: str) -> None:
        """One point."""
        if self.dead:
            raise Crash(name)
        self.count += 1
        self.names[name] += 1
        if self.target in (self.count, name):
            self.dead = True
            self.died_at = name
            raise Crash(name)


class Crashing:
    """Stands before a store, a log, a ledger client or a link; every call has a point before and one after."""

    def __init__(self, part: Any, points: Points, name: str) -> None:
        self._part = part
        self._points = points
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        value = getattr(self._part, attribute)
        name = f"{self._name}.{attribute}"
        if inspect.isasyncgenfunction(value):
            return lambda *a, **k: self._stream(name, value(*a, **k))
        if inspect.iscoroutinefunction(value):
            return lambda *a, **k: self._call(name, value(*a, **k))
        return value

    async def _call(self, name: str, call: Any) -> Any:
        try:
            self._points.hit(f"before {name}")
        except Crash:
            call.close()
            raise
        result = await call
        self._points.hit(f"after {name}")
        return Crashing(result, self._points, "log") if name == "store.log" else result

    async def _stream(self, name: str, items: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for item in items:
            self._points.hit(f"item of {name}")
            yield item


class CrashLab:
    """Ledgers, court and lender live; relays come and go."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self._bench = bench
        self._folder = folder
        self._stack = AsyncExitStack()
        self.points = Points()
        self.store: SqliteRelayStore | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._intake: LogIntake | None = None

    async def open(self) -> None:
        """The world around the relay: entries, anchors, the court's mirror."""
        home = self._bench.home
        self._config = read_relay(home / "relay/config.toml")
        self._packs = LogPacks.open(self._folder / "lender", 0)
        self._stack.callback(self._packs.close)
        self._packs.append([b"\x01" + bytes([n]) * 64 for n in range(max(SIZES))])
        self._bench.use_entries(self._packs.entries(0, max(SIZES)))
        self._notes = {}
        for size in SIZES:
            await self._bench.source.anchor(self._bench.checkpoint(size))
            self._notes[size] = self._bench.note(size)
        self._source = await open_source(self._config.sources[0].settings)
        self._registry = await open_court(self._config.court_ledger.settings)
        self.court_store = await SqliteCourtStore.open(self._folder / "court")
        for closing in (self._source, self._registry, self.court_store):
            self._stack.push_async_callback(closing.close)
        witness = load_signing_key(home / "court/keys/witness.pem")
        self._mirror = CourtMirror(
            self.court_store, read_trust(home / "trust.json"), verifiers(),
            VerifierKey.cosigner(WITNESS, witness.public_key), witness, TestClock(NOW_MS),
        )  # fmt: skip

    async def close(self) -> None:
        """End everything."""
        await self.kill()
        await self._stack.aclose()

    async def start(self, points: Points) -> None:
        """A relay on the same folder, as after a restart."""
        self.points = points
        self.store = await SqliteRelayStore.open(self._folder / "relay")
        store: Any = Crashing(self.store, points, "store")
        source: Any = Crashing(self._source, points, "source")
        registry: Any = Crashing(self._registry, points, "registry")
        court: Any = Crashing(DirectCourtLink(self._mirror), points, "court")
        origins = read_origins(self._config)
        sources = {self._source.ledger: source}
        self._intake = LogIntake(store, origins, sources)
        watcher = Watcher(source, store, origins, sleep=asyncio.sleep, backoff=no_waits)
        room = origins.room(self._bench.origin)
        advancer = Advancer(room, store, sources, court, registry, sleep=asyncio.sleep, backoff=no_waits)
        self._tasks = [asyncio.create_task(watcher.run()), asyncio.create_task(advancer.run())]

    async def kill(self) -> None:
        """Whatever it was doing ends here."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        if self.store is not None:
            await self.store.close()
            self.store = None

    async def drive(self) -> bool:
        """The lender pushes until all is confirmed; False when the relay died meanwhile."""
        waiting = list(SIZES)
        for _ in range(TURNS_MAX):
            with suppress(RelayError, Crash):
                while waiting:
                    await self._push(waiting[0])
                    waiting.pop(0)
            if self.points.dead:
                return False
            assert self.store is not None
            if await self.store.last_confirmed(self._bench.origin) == max(SIZES):
                return not self.points.dead
            await asyncio.sleep(0.002)
        raise AssertionError(f"never confirmed: {await self.store.counts() if self.store else None}")

    async def _push(self, size: int) -> None:
        assert self._intake is not None
        start: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def groups() -> AsyncIterator[Sequence[Package]]:
            for package in make_packages(self._packs, package_borders(await start, size), size):
                yield [package]

        async for next_index in self._intake.push(str(LENDER), self._notes[size], groups()):
            if not start.done():
                start.set_result(next_index)

    async def violations(self) -> list[str]:
        """What is not as promised, once everything is confirmed."""
        assert self.store is not None
        origin = self._bench.origin
        found = []
        counts = await self.store.counts()
        if counts["confirmed"] != len(SIZES) or sum(counts.values()) != len(SIZES):
            found.append(f"items: {counts}")
        if await self.store.halted(origin):
            found.append(await self.store.halted(origin))
        receipts = [c.receipt.size for c in await self.store.confirmations(origin, 0, 100)]
        if receipts != list(SIZES):
            found.append(f"receipts of {receipts}")
        for size in SIZES:
            if await self._registry.find(origin, size, self._bench.checkpoint(size).root) is None:
                found.append(f"the court ledger does not hold size {size}")
        for log in (await self.store.log(origin), await self.court_store.log(origin)):
            if log.files.entries(0, log.size) != self._packs.entries(0, max(SIZES)):
                found.append("a mirror holds other entries than the lender")
        return found
