"""Every role restarted in turn under load: three relay workers on one PostgreSQL, custodian and court. No call of a client may fail.

Used by the test suite and by `python3 run.py rolling`, which prints its volume and seed.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from relay.app.demo.network import Network
from relay.app.initialise import ORIGIN, initialise
from relay.core.errors import Denied, RelayError
from tests.faults.lender import Business, Issued, Say
from tests.support.compare import compare
from tests.support.postgres import Cluster, running_cluster
from tests.support.shared_relay import SharedRelay

ORDER = ("relay-2", "relay-3", "relay", "custodian", "court")
WAIT_S = 60.0
"""What a client of this test gives to `--wait`: a restart takes a few seconds, on a busy machine more."""
REGISTERED_WITHIN = 600
PAUSE_S = 0.1


@dataclass(slots=True)
class Outcome:
    """What happened; `violations` is empty when all held."""

    restarts: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    records: int = 0
    checkpoints: int = 0
    violations: list[str] = field(default_factory=list)


class Rolling:
    """One run in a folder of its own."""

    def __init__(self, folder: Path, rounds: int, seed: int, cluster: Cluster) -> None:
        self._folder = folder
        self._rounds = rounds
        self._chosen = random.Random(seed)
        self._cluster = cluster
        self._outcome = Outcome()
        self._business = Business(folder / "home", folder, 40, seed, wait_s=WAIT_S)
        self._over = asyncio.Event()

    async def run(self) -> Outcome:
        """Business until every role has been restarted `rounds` times; then everything is confirmed and compared."""
        b = self._business
        b.prepare()
        home = initialise(self._folder / "home", base_port=0, validators=4, threshold=3, anchor_interval_s=0.05).home
        network = Network(home)
        shared = SharedRelay(home, self._cluster)
        shared.add_to(network)
        try:
            await network.start()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._depositing(), name="deposits")
                group.create_task(self._granting(), name="grants")
                await self._roll(network)
                self._over.set()
            await network.until(f"{b.records} confirmed", lambda s: s["custodian"].get("confirmed") == b.records)
        finally:
            await network.end()
        compared = await compare(home, await shared.entries(ORIGIN))
        self._outcome.checkpoints, self._outcome.records = compared.checkpoints, b.records
        self._outcome.violations += b.complaints + compared.violations
        return self._outcome

    async def _roll(self, network: Network) -> None:
        for _ in range(self._rounds):
            for role in ORDER:
                await asyncio.sleep(self._chosen.random())
                code = await network.roles[role].end()
                if code:
                    self._outcome.violations.append(f"{role} was asked to end and ended with {code}")
                await network.roles[role].start()
                self._outcome.restarts[role] += 1

    async def _depositing(self) -> None:
        """Each loan in two parts, over and over: what is there already is answered as before."""
        loan = 0
        while not self._over.is_set():
            for part in ("half", "whole"):
                try:
                    await self._business.deposit(loan % self._business.loans, part)
                    self._outcome.calls["deposits"] += 1
                except RelayError as error:
                    self._outcome.violations.append(f"a deposit failed: {error}")
            loan += 1
            await asyncio.sleep(PAUSE_S)

    async def _granting(self) -> None:
        """A grant, two retrievals under it, and the next: none may fail once the court's ledger has the grant."""
        while not self._over.is_set():
            if not self._business.dossiers:
                await asyncio.sleep(PAUSE_S)
                continue
            try:
                grant = await self._business.issue(max(self._business.dossiers), uses=50)
                self._outcome.calls["grants"] += 1
                await self._first(grant)
                await self._judged(grant)
            except RelayError as error:
                self._outcome.violations.append(f"a grant or retrieval failed: {type(error).__name__}: {error}")

    async def _first(self, grant: Issued) -> None:
        """Refused until its registration has reached the court's ledger and the lender knows of it: that is no fault."""
        for _ in range(REGISTERED_WITHIN):
            try:
                await self._judged(grant)
            except Denied:
                await asyncio.sleep(PAUSE_S)
            else:
                return
        self._outcome.violations.append("a grant never opened")

    async def _judged(self, grant: Issued) -> None:
        verdict = await self._business.retrieve(grant)
        self._outcome.calls["retrievals"] += 1
        if verdict == "INCONSISTENT":
            self._outcome.violations.append(f"a retrieval is INCONSISTENT: {self._business.failed_steps}")


async def rolling(rounds: int, seed: int, cluster: Cluster, say: Say = lambda _line: None) -> Outcome:
    """Run once in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="courtrelay-rolling-") as folder:
        outcome = await Rolling(Path(folder), rounds, seed, cluster).run()
    said = ", ".join(f"{number} {what}" for what, number in sorted(outcome.calls.items()))
    say(
        f"seed {seed}: restarted {dict(outcome.restarts)} under load; {said}; {outcome.records} records in"
        f" {outcome.checkpoints} checkpoints, {len(outcome.violations)} violations"
    )
    for violation in outcome.violations:
        say(f"  VIOLATION: {violation}")
    return outcome


def main() -> int:
    """`python3 run.py rolling [--rounds N] [--seed S]`; 1 when anything was violated."""
    parser = argparse.ArgumentParser(prog="run.py rolling", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    with running_cluster() as cluster:
        return 1 if asyncio.run(rolling(wanted.rounds, wanted.seed, cluster, print)).violations else 0


if __name__ == "__main__":
    raise SystemExit(main())
