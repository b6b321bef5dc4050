"""Two backlogs of a million: entries in thousands of checkpoints on their way, and items that the court is past already.

The first is the real way of every item: proven, mirrored, submitted, confirmed. The second is what a relay finds that joins
late or starts over with an empty store: every item has its true root and stands below what the court ledger has accepted, so
each is proven against the relay's own copy of the log and then COVERED, without a transaction of its own.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relay.app.initialise import ORIGIN
from relay.app.serve import ROLES
from tests.load.preload import anchor_entries, fill_items
from tests.load.resident import grown_mb, in_words
from tests.load.rig import OPEN_WORDS, Place, Rig, Watch, open_rig, open_watch, until
from tests.support.compare import compare, facts

ENTRIES = 1_000_000
EACH = 256
MILLION = 1_000_000
EMPTY_S = 3.0
ASKED = 5
LISTED = 1000
ASK_S = 1.0
"""Counting a million items takes the relay's reader a tenth of a second: asked too often, it is what is measured."""
REAL_WAY = "checkpoints on their real way, after SIGKILL with all of them waiting"
COVERED = "items below the court's checkpoint, which covers them (half FINAL, half SEEN)"

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Drain:
    """One start of a relay on a backlog, to its end. Memory in MiB; the baseline is an empty relay's."""

    what: str
    items: int
    entries: int
    ready_s: float
    status_ms: float
    listing_ms: float
    """Median answers to `status` and to the first 1,000 of the backlog, while it drains."""
    drain_s: float
    left: dict[str, int]
    """Items by state at the end."""
    memory_before: dict[str, float]
    memory_after: dict[str, float]
    violations: list[str]

    @property
    def rate(self) -> float:
        """Items a second."""
        return self.items / self.drain_s

    @property
    def grown(self) -> dict[str, float]:
        """MiB beyond the empty relay."""
        return grown_mb(self.memory_before, self.memory_after)

    def table(self) -> list[str]:
        """The figures in words."""
        return [
            f"{self.what}",
            f"  waiting             {self.items:9d} items, {self.entries} entries",
            (
                f"  ready again after   {self.ready_s:9.2f} s; status {self.status_ms:.0f} ms,"
                f" backlog listing {self.listing_ms:.0f} ms (medians under load)"
            ),
            f"  drained after       {self.drain_s:9.1f} s from its start: {self.rate:.1f} items/s",
            f"  a million such      {MILLION / self.rate / 3600:9.2f} hours",
            f"  items at the end    {', '.join(f'{count} {state}' for state, count in self.left.items() if count)}",
            f"  memory (MiB)        {in_words(self.memory_before, self.memory_after)}",
            f"  violations          {len(self.violations):9d}",
        ]


class _Backlog:
    """One home, first filled and drained for real, then filled with covered items."""

    def __init__(self, rig: Rig, entries: int, seed: int, say: Say) -> None:
        self._rig = rig
        self._entries = entries
        self._seed = seed
        self._say = say
        self._empty: dict[str, float] = {}

    async def fill(self) -> int:
        """An empty relay is measured; then everything arrives while the court ledger is silent, and the relay is killed.

        Returns the number of checkpoints that wait.
        """
        rig = self._rig
        await rig.start(["lender-ledger", "court-ledger", "court", "relay"])
        rig.resident.phase = "empty"
        await asyncio.sleep(EMPTY_S)
        self._empty = {"relay": rig.resident.most("empty")["relay"]}
        rig.line.silence()
        began = time.monotonic()
        checkpoints = await anchor_entries(rig.home, self._entries, EACH, self._seed)
        self._say(f"{self._entries} entries anchored in {checkpoints} checkpoints: {time.monotonic() - began:.0f} s")
        rig.resident.phase = "filling"
        await rig.start(["custodian"])
        async with open_watch(rig.home) as watch:
            await until("the relay holds everything", watch.place, lambda p: self._taken(p, checkpoints))
        self._say(f"taken in by the relay meanwhile: {time.monotonic() - began:.0f} s")
        await rig.kill("relay")
        rig.line.heal()
        return checkpoints

    def _taken(self, place: Place, checkpoints: int) -> bool:
        return place.mirrored == self._entries and place.open == checkpoints and not place.items["seen"]

    async def drain(self, what: str, phase: str, items: int, entries: int) -> Drain:
        """Start the relay on so many items, which commit to so many unconfirmed entries; until nothing is under way."""
        rig = self._rig
        rig.resident.phase = phase
        await rig.start([role for role in ROLES if role not in ("relay", "custodian")])
        began = time.monotonic()
        await rig.start(["relay"])
        ready_s = time.monotonic() - began
        await rig.start()
        async with open_watch(rig.home) as watch:
            status_ms, listing_ms = [await _median_ms(ask) for ask in (watch.place, lambda: _listing(watch))]
            last = await until("nothing is under way", watch.place, lambda p: not p.open, ASK_S)
            drain_s = time.monotonic() - began
            return Drain(
                what=what,
                items=items,
                entries=entries,
                ready_s=ready_s,
                status_ms=status_ms,
                listing_ms=listing_ms,
                drain_s=drain_s,
                left=last.items,
                memory_before=self._empty,
                memory_after=rig.resident.most(phase),
                violations=[],
            )

    async def receipts(self) -> None:
        """Until the custodian has every receipt; then all processes end."""
        async with open_watch(self._rig.home) as watch:
            await until(
                "every checkpoint has its receipt", watch.custodian, lambda c: c.confirmed_size == self._entries
            )
        await self._rig.network.end()
        self._rig.resident.pids = {}


async def _listing(watch: Watch) -> None:
    rows = await watch.relay.items(ORIGIN, LISTED, quarantined=False)
    if any(row.state not in OPEN_WORDS for row in rows):
        raise AssertionError("the backlog lists what is not under way")


async def _median_ms(ask: Callable[[], Awaitable[Any]]) -> float:
    took = []
    for _ in range(ASKED):
        began = time.perf_counter()
        await ask()
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)


async def run_backlog(*, entries: int, seed: int, say: Say = lambda _line: None) -> tuple[Drain, Drain]:
    """Both backlogs in one temporary folder; says their tables."""
    with tempfile.TemporaryDirectory(prefix="courtrelay-backlog-") as folder:
        async with open_rig(Path(folder), 1.0) as rig:
            run = _Backlog(rig, entries, seed, say)
            checkpoints = await run.fill()
            way = await run.drain(REAL_WAY, "way", checkpoints, entries)
            await run.receipts()
            way.violations.extend((await compare(rig.home)).violations)
            _tell(way, say)
            effects = facts(rig.home / "court-ledger/data/ledger.sqlite")
            began = time.monotonic()
            added = await asyncio.to_thread(fill_items, rig.home)
            say(f"{added} items written into the stopped relay's database: {time.monotonic() - began:.0f} s")
            covered = await run.drain(COVERED, "covered", added, 0)
            await rig.network.end()
            if facts(rig.home / "court-ledger/data/ledger.sqlite") != effects:
                covered.violations.append("covered items had effects on the court ledger")
            if covered.left["covered"] != added:
                covered.violations.append(f"{covered.left['covered']} items are covered, {added} were waiting")
            _tell(covered, say)
    return way, covered


def _tell(drain: Drain, say: Say) -> None:
    for line in [*drain.table(), *(f"  VIOLATION: {one}" for one in drain.violations)]:
        say(line)
