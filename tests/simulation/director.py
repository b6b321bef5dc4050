"""What happens to a world: lenders grow, blocks are mined, lines and ledgers fail, an operator looks in. Then all must be as promised."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from relay.core.errors import RelayError
from relay.core.lifecycle import ItemState
from tests.simulation.chain import LenderChain
from tests.simulation.lender import FORKS, HONEST, Lender
from tests.simulation.process import Crash
from tests.simulation.world import World

LIVENESS_S = 3600.0
LIVENESS_STEPS = 1_000_000
OPERATOR_S = 120.0
ENTRIES_MAX = 40
CHECKPOINTS_MAX = 40


@dataclass(frozen=True)
class Outcome:
    """What one seed showed."""

    violations: list[str]
    digest: str
    fault_steps: int
    steps: int
    checkpoints: int
    effects: int
    lives: int


class Director:
    """Runs the safety phase until `fault_steps` are done, then the liveness phase until all is as it must be."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._dice = world.dice
        self._growing = True

    async def run(self, fault_steps: int) -> Outcome:
        """One world from beginning to end."""
        world = self._world
        world.start()
        for lender in world.lenders:
            world.spawn(self._grow(lender))
        for chain in world.chains:
            world.spawn(self._mine(chain))
        world.spawn(self._trouble())
        self._dice.active = True
        while world.loop.steps < fault_steps and not world.failures:
            await asyncio.sleep(1.0)
        done = world.loop.steps
        self._heal()
        unfinished = await self._until_finished()
        await world.stop()
        return Outcome(
            violations=[*world.failures, *world.court_chain.violations, *unfinished, *self.final_checks()],
            digest=self._dice.digest(),
            fault_steps=done,
            steps=world.loop.steps,
            checkpoints=sum(len(lender.checkpoints) for lender in world.lenders),
            effects=len(world.court_chain.effects),
            lives=world.relay.lives + world.court.lives,
        )

    async def _grow(self, lender: Lender) -> None:
        while self._growing and len(lender.checkpoints) < CHECKPOINTS_MAX:
            lender.grow(1 + int(self._dice.delay(ENTRIES_MAX)))
            await asyncio.sleep(self._dice.delay(30.0))

    async def _mine(self, chain: LenderChain) -> None:
        while True:
            await asyncio.sleep(0.5 + self._dice.delay(2.0))
            chain.mine()
            depth = len(chain.blocks) - chain.final_height
            if depth and self._dice.maybe("reorganisation"):
                chain.reorganise(1 + int(self._dice.delay(depth)))

    async def _trouble(self) -> None:
        """Partitions, outages and clock jumps that last a while."""
        world = self._world
        while True:
            await asyncio.sleep(1.0)
            for link in world.links.values():
                if link.cut and self._dice.random.random() < 0.1:
                    link.cut = False
                elif self._dice.maybe("partition"):
                    link.cut = True
            if world.court_chain.down and self._dice.random.random() < 0.05:
                world.court_chain.down = False
            elif self._dice.maybe("court ledger down"):
                world.court_chain.down = True
            if self._dice.maybe("clock jumps"):
                world.clock.offset_ms = int((self._dice.random.random() - 0.5) * 1_200_000)

    def _heal(self) -> None:
        self._dice.active = False
        self._growing = False
        self._world.court_chain.down = False
        self._world.clock.offset_ms = 0
        for link in self._world.links.values():
            link.cut = False

    async def _until_finished(self) -> list[str]:
        """Faults have stopped: the promised state must come. An operator re-drives what was put aside meanwhile."""
        loop = self._world.loop
        deadline = loop.time() + LIVENESS_S
        next_look = loop.time() + OPERATOR_S
        steps_max = loop.steps + LIVENESS_STEPS
        while missing := self.missing():
            if loop.time() > deadline:
                return [f"{missing} after {LIVENESS_S:.0f} virtual seconds without faults"]
            if self._world.failures:
                return []
            if loop.steps > steps_max:
                return [f"{missing} after {LIVENESS_STEPS} steps without faults"]
            await asyncio.sleep(1.0)
            if loop.time() > next_look:
                next_look = loop.time() + OPERATOR_S
                await self._operate()
        return []

    async def _operate(self) -> None:
        """What an operator does for an honest lender: retry what a lying node made the relay put aside."""
        process = self._world.relay.up()
        if process is None:
            return
        hands = process.parts["hands"]
        try:
            for lender in self._world.lenders:
                if lender.character != HONEST:
                    continue
                for item in await hands.quarantined(lender.origin, 100):
                    await hands.retry(item.id, "the node is honest again")
                if await process.parts["store"].halted(lender.origin):
                    await hands.resume(lender.origin, "the node is honest again")
        except (RelayError, Crash):
            return

    def missing(self) -> str:
        """What honest lenders still wait for."""
        for lender in self._world.lenders:
            if lender.character != HONEST:
                continue
            sizes = {receipt.size for receipt in self._world.court_chain.of(lender.origin)}
            for checkpoint in lender.checkpoints:
                if self._covered(lender, checkpoint.size) and checkpoint.size < max(sizes, default=0):
                    continue
                if checkpoint.size not in sizes:
                    return f"{lender.origin} size {checkpoint.size} has no effect on the court ledger"
                if checkpoint.size not in lender.receipts:
                    return f"{lender.origin} has no receipt for size {checkpoint.size}"
        return ""

    def _covered(self, lender: Lender, size: int) -> bool:
        """A node had left the anchor out until the court was past it: a rescan found it, and a larger checkpoint covers it."""
        found = self._world.relay.disk.rows("SELECT state FROM item WHERE origin = ? AND size = ?", lender.origin, size)
        return self._dice.counts["feed leaves out anchors"] > 0 and found == [(ItemState.COVERED.value,)]

    def final_checks(self) -> list[str]:
        """total-queue and unique-ids: every effect was anchored, none twice; liars have had no effect."""
        found = []
        for lender in self._world.lenders:
            effects = [(r.size, r.root) for r in self._world.court_chain.of(lender.origin)]
            anchored = {(a.size, a.root) for a in lender.chain.final_anchors() if a.origin == lender.origin}
            if len({size for size, _ in effects}) != len(effects):
                found.append(f"{lender.origin}: an effect happened twice")
            if not set(effects) <= anchored:
                found.append(f"{lender.origin}: an effect without a final anchor")
            if lender.character != HONEST and effects:
                found.append(f"{lender.origin} {lender.character} and has {len(effects)} effects on the court ledger")
            if lender.character == FORKS and not effects and not lender.checkpoints:
                found.append(f"{lender.origin}: the forker did nothing")
        return found
