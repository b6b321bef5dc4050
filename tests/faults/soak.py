"""The whole alliance under a steady load: memory of every role over time, and everything compared at the end.

Used by the test suite and by `python3 run.py soak`, which prints its volume and seed. A figure of memory is what this machine showed in
this time; a slope over minutes says less than one over an hour.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from relay.app.demo.network import Network
from relay.app.initialise import ORIGIN, initialise
from relay.core.errors import RelayError
from tests.faults.lender import Business, Issued, Say
from tests.load.ingest import ingesting
from tests.load.resident import resident_mb
from tests.support.compare import compare
from tests.support.groups import leaves

SAMPLE_S = 1.0
WARM_UP_PART = 0.25
"""So much of the time is left out of the slope: caches and pools fill up then."""
RETRIEVE_EVERY_S = 2.0
USES = 1000
"""What one grant can give; a long run retrieves less often."""


@dataclass(slots=True)
class Outcome:
    """What happened. `samples`: role → (seconds, MiB)."""

    deposited: int = 0
    confirmed: int = 0
    retrieved: int = 0
    waiting_most: int = 0
    samples: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)

    def slope(self, role: str) -> float:
        """MiB an hour after the warm-up, by least squares."""
        rows = self.samples[role]
        return slope(rows[int(len(rows) * WARM_UP_PART) :]) * 3600


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Least squares: how much y grows with one x. 0 for fewer than two places."""
    count = len(points)
    if count < 2:
        return 0.0
    mean_x, mean_y = sum(x for x, _ in points) / count, sum(y for _, y in points) / count
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


class Soak:
    """One run in a folder of its own."""

    def __init__(self, folder: Path, seconds: float, rate: int, seed: int) -> None:
        self._folder = folder
        self._seconds = seconds
        self._rate = rate
        self._seed = seed
        self.outcome = Outcome()
        self._business = Business(folder / "home", folder, 2, seed)

    async def run(self) -> Outcome:
        """Load for the time asked for; then wait until all of it is confirmed, and compare."""
        b, out = self._business, self.outcome
        b.prepare()
        home = initialise(self._folder / "home", base_port=0, validators=4, threshold=3).home
        network = Network(home)
        try:
            await network.start()
            await b.deposit(0, "whole")
            await network.until("the first loan is confirmed", lambda s: s["custodian"].get("confirmed") == b.records)
            grant = await b.issue(0, uses=USES)
            sampling = asyncio.create_task(self._sample(network), name="memory")
            retrieving = asyncio.create_task(self._retrieve(grant), name="retrievals")
            async with ingesting(home, self._rate, self._seed) as ingest:
                await asyncio.sleep(self._seconds)
            for task in (sampling, retrieving):
                task.cancel()
            await asyncio.wait([sampling, retrieving])
            out.deposited, out.waiting_most = ingest.stored + b.records, ingest.waiting_most
            await network.until("all is confirmed", lambda s: s["custodian"].get("confirmed") == out.deposited)
        finally:
            await network.end()
        indices = [*ingest.indices, *b.indices]
        if sorted(indices) != list(range(out.deposited)):
            out.violations.append("the log indices answered are not 0 to the last, each once")
        out.confirmed = _confirmed(home)
        out.violations += b.complaints + (await compare(home)).violations
        return out

    async def _sample(self, network: Network) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            for role, process in network.roles.items():
                self.outcome.samples.setdefault(role, []).append((loop.time() - began, resident_mb(process.pid)))
            await asyncio.sleep(SAMPLE_S)

    async def _retrieve(self, grant: Issued) -> None:
        """One dossier again and again, until its uses are spent."""
        while True:
            try:
                if await self._business.retrieve(grant) == "INCONSISTENT":
                    self.outcome.violations.append(f"a retrieval is INCONSISTENT: {self._business.failed_steps}")
                self.outcome.retrieved += 1
            except RelayError as error:
                if self.outcome.retrieved:  # before the first one the grant may not be registered yet
                    self.outcome.violations.append(f"a retrieval failed: {error}")
            await asyncio.sleep(max(RETRIEVE_EVERY_S, self._seconds / USES))


def _confirmed(home: Path) -> int:
    """Entries under the court ledger's last accepted checkpoint."""
    with closing(sqlite3.connect(home / "court-ledger/data/ledger.sqlite")) as database:
        sql = "SELECT max(size) FROM fact WHERE kind = 'checkpoint' AND origin = ?"
        return int(database.execute(sql, (ORIGIN,)).fetchone()[0])


async def soak(seconds: float, rate: int, seed: int, say: Say = lambda _line: None) -> Outcome:
    """Run once in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="courtrelay-soak-") as folder:
        run = Soak(Path(folder), seconds, rate, seed)
        try:
            outcome = await run.run()
        except* AssertionError as group:  # the open loop gives up where too many wait
            outcome = run.outcome
            outcome.violations += [str(error) for error in leaves(group)]
    say(
        f"seed {seed}: {seconds:.0f} s at {rate} records a second: {outcome.deposited} deposited, {outcome.confirmed} confirmed,"
        f" {outcome.retrieved} retrievals, at most {outcome.waiting_most} deposits waiting, {len(outcome.violations)} violations"
    )
    for role, rows in outcome.samples.items():
        first, last = rows[0][1], rows[-1][1]
        say(
            f"  {role:<14} {first:6.1f} MiB at the start, {last:6.1f} MiB at the end, {outcome.slope(role):+8.1f} MiB/h after the warm-up"
        )
    for violation in outcome.violations:
        say(f"  VIOLATION: {violation}")
    return outcome


def main() -> int:
    """`python3 run.py soak [--minutes N] [--rate N] [--seed S]`; 1 when anything was violated."""
    parser = argparse.ArgumentParser(prog="run.py soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--rate", type=int, default=500, help="records a second")
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    return 1 if asyncio.run(soak(wanted.minutes * 60, wanted.rate, wanted.seed, print)).violations else 0


if __name__ == "__main__":
    raise SystemExit(main())
