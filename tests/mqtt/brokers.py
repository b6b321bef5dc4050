"""kill -9 of the broker while a lender deposits: it forgets everything each time; the way goes on and readers miss nothing.

Used by the test suite and by `python3 run.py brokers`, which prints its volume and seed.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from relay.app import desk
from relay.app.demo.network import Network
from relay.app.initialise import IDENTITIES, initialise
from relay.app.notices import follow_notices, read_notices
from relay.sample import generate
from tests.mqtt.broker import PATIENCE_S, Mosquitto
from tests.support.compare import compare

PAUSE_S = 0.3
PUBLISHERS = ("relay", "court")


@dataclass(slots=True)
class Outcome:
    """What happened, and everything that is not as promised (empty: nothing)."""

    kills: int = 0
    records: int = 0
    checkpoints: int = 0
    notices: int = 0
    violations: list[str] = field(default_factory=list)


def told(home: Path, broker: Mosquitto) -> None:
    """Every role of a home tells this broker, and its desks follow."""
    for role in ("custodian", "relay", "court"):
        path = home / role / "config.toml"
        path.write_text(path.read_text() + broker.table())
    for role in PUBLISHERS:
        path = home / f"{role}-desk/desk.toml"
        path.write_text(f'{path.read_text()}{broker.table()}publisher = "{IDENTITIES[role]}"\n')


async def start_in_turn(network: Network) -> None:
    """One role after the other: a busy machine then starts each in good time."""
    for role in network.roles.values():
        await role.start()


class Reader:
    """`courtrelay notices --follow` within this process."""

    def __init__(self, home: Path, role: str) -> None:
        self._home, self._role = home, role
        self.lines: list[dict[str, Any]] = []
        self.complaints: list[str] = []

    @asynccontextmanager
    async def following(self) -> AsyncIterator[Reader]:
        """While the body runs."""
        work = follow_notices(self._home, self._role, 0, self.lines.append, self.complaints.append)
        task = asyncio.create_task(work)
        try:
            yield self
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def until(self, done: Callable[[list[dict[str, Any]]], bool]) -> None:
        """Until the lines are so."""
        async with asyncio.timeout(PATIENCE_S):
            while not done(self.lines):
                await asyncio.sleep(0.05)

    async def violations(self) -> list[str]:
        """Nothing may be left out, repeated or out of order, and each line is what the role's own outbox holds."""
        kept = await read_notices(self._home, self._role, 0, 1000)
        found = [] if [x["seq"] for x in kept] == list(range(1, len(kept) + 1)) else ["the outbox has gaps"]
        return found + ([] if self.lines == kept else [f"{self._role}: {self.lines} were read, {kept} are kept"])


class BrokerLoop:
    """One run in a folder of its own."""

    def __init__(self, folder: Path, kills: int, seed: int) -> None:
        self._folder = folder
        self._kills = kills
        self._seed = seed
        self._random = random.Random(seed)
        self._outcome = Outcome()

    async def run(self) -> Outcome:
        """Deposit while killing; then wait for the end and compare."""
        loans = max(3, self._kills)
        self._outcome.records = generate(self._folder / "loans", loans, self._seed)["records"]
        home = initialise(self._folder / "home", base_port=0, validators=4, threshold=3, anchor_interval_s=0.05).home
        broker = Mosquitto(self._folder / "broker")
        broker.start()
        told(home, broker)
        network, reader = Network(home), Reader(home, "relay")
        try:
            await start_in_turn(network)
            async with reader.following():
                depositing = asyncio.create_task(self._deposit(home, loans), name="deposit")
                await self._kill(broker)
                await depositing
                total = self._outcome.records
                await network.until(f"{total} records confirmed", lambda s: s["custodian"].get("confirmed") == total)
                await reader.until(lambda lines: any(x["event"] == "confirmed" and x["size"] == total for x in lines))
                kept = len(await read_notices(home, "relay", 0, 1000))
                await reader.until(lambda lines: len(lines) >= kept)
                self._outcome.violations += await reader.violations()
        finally:
            broker.kill()
            await network.end()
        await self._compare(home, reader)
        return self._outcome

    async def _deposit(self, home: Path, loans: int) -> None:
        for loan in range(loans):
            report = await desk.deposit(home, self._folder / "loans", lambda _d, _t: None, slice(loan, loan + 1))
            self._outcome.violations += [f"refused: {row.reason}" for row in report.refused]
            await asyncio.sleep(self._random.random() * PAUSE_S)

    async def _kill(self, broker: Mosquitto) -> None:
        while self._outcome.kills < self._kills:
            await asyncio.sleep(self._random.random() * PAUSE_S)
            broker.kill()
            self._outcome.kills += 1
            await asyncio.sleep(self._random.random() * PAUSE_S)
            await asyncio.to_thread(broker.start)

    async def _compare(self, home: Path, reader: Reader) -> None:
        """The court's ledger has each effect once; every anchor and every receipt was told once."""
        compared = await compare(home)
        self._outcome.checkpoints = compared.checkpoints
        self._outcome.notices = len(reader.lines)
        self._outcome.violations += compared.violations
        for event in ("anchored", "confirmed"):
            sizes = [line["size"] for line in reader.lines if line["event"] == event]
            if len(sizes) != compared.checkpoints or len(set(sizes)) != len(sizes):
                self._outcome.violations.append(
                    f"{event}: told of {sizes}, there are {compared.checkpoints} checkpoints"
                )


async def broker_loop(kills: int, seed: int, say: Callable[[str], None] = lambda _line: None) -> Outcome:
    """Run once in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="courtrelay-brokers-") as folder:
        outcome = await BrokerLoop(Path(folder), kills, seed).run()
    say(
        f"seed {seed}: {outcome.kills} kills of the broker, {outcome.records} records in {outcome.checkpoints}"
        f" checkpoints, {outcome.notices} notices, {len(outcome.violations)} violations"
    )
    for violation in outcome.violations:
        say(f"  VIOLATION: {violation}")
    return outcome


def main() -> int:
    """`python3 run.py brokers [--count N] [--seed S]`; 1 when anything was violated."""
    parser = argparse.ArgumentParser(prog="run.py brokers", description=__doc__)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    return 1 if asyncio.run(broker_loop(wanted.count, wanted.seed, print)).violations else 0


if __name__ == "__main__":
    raise SystemExit(main())
