"""A batch under fire: its process is killed at random, roles too, and is started again until it is done; then everything is counted.

Used by the test suite and by `python3 run.py batch`, which prints its volume, seed and speed.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import random
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from relay.app import desk
from relay.app.demo.network import Network
from relay.app.initialise import initialise
from tests.support.command import ROOT, environment, write_folder
from tests.support.lines import STATED, repayment_fields
from tests.support.manifests import DUPLICATE, Written, write_manifest

POLL_S = 0.02
ROLES = ("court", "custodian", "relay")


@dataclass(slots=True)
class Fought:
    """What happened, and everything that is not as promised (empty: nothing)."""

    rows: int = 0
    faults: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    seconds: float = 0.0
    asked_again: int = 0
    violations: list[str] = field(default_factory=list)


class BatchLoop:
    """One batch in a folder of its own. `kills` of the batch's process, `role_kills` of roles under it."""

    def __init__(
        self, folder: Path, *, rows: int, faults: int, dossiers: int, kills: int, role_kills: int, seed: int
    ) -> None:
        self._folder = folder
        self._rows = rows
        self._faults = faults
        self._dossiers = dossiers
        self._kills = kills
        self._role_kills = role_kills
        self._seed = seed
        self._dice = random.Random(seed)
        self._fought = Fought(rows=rows, faults=faults)
        self.home = folder / "home"
        self.out = folder / "out"
        self.manifest = Written(path=folder, rows=0, faults={})

    @asynccontextmanager
    async def network(self) -> AsyncIterator[Network]:
        """All roles, with every dossier anchored."""
        self.home_of_desks()
        network = Network(self.home)
        try:
            await network.start()
            await self._deposit(network)
            yield network
        finally:
            await network.end()

    def home_of_desks(self) -> Path:
        """The court's desk in the home, which is made when it is not there yet."""
        if not self.home.exists():
            initialise(self.home, base_port=0, validators=2, threshold=1, anchor_interval_s=0.05)
        return self.home / "court-desk"

    async def run(self) -> Fought:
        """Deposit, fight, compare."""
        async with self.network() as network:
            self.manifest = write_manifest(
                self._folder / "cases.csv", rows=self._rows, faults=self._faults, dossiers=self._dossiers,
                seed=self._seed,
            )  # fmt: skip
            await self._fight(network)
        self.compare()
        return self._fought

    async def _deposit(self, network: Network) -> None:
        lines = [
            {
                "dossier": f"LOAN-{i}", "seq": 0, "kind": "repayment", "kind_version": 1,
                "event_time": "2025-03-05T09:00:00Z", "provenance": STATED, "fields": repayment_fields(),
                "payloads": [],
            }
            for i in range(self._dossiers)
        ]  # fmt: skip
        report = await desk.deposit(self.home, write_folder(self._folder / "loans", lines), lambda _d, _t: None)
        assert not report.refused

        def settled(status: dict[str, dict[str, Any]]) -> bool:
            receipted = [value for name, value in status["court"].items() if name.endswith(" receipted")]
            return receipted == [self._dossiers]

        await network.until("the court has every entry", settled)

    async def _fight(self, network: Network) -> None:
        """Kill the batch after a random number of rows each time; the last run goes to its end."""
        good = self._rows - self._faults
        stops = sorted(self._dice.sample(range(1, good), self._kills + self._role_kills))
        victims = ["batch"] * self._kills + [self._dice.choice(ROLES) for _ in range(self._role_kills)]
        self._dice.shuffle(victims)
        begun = time.monotonic()
        process = await self._start()
        for stop, victim in zip(stops, victims, strict=True):
            await self._until(stop, process)
            self._fought.kills[victim] += 1
            if victim == "batch":
                process.kill()
                await process.wait()
                process = await self._start()
            else:
                role = network.roles[victim]
                role.kill()
                await role.wait()
                await role.start()
        code = await process.wait()
        while code == 3:  # a destination was away for longer than the batch's patience
            process = await self._start()
            code = await process.wait()
        self._fought.seconds = time.monotonic() - begun
        if code != 1:
            self._fought.violations.append(f"the last run ended with {code}, a batch with failed rows ends with 1")

    async def _start(self) -> asyncio.subprocess.Process:
        self._fought.runs += 1
        log = (self._folder / "batch.log").open("ab")
        command = ("batch", "run", self.manifest.path, "--out", self.out, "--home", self.home)
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "relay.cli", *map(str, command), cwd=ROOT, env=environment(), stdout=log, stderr=log
        )

    async def _until(self, rows: int, process: asyncio.subprocess.Process) -> None:
        path = self.out / "state/batch.sqlite"
        while process.returncode is None:
            if path.exists():
                with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as c:
                    try:
                        done = c.execute("SELECT count(*) FROM row_outcome WHERE state = 'done'").fetchone()[0]
                    except sqlite3.OperationalError:
                        done = 0
                if done >= rows:
                    return
            await asyncio.sleep(POLL_S)

    def compare(self) -> None:
        """Every good row once in every place, every faulty row refused with its field, and nothing else anywhere."""
        bad = self._fought.violations
        outcomes = [json.loads(line) for line in (self.out / "outcome.jsonl").read_text().splitlines()]
        if [row["row"] for row in outcomes] != list(range(1, self.manifest.rows + 1)):
            bad.append("the list of outcomes does not have every row once")
        for row in outcomes:
            bad += self._wrong(row)
        done = [row for row in outcomes if row["state"] == "done"]
        if len({row["grant"] for row in done}) != len(done):
            bad.append("two rows share a grant")
        self._fought.asked_again = sum(row["disclosures"] > 1 for row in done)
        self._compare_roles({row["grant"]: row["disclosures"] for row in done})

    def _wrong(self, row: dict[str, Any]) -> list[str]:
        number = row["row"]
        if number not in self.manifest.faults:
            if (row["state"], row["verdict"]) != ("done", "CONSISTENT"):
                return [f"row {number} is {row['state']} {row['verdict']}: {row['field']}: {row['reason']}"]
            bundle = (self.out / row["bundle"]).read_bytes()
            if hashlib.sha256(bundle).hexdigest() != row["bundle_sha256"]:
                return [f"row {number}: its bundle is not the one of the list"]
            return []
        fault = self.manifest.faults[number]
        if row["state"] != "failed" or not row["reason"]:
            return [f"row {number} ({fault.name if fault else 'duplicate'}) is {row['state']}"]
        if fault is None:
            return [] if DUPLICATE in row["reason"] else [f"row {number}: duplicate not named: {row['reason']}"]
        if fault.field not in row["field"] or (not fault.field and row["field"]):
            return [f"row {number} ({fault.name}): field {row['field']!r}: {row['reason']}"]
        return []

    def _compare_roles(self, disclosures: dict[str, int]) -> None:
        """One registration on the court's ledger a row, one disclosure in the lender's custody log: more only where it is told."""
        bad = self._fought.violations
        with closing(sqlite3.connect(self.home / "court-ledger/data/ledger.sqlite")) as c:
            registered = Counter(row[0].hex() for row in c.execute("SELECT digest FROM grant_state"))
            bodies = [json.loads(row[0]) for row in c.execute("SELECT body FROM tx")]
        written = Counter(body["grant"] for body in bodies if body["type"] == "grant")
        with closing(sqlite3.connect(self.home / "custodian/data/custodian.sqlite")) as c:
            issued = {row[0].hex(): row[1] for row in c.execute("SELECT digest, uses_spent FROM grant_record")}
            events = [json.loads(row[0]) for row in c.execute("SELECT event FROM custody_event")]
        disclosed = Counter(e["subject"]["grant"] for e in events if e["action"] == "disclose")
        granted = Counter(e["subject"]["grant"] for e in events if e["action"] == "grant")
        once = dict.fromkeys(disclosures, 1)
        for what, found in (("registrations", registered), ("ledger transactions", written), ("grant events", granted)):
            if dict(found) != once:
                bad.append(f"{what}: {sum(found.values())} of {len(found)} grants for {len(once)} rows")
        if set(issued) != set(once):
            bad.append(f"{len(issued)} grants were issued for {len(once)} rows")
        for grant, count in disclosed.items():
            if count != issued.get(grant):
                bad.append(f"grant {grant}: {count} disclosures, {issued.get(grant)} uses spent")
            if count > disclosures.get(grant, 0):
                bad.append(f"grant {grant}: {count} disclosures, the batch tells of {disclosures.get(grant, 0)}")
        if set(disclosed) != set(once):
            bad.append(f"{len(disclosed)} grants were disclosed for {len(once)} rows")


