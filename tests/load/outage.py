"""The court ledger goes silent while a lender deposits at a fixed rate; how fast is it caught up, and in how much memory?"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.load.ingest import Ingest, ingesting
from tests.load.resident import grown_mb, in_words
from tests.load.rig import POLL_S, Place, Rig, Watch, open_rig, open_watch, until
from tests.support.compare import compare, missing_indices

RATE = 500
ANCHOR_INTERVAL_S = 0.5
WARM_UP_S = 5.0
RATIO = 3.0


@dataclass(frozen=True, kw_only=True)
class At:
    """One moment: what was stored, anchored and confirmed."""

    s: float
    stored: int
    anchored: int
    place: Place


@dataclass(frozen=True, kw_only=True)
class Outage:
    """A run's moments and figures. Memory in MiB, maxima by role."""

    silent_s: float
    begun: At
    """The load has run for a while; the baseline of memory begins."""
    cut: At
    healed: At
    noticed_s: float
    """From healing to the first confirmation after it; part of the time to drain."""
    drained: At
    memory_before: dict[str, float]
    memory_after: dict[str, float]
    swallowed: int
    waiting_most: int
    checkpoints: int
    records: int
    violations: list[str]

    @property
    def drain_s(self) -> float:
        """From healing until everything anchored so far was confirmed."""
        return self.drained.s - self.healed.s

    @property
    def entries_in(self) -> float:
        """Entries a second, stored from the baseline to the end of the drain."""
        return (self.drained.stored - self.begun.stored) / (self.drained.s - self.begun.s)

    @property
    def entries_out(self) -> float:
        """(backlog when the line healed + what was anchored while draining) / time to drain: entries a second."""
        return (self.drained.place.confirmed - self.healed.place.confirmed) / self.drain_s

    @property
    def checkpoints_in(self) -> float:
        """Checkpoints a second, anchored from the baseline to the end of the drain."""
        items = [sum(at.place.items.values()) for at in (self.begun, self.drained)]
        return (items[1] - items[0]) / (self.drained.s - self.begun.s)

    @property
    def checkpoints_out(self) -> float:
        """Checkpoints a second confirmed while draining."""
        return (self.drained.place.items["confirmed"] - self.healed.place.items["confirmed"]) / self.drain_s

    @property
    def ratios(self) -> tuple[float, float]:
        """Out over in: of entries, of checkpoints."""
        return self.entries_out / self.entries_in, self.checkpoints_out / self.checkpoints_in

    @property
    def grown(self) -> dict[str, float]:
        """MiB beyond the baseline."""
        return grown_mb(self.memory_before, self.memory_after)

    def table(self) -> list[str]:
        """The figures in words."""
        backlog = self.healed.anchored - self.healed.place.confirmed
        return [
            (
                f"ingest                {self.entries_in:8.1f} entries/s in {self.checkpoints_in:.2f} checkpoints/s"
                f" (at most {self.waiting_most} deposits in flight)"
            ),
            f"silent for            {self.silent_s:8.1f} s, {self.swallowed} bytes swallowed",
            f"backlog at healing    {backlog:8d} entries in {self.healed.place.open} checkpoints",
            f"noticed after         {self.noticed_s:8.1f} s",
            (
                f"drained after         {self.drain_s:8.1f} s, with"
                f" {self.drained.place.confirmed - self.healed.anchored} entries more that came meanwhile"
            ),
            f"drain rate            {self.entries_out:8.1f} entries/s, {self.checkpoints_out:.1f} checkpoints/s",
            (
                f"drain rate / ingest   {self.ratios[0]:8.1f} of entries, {self.ratios[1]:.1f} of checkpoints"
                f" (promised: {RATIO:.0f})"
            ),
            f"memory (MiB)          {in_words(self.memory_before, self.memory_after)}",
            (
                f"compared              {self.records} entries in {self.checkpoints} checkpoints,"
                f" {len(self.violations)} violations"
            ),
        ]


class _Run:
    """The phases of one run, in order."""

    def __init__(self, rig: Rig, watch: Watch, ingest: Ingest) -> None:
        self._rig = rig
        self._watch = watch
        self._ingest = ingest
        self.moments: dict[str, At] = {}
        self.noticed_s = 0.0

    async def go(self, baseline_s: float, silent_s: float) -> None:
        """Warm up, measure, cut, heal, drain."""
        await asyncio.sleep(WARM_UP_S)
        self._rig.resident.phase = "before"
        await self._mark("begun")
        await asyncio.sleep(baseline_s)
        await self._mark("cut")
        self._rig.line.silence()
        self._rig.resident.phase = "after"
        await asyncio.sleep(silent_s)
        await self._mark("healed")
        self._rig.line.heal()
        await self._drain()

    async def _mark(self, name: str) -> At:
        """The custodian is asked first: what it has anchored, the relay's later answer may cover."""
        s = time.monotonic()
        anchored = (await self._watch.custodian()).anchored_size
        at = At(s=s, stored=self._ingest.stored, anchored=anchored, place=await self._watch.place())
        self.moments[name] = at
        return at

    async def _drain(self) -> None:
        healed = self.moments["healed"]

        async def ask() -> At:
            at = await self._mark("drained")
            if not self.noticed_s and at.place.confirmed > healed.place.confirmed:
                self.noticed_s = at.s - healed.s
            return at

        await until("everything anchored is confirmed", ask, lambda at: at.place.confirmed >= at.anchored)


async def run_outage(
    *,
    silent_s: float,
    baseline_s: float,
    rate: int,
    seed: int,
    anchor_interval_s: float = ANCHOR_INTERVAL_S,
    say: Callable[[str], None] = lambda _line: None,
) -> Outage:
    """One run in a temporary folder; says its table."""
    with tempfile.TemporaryDirectory(prefix="courtrelay-outage-") as folder:
        async with open_rig(Path(folder), anchor_interval_s) as rig:
            await rig.start()
            async with open_watch(rig.home) as watch:
                async with ingesting(rig.home, rate, seed) as ingest:
                    run = _Run(rig, watch, ingest)
                    await run.go(baseline_s, silent_s)
                await until(
                    "every record has its receipt", watch.custodian, lambda c: c.confirmed_size == ingest.stored
                )
                await asyncio.sleep(POLL_S)
            await rig.network.end()
            compared = await compare(rig.home)
            outage = Outage(
                silent_s=run.moments["healed"].s - run.moments["cut"].s,
                **run.moments,
                noticed_s=run.noticed_s,
                memory_before=rig.resident.most("before"),
                memory_after=rig.resident.most("after"),
                swallowed=rig.line.swallowed,
                waiting_most=ingest.waiting_most,
                checkpoints=compared.checkpoints,
                records=ingest.stored,
                violations=missing_indices(ingest.indices, ingest.stored) + compared.violations,
            )
    for line in [*outage.table(), *(f"VIOLATION: {one}" for one in outage.violations)]:
        say(line)
    return outage
