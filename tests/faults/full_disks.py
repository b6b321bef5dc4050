"""Full disks under load: a role's disk fills up while a lender deposits, and gets room again; afterwards everything is compared.

Used by the test suite and by `python3 run.py faults`, which prints its volume and seed.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import tempfile
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from relay.app.demo.network import Network
from relay.app.initialise import initialise
from relay.app.processes import RoleProcess
from relay.core.errors import RelayError
from tests.faults.disks import FileLimit, SmallDisk, small_disk
from tests.faults.lender import Business, Say, all_through
from tests.faults.supervised import supervised
from tests.support.compare import compare

ROLES = ("custodian", "relay", "court")
MEETS_WITHIN = 300
PAUSE_S = 0.2


@dataclass(slots=True)
class Outcome:
    """What happened; `violations` is empty when all held."""

    filled: Counter[str] = field(default_factory=Counter)
    ended: Counter[tuple[str, int]] = field(default_factory=Counter)
    retried: int = 0
    records: int = 0
    kind: str = ""
    violations: list[str] = field(default_factory=list)


class FullDisks:
    """One run in a folder of its own."""

    def __init__(self, folder: Path, count: int, seed: int) -> None:
        self._folder = folder
        self._count = count
        self._chosen = random.Random(seed)
        self._outcome = Outcome()
        self._ended: Counter[tuple[str, int]] = Counter()
        self._business = Business(folder / "home", folder, 2 * count + 1, seed)
        self._loan = itertools.count()

    async def run(self) -> Outcome:
        """`count` fillings, one role after the other."""
        self._business.prepare()
        home = initialise(self._folder / "home", base_port=0, validators=4, threshold=3, anchor_interval_s=0.05).home
        network = Network(home)
        with ExitStack() as stack:
            disks = {role: stack.enter_context(small_disk(home / role / "data", 2 * self._count)) for role in ROLES}
            self._outcome.kind = type(disks["relay"]).__name__

            def started(process: RoleProcess) -> None:
                if process.role in disks:
                    disks[process.role].again(process.pid)

            try:
                await network.start()
                async with supervised(network, started) as supervisor:
                    self._ended = supervisor.codes
                    for number in range(self._count):
                        role = ROLES[number % len(ROLES)]
                        await self._full(network.roles[role], disks[role])
                    await self._deposit()
                    total = self._business.records
                    await network.until(f"{total} confirmed everywhere", all_through(total))
                self._outcome.ended = supervisor.codes
            finally:
                await network.end()
            self._outcome.records = self._business.records
            self._outcome.violations += self._business.complaints + (await compare(home)).violations
            expected = len(set(self._business.indices.values()))
            if sorted(self._business.indices) != list(range(expected)):
                self._outcome.violations.append(f"{expected} records have other log indices than 0 to {expected - 1}")
        return self._outcome

    async def _full(self, process: RoleProcess, disk: SmallDisk | FileLimit) -> None:
        before_it_fills = asyncio.create_task(self._deposit(), name="deposit")
        await asyncio.sleep(self._chosen.random() * PAUSE_S)
        before = self._failures(process.role)
        await asyncio.to_thread(disk.fill, process.pid)
        self._outcome.filled[process.role] += 1
        while_it_is_full = asyncio.create_task(self._deposit(), name="another")  # the first may be through already
        if not await self._met(process.role, before):
            self._outcome.violations.append(f"{process.role} has not met its full disk")
        await asyncio.sleep(self._chosen.random() * PAUSE_S)
        await asyncio.to_thread(disk.free, process.pid)
        await asyncio.gather(before_it_fills, while_it_is_full)

    def _failures(self, role: str) -> int:
        """How often the role has ended by itself; and, of the custodian, how often a deposit was not taken."""
        ended = sum(number for (name, _), number in self._ended.items() if name == role)
        return ended + (self._outcome.retried if role == "custodian" else 0)

    async def _met(self, role: str, before: int) -> bool:
        for _ in range(MEETS_WITHIN):
            if self._failures(role) > before:
                return True
            await asyncio.sleep(PAUSE_S)
        return False

    async def _deposit(self) -> None:
        """The next loan. Whatever broke off is deposited again, which must change nothing."""
        loan = next(self._loan)
        while True:
            try:
                await self._business.deposit(loan, "whole")
                return
            except RelayError:
                self._outcome.retried += 1
                await asyncio.sleep(PAUSE_S)


async def full_disks(count: int, seed: int, say: Say = lambda _line: None) -> Outcome:
    """Run once in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="courtrelay-disks-") as folder:
        outcome = await FullDisks(Path(folder), count, seed).run()
    ended = (
        ", ".join(f"{role} with {code}: {number}" for (role, code), number in sorted(outcome.ended.items())) or "none"
    )
    say(
        f"seed {seed}: disks filled {dict(outcome.filled)} ({outcome.kind}); ended and started again: {ended};"
        f" {outcome.records} records, {outcome.retried} deposits tried again, {len(outcome.violations)} violations"
    )
    for violation in outcome.violations:
        say(f"  VIOLATION: {violation}")
    return outcome
