"""kill -9 under load: roles die at random moments while a lender deposits; afterwards everything is compared with everything.

Used by the test suite and by `python3 run.py kills`, which prints its volume and seed.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from relay.app import desk
from relay.app.demo.network import Network
from relay.app.initialise import ORIGIN, initialise
from relay.core.errors import RelayError
from relay.sample import generate
from tests.support.compare import compare, missing_indices
from tests.support.postgres import Cluster, running_cluster
from tests.support.shared_relay import SharedRelay

DATABASE = "database"
WEIGHTS_SHARED = {"relay": 2, "relay-2": 2, "relay-3": 2, DATABASE: 1, "court": 1, "custodian": 1}
PAUSE_EVERY = 8
WEIGHTS = {"relay": 5, "court": 2, "custodian": 2, "court-ledger": 1, "lender-ledger": 1}
PAUSE_S = 0.3


@dataclass(slots=True)
class Outcome:
    """What happened, and everything that is not as promised (empty: nothing)."""

    kills: Counter[str] = field(default_factory=Counter)
    pauses: Counter[str] = field(default_factory=Counter)
    retried_deposits: int = 0
    records: int = 0
    checkpoints: int = 0
    violations: list[str] = field(default_factory=list)


class KillLoop:
    """One run in a folder of its own; with a PostgreSQL server, the relay is three workers on it."""

    def __init__(self, folder: Path, kills: int, seed: int, cluster: Cluster | None = None) -> None:
        self._folder = folder
        self._cluster = cluster
        self._shared: SharedRelay | None = None
        self._kills = kills
        self._chosen = random.Random(seed)
        self._paced = random.Random(-seed)
        self._seed = seed
        self._outcome = Outcome()
        self._indices: dict[int, int] = {}

    async def run(self) -> Outcome:
        """Deposit while killing; then wait for the end and compare."""
        loans = max(4, self._kills)
        self._outcome.records = generate(self._folder / "loans", loans, self._seed)["records"]
        home = initialise(self._folder / "home", base_port=0, validators=4, threshold=3, anchor_interval_s=0.05).home
        network = Network(home)
        if self._cluster is not None:
            self._shared = SharedRelay(home, self._cluster)
            self._shared.add_to(network)
        try:
            await network.start()
            depositing = asyncio.create_task(self._deposit(home, loans), name="deposit")
            await self._kill(network)
            await depositing
            total = self._outcome.records
            await network.until(f"{total} records confirmed", lambda s: s["custodian"].get("confirmed") == total)
        finally:
            await network.end()
        await self._compare(home)
        return self._outcome

    async def _deposit(self, home: Path, loans: int) -> None:
        """One loan after the other; whatever broke off is deposited again, which must change nothing."""
        for loan in range(loans):
            while not await self._deposited(home, loan):
                self._outcome.retried_deposits += 1
                await asyncio.sleep(PAUSE_S)
            await asyncio.sleep(self._paced.random() * PAUSE_S)

    async def _deposited(self, home: Path, loan: int) -> bool:
        try:
            report = await desk.deposit(home, self._folder / "loans", lambda _d, _t: None, slice(loan, loan + 1))
        except RelayError:
            return False
        for stored in report.stored:
            for index in stored.indices:
                owner = self._indices.setdefault(index, loan)
                if owner != loan:
                    self._outcome.violations.append(f"log index {index} was given to two loans")
        self._outcome.violations += [f"refused: {row.reason}" for row in report.refused]
        return True

    async def _kill(self, network: Network) -> None:
        table = WEIGHTS_SHARED if self._shared else WEIGHTS
        rounds = 0
        while self._outcome.kills.total() < self._kills:
            await asyncio.sleep(self._chosen.random() * PAUSE_S)
            victims = set(self._chosen.choices(list(table), list(table.values()), k=self._chosen.randint(1, 3)))
            for role in sorted(victims):
                self._outcome.kills[role] += 1
            processes = [network.roles[role] for role in sorted(victims - {DATABASE})]
            for process in processes:
                process.kill()
            await asyncio.gather(*(process.wait() for process in processes))
            if self._shared and DATABASE in victims:
                await self._shared.crash_database()
            await asyncio.gather(*(process.start() for process in processes))
            rounds += 1
            if self._shared and rounds % PAUSE_EVERY == 1:
                job = "origin %" if self._outcome.pauses.total() % 2 == 0 else "ledger %"
                self._outcome.pauses[await self._shared.pause_holder(network, job)] += 1

    async def _compare(self, home: Path) -> None:
        """Custodian, relay and court hold the same entries; every anchor has exactly one effect on the court ledger."""
        compared = await compare(home, await self._shared.entries(ORIGIN) if self._shared else None)
        self._outcome.checkpoints = compared.checkpoints
        self._outcome.violations += missing_indices(self._indices, self._outcome.records) + compared.violations


async def kill_loop(
    kills: int, seed: int, say: Callable[[str], None] = lambda _line: None, cluster: Cluster | None = None
) -> Outcome:
    """Run once in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="courtrelay-kills-") as folder:
        outcome = await KillLoop(Path(folder), kills, seed, cluster).run()
    said = ", ".join(f"{role} {count}" for role, count in sorted(outcome.kills.items()))
    paused = f" {outcome.pauses.total()} pauses longer than a lease," if cluster else ""
    say(
        f"seed {seed}: {outcome.kills.total()} kills ({said}),{paused}"
        f" {outcome.records} records in {outcome.checkpoints} checkpoints,"
        f" {outcome.retried_deposits} deposits tried again, {len(outcome.violations)} violations"
    )
    for violation in outcome.violations:
        say(f"  VIOLATION: {violation}")
    return outcome


def main() -> int:
    """`python3 run.py kills [--count N] [--seed S] [--store postgresql]`; 1 when anything was violated."""
    parser = argparse.ArgumentParser(prog="run.py kills", description=__doc__)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--store", choices=("sqlite", "postgresql"), default="sqlite")
    wanted = parser.parse_args()
    if wanted.store == "sqlite":
        outcome = asyncio.run(kill_loop(wanted.count, wanted.seed, print))
    else:
        with running_cluster() as cluster:
            outcome = asyncio.run(kill_loop(wanted.count, wanted.seed, print, cluster))
    return 1 if outcome.violations else 0


if __name__ == "__main__":
    raise SystemExit(main())
