"""A role whose clock jumps while it runs: ten minutes and a year, forwards and backwards; afterwards everything is compared.

The clock is the real process's, faked by libfaketime between it and the system; the monotonic clock goes on. Used by the test suite and
by `python3 run.py faults`.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from relay.app.demo.network import Network
from relay.app.initialise import initialise
from relay.app.processes import RoleProcess
from relay.core.errors import RelayError
from tests.faults.lender import Business, Issued, Say, all_through
from tests.support.compare import compare

LIBRARY = "libfaketimeMT.so.1"
JUMPS_S = {"ten minutes on": 600, "ten minutes back": -600, "a year on": 366 * 86_400, "a year back": -366 * 86_400}
YEAR = tuple(name for name in JUMPS_S if "year" in name)
PAUSE_S = 0.2
TRY_S = 3.0


def find_library() -> Path | None:
    """Where Debian's package faketime puts it; None where it is not installed."""
    return next(iter(sorted(Path("/usr/lib").glob(f"*/faketime/{LIBRARY}"))), None)


class JumpingClock:
    """The clock of one process, by a file that says how far it is off."""

    def __init__(self, library: Path, file: Path) -> None:
        self._file = file
        self.set(0)
        self.env = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DONT_RESET": "1",
        }

    def set(self, seconds: int) -> None:
        """From now on the process's clock is so far off."""
        draft = self._file.with_suffix(".new")
        draft.write_text(f"{seconds:+d}\n")
        draft.replace(self._file)


@dataclass(slots=True)
class Outcome:
    """What happened; `violations` is empty when all held. `through` and `refused`: deposits, and retrievals, by jump."""

    jumps: Counter[str] = field(default_factory=Counter)
    through: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    records: int = 0
    violations: list[str] = field(default_factory=list)


class ClockRun:
    """One role's clock jumps, one jump after the other, and back each time."""

    def __init__(self, folder: Path, role: str, jumps: tuple[str, ...], seed: int, library: Path) -> None:
        self._folder = folder
        self._role = role
        self._jumps = jumps
        self._library = library
        self._outcome = Outcome()
        self._business = Business(folder / "home", folder, len(jumps) + 2, seed)

    async def run(self) -> Outcome:
        """Business before, during and after each jump."""
        b = self._business
        b.prepare()
        home = initialise(self._folder / "home", base_port=0, validators=4, threshold=3, anchor_interval_s=0.05).home
        network = Network(home)
        clock = JumpingClock(self._library, self._folder / "clock")
        network.roles[self._role] = RoleProcess(self._role, home, home / self._role / "log.jsonl", env=clock.env)
        try:
            await network.start()
            await self._persist(0)
            await network.until("the first loan is confirmed", all_through(b.records))
            grant = await b.issue(0, uses=1000)
            await self._retrieved(grant)
            for number, jump in enumerate(self._jumps, 1):
                await self._jump(clock, jump, number, grant)
                await network.until(f"all is confirmed after {jump} was put right", all_through(b.records))
            await self._persist(len(self._jumps) + 1)
            await network.until("the last loan is confirmed", all_through(b.records))
        finally:
            await network.end()
        self._outcome.records = b.records
        self._outcome.violations += b.complaints + (await compare(home)).violations
        return self._outcome

    async def _jump(self, clock: JumpingClock, jump: str, number: int, grant: Issued) -> None:
        """What is not refused while the clock is wrong must be as good as ever; what is refused goes when it is right again."""
        clock.set(JUMPS_S[jump])
        self._outcome.jumps[f"{self._role} {jump}"] += 1
        deposited = await self._tried(jump, "deposit", self._business.deposit(number, "whole"))
        opened = await self._tried(jump, "retrieval", self._business.retrieve(grant))
        if opened and jump == "a year on" and self._role == "custodian":
            self._outcome.violations.append("a custodian discloses although its trust roots have long expired")
        clock.set(0)
        if not deposited:
            await self._persist(number)
        await self._retrieved(grant)

    async def _tried(self, jump: str, what: str, doing: object) -> bool:
        try:
            async with asyncio.timeout(TRY_S):
                await doing  # type: ignore[misc]
        except (RelayError, TimeoutError):
            self._outcome.refused[f"{what}, {jump}"] += 1
            return False
        self._outcome.through[f"{what}, {jump}"] += 1
        return True

    async def _persist(self, loan: int) -> None:
        for _ in range(300):
            try:
                await self._business.deposit(loan, "whole")
            except RelayError:
                await asyncio.sleep(PAUSE_S)
            else:
                return
        self._outcome.violations.append("deposits did not come back after the clock was right again")

    async def _retrieved(self, grant: Issued) -> None:
        for _ in range(300):
            try:
                verdict = await self._business.retrieve(grant)
            except RelayError:
                await asyncio.sleep(PAUSE_S)
                continue
            if verdict == "INCONSISTENT":
                self._outcome.violations.append(f"a retrieval is INCONSISTENT: {self._business.failed_steps}")
            return
        self._outcome.violations.append("retrievals did not come back after the clock was right again")


async def clock_jumps(role: str, jumps: tuple[str, ...], seed: int, say: Say = lambda _line: None) -> Outcome:
    """Run once in a temporary folder. The library must be there."""
    library = find_library()
    assert library is not None, "libfaketime is not installed; on Debian: apt install faketime"
    with tempfile.TemporaryDirectory(prefix="courtrelay-clocks-") as folder:
        outcome = await ClockRun(Path(folder), role, jumps, seed, library).run()
    say(
        f"seed {seed}: clock jumps {dict(outcome.jumps)}; while it was wrong, done {dict(outcome.through)},"
        f" refused {dict(outcome.refused)}; {outcome.records} records, {len(outcome.violations)} violations"
    )
    for violation in outcome.violations:
        say(f"  VIOLATION: {violation}")
    return outcome