async def fight(
    *, rows: int, faults: int, dossiers: int, kills: int, role_kills: int, seed: int, say: Callable[[str], None]
) -> Fought:
    """Once, in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="courtrelay-batch-") as folder:
        loop = BatchLoop(
            Path(folder), rows=rows, faults=faults, dossiers=dossiers, kills=kills, role_kills=role_kills, seed=seed
        )
        fought = await loop.run()
    said = ", ".join(f"{role} {count}" for role, count in sorted(fought.kills.items()))
    good = rows - faults
    say(
        f"seed {seed}: {rows} rows, {faults} faulty, {good} done once in {fought.seconds:.1f} s"
        f" ({good / fought.seconds:.1f} rows/s), {fought.runs} runs, kills: {said or 'none'},"
        f" {fought.asked_again} rows asked again, {len(fought.violations)} violations"
    )
    for violation in fought.violations[:20]:
        say(f"  VIOLATION: {violation}")
    return fought


def main() -> int:
    """`python3 run.py batch [--rows N] [--seed S]`; 1 when anything was violated."""
    parser = argparse.ArgumentParser(prog="run.py batch", description=__doc__)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--faults", type=int, default=37)
    parser.add_argument("--dossiers", type=int, default=200)
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--role-kills", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    fought = asyncio.run(
        fight(
            rows=wanted.rows,
            faults=wanted.faults,
            dossiers=wanted.dossiers,
            kills=wanted.kills,
            role_kills=wanted.role_kills,
            seed=wanted.seed,
            say=print,
        )
    )
    return 1 if fought.violations else 0


if __name__ == "__main__":
    raise SystemExit(main())
