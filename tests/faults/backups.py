"""Backups taken while everything runs, and each restored: nothing doubled, nothing forked, nothing given twice.

Used by the test suite and by `python3 run.py backups`, which prints its volume and seed.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import sqlite3
import tempfile
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from relay.app import backup
from relay.app.catch_up import catch_up
from relay.app.demo.network import Network
from relay.app.exits import EXIT_BEHIND
from relay.app.initialise import CUSTODY, LENDER_CUSTODY, initialise
from relay.core.errors import RelayError, Unavailable
from relay.services.standing import Behind
from tests.faults.lender import Business, Issued, Say, all_through
from tests.support.compare import compare

TURN = ("custodian", "relay", "custodian", "court")


@dataclass(slots=True)
class Taken:
    """One set of backups, and what was true when it was made."""

    folder: Path
    grants: list[Issued]


@dataclass(slots=True)
class Outcome:
    """What happened; `violations` is empty when all held."""

    restored: Counter[str] = field(default_factory=Counter)
    behind: Counter[str] = field(default_factory=Counter)
    put_back: int = 0
    lost: int = 0
    denied: int = 0
    records: int = 0
    retrievals: int = 0
    violations: list[str] = field(default_factory=list)


class BackupRun:
    """One run in a folder of its own."""

    def __init__(self, folder: Path, count: int, seed: int) -> None:
        self._folder = folder
        self._count = count
        self._chosen = random.Random(seed)
        self._outcome = Outcome()
        self._business = Business(folder / "home", folder, count + 3, seed)

    async def run(self) -> Outcome:
        """Business with backups; then each is restored in a copy of the whole network as it was at the end."""
        self._business.prepare()
        home = initialise(self._folder / "home", base_port=0, validators=4, threshold=3, anchor_interval_s=0.05).home
        network = Network(home)
        try:
            await network.start()
            taken = [await self._step(number) for number in range(self._count)]
            await self._business.deposit(self._count, "whole")
            await network.until("all confirmed", all_through(self._business.records))
            await self._until_custody_anchored(home)
        finally:
            await network.end()
        for number, one in enumerate(taken):
            await self._restored(one, TURN[number % len(TURN)], number)
            self._outcome.violations += self._business.complaints
        return self._outcome

    async def _step(self, number: int) -> Taken:
        """Some business, and backups of all roles in the middle of it."""
        b = self._business
        await b.deposit(number, "half")
        grant = await b.issue(number)
        doing = asyncio.create_task(self._meanwhile(number, grant), name="business")
        await asyncio.sleep(self._chosen.random() * 0.5)
        folder = self._folder / f"taken-{number}"
        grants = [*b.grants]
        for role in backup.ROLES:
            path = b.home / role / "config.toml"
            await asyncio.to_thread(backup.back_up, role, path, folder / role, 1_700_000_000, with_keys=False)
        await doing
        return Taken(folder=folder, grants=grants)

    async def _meanwhile(self, number: int, grant: Issued) -> None:
        await self._retrieve(grant)
        await self._business.deposit(number, "whole")
        if number % 2:
            await self._business.revoke(grant)

    async def _retrieve(self, grant: Issued) -> None:
        """Patiently: a grant opens nothing before the court's ledger has it, nor records that are not there yet."""
        for _ in range(100):
            with suppress(RelayError):
                verdict = await self._business.retrieve(grant)
                self._outcome.retrievals += 1
                if verdict == "INCONSISTENT":
                    self._outcome.violations.append(f"a retrieval is INCONSISTENT: {self._business.failed_steps}")
                return
            await asyncio.sleep(0.2)
        self._outcome.violations.append("a retrieval never succeeded")

    async def _until_custody_anchored(self, home: Path) -> None:
        """The lender's custody log is anchored as it is; then nothing more happens to it."""
        with closing(sqlite3.connect(f"file:{home}/custodian/data/custodian.sqlite?mode=ro", uri=True)) as database:
            (size,) = database.execute("SELECT size FROM mirror_log WHERE origin = 'custody'").fetchone()
        for _ in range(200):
            if max(heads(home), default=0) >= size:
                return
            await asyncio.sleep(0.1)
        raise AssertionError("the custody log was never anchored")

    async def _restored(self, taken: Taken, role: str, number: int) -> None:
        """Everything as it was at the end, but one role's data older."""
        end = self._folder / "home"
        home = self._folder / f"restored-{number}"
        shutil.copytree(end, home, symlinks=True)
        before = heads(home)
        shutil.rmtree(home / role / "data")
        backup.restore(role, home / role / "config.toml", taken.folder / role)
        self._outcome.restored[role] += 1
        network = Network(home)
        b = Business(home, self._folder, self._business.loans, 0)
        b.dossiers, b.grants = dict(self._business.dossiers), list(self._business.grants)
        b.indices = dict(self._business.indices)
        try:
            await self._start(network, home, role)
            await self._go_on(network, b, taken, role, number)
        finally:
            await network.end()
        self._outcome.records = b.records
        self._outcome.violations += [f"{role} restored from {number}: {words}" for words in b.complaints]
        self._outcome.violations += (await compare(home)).violations
        if {size: root for size, root in heads(home).items() if size in before} != before:
            self._outcome.violations.append("the custody log's anchors have changed")
        shutil.rmtree(home)

    async def _start(self, network: Network, home: Path, role: str) -> None:
        """The restored role last; where it says that it is behind, what its words say is done."""
        others = [one for name, one in network.roles.items() if name != role and not name.endswith("ledger")]
        await asyncio.gather(*(one.start() for name, one in network.roles.items() if name.endswith("ledger")))
        await asyncio.gather(*(one.start() for one in others))
        restored = network.roles[role]
        with suppress(Unavailable):
            await restored.start()
            if role != "court" or not await ends(restored.wait()):
                return
        if await restored.wait() != EXIT_BEHIND:
            self._outcome.violations.append(f"{role} ended with {await restored.wait()}")
        self._outcome.behind[role] += 1
        if role == "custodian":
            await self._catch_up(home)
        self._rename_custody(home, role)
        await restored.start()

    async def _catch_up(self, home: Path) -> None:
        path = home / "custodian/config.toml"
        try:
            done = await catch_up(path)
        except Behind as behind:
            self._outcome.violations.append(str(behind))
            return
        self._outcome.put_back += done.entries
        self._outcome.lost += sum(count for _, count in done.lost)

    def _rename_custody(self, home: Path, role: str) -> None:
        """What a person decides: the custody log goes on under a new name, pinned for everybody."""
        old = {"custodian": LENDER_CUSTODY, "court": CUSTODY}[role]
        new = f"{old.removesuffix('/1')}/2"
        path = home / role / "config.toml"
        path.write_text(path.read_text().replace(f'custody_origin = "{old}"', f'custody_origin = "{new}"'))
        trust = home / "trust.json"
        trust.write_text(trust.read_text().replace(f'"{old}"', f'"{new}"').replace('"version": 1', '"version": 2'))

    async def _go_on(self, network: Network, b: Business, taken: Taken, role: str, number: int) -> None:
        """Old grants open nothing that they must not; a new loan and a new grant go the whole way."""
        total = b.records
        await network.until(
            f"{total} confirmed after {role} was restored", lambda s: s["custodian"].get("confirmed") == total
        )
        for grant in taken.grants if role == "custodian" else [one for one in b.grants if one.revoked]:
            if await b.refused(grant):
                self._outcome.denied += 1
            else:
                b.complaints.append(f"a grant opened again: revoked {grant.revoked}")
        await b.deposit(b.loans - 1, "whole")
        await network.until("the new loan is confirmed everywhere", all_through(b.records))
        live = next((n for n, dossier in b.dossiers.items() if dossier == taken.grants[-1].dossier), b.loans - 1)
        business, self._business = self._business, b
        try:
            await self._retrieve(await b.issue(live))
        finally:
            self._business = business


async def ends(waiting: object, within_s: float = 10.0) -> bool:
    """Whether a process ends by itself."""
    try:
        async with asyncio.timeout(within_s):
            await waiting  # type: ignore[misc]
    except TimeoutError:
        return False
    return True


def heads(home: Path) -> dict[int, bytes]:
    """Size → root of the lender's first custody log on its ledger."""
    with closing(sqlite3.connect(f"file:{home}/lender-ledger/data/ledger.sqlite?mode=ro", uri=True)) as database:
        rows = database.execute("SELECT size, root FROM fact WHERE origin = ?", (LENDER_CUSTODY,)).fetchall()
    return dict(rows)


async def backups(count: int, seed: int, say: Say = lambda _line: None) -> Outcome:
    """Run once in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="courtrelay-backups-") as folder:
        outcome = await BackupRun(Path(folder), count, seed).run()
    restored = ", ".join(f"{role} {number}" for role, number in sorted(outcome.restored.items()))
    say(
        f"seed {seed}: {count} backups of three roles during business; restored {restored}; behind their anchors"
        f" {dict(outcome.behind)}; {outcome.put_back} entries put back, {outcome.lost} records stated lost;"
        f" {outcome.denied} old grants refused, {outcome.retrievals} retrievals, {len(outcome.violations)} violations"
    )
    for violation in outcome.violations:
        say(f"  VIOLATION: {violation}")
    return outcome


def main() -> int:
    """`python3 run.py backups [--count N] [--seed S]`; 1 when anything was violated."""
    parser = argparse.ArgumentParser(prog="run.py backups", description=__doc__)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    return 1 if asyncio.run(backups(wanted.count, wanted.seed, print)).violations else 0


if __name__ == "__main__":
    raise SystemExit(main())
