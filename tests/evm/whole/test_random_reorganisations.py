"""A thousand random reorganisations of the lender's chain, none deeper than finality, while the way goes on and relays start again."""

from __future__ import annotations

import random
import secrets
from collections.abc import Awaitable, Callable

from relay.core.errors import RelayError
from tests.evm.whole.bench import FINALITY, Whole

REORGANISATIONS = 1000


class Storm:
    """Throws dice for what happens next."""

    def __init__(self, whole: Whole, seed: int) -> None:
        self.whole, self.dice = whole, random.Random(seed)
        self.reorganised = self.anchored = self.restarted = self.rewritten = 0

    async def run(self) -> None:
        steps: list[tuple[int, Callable[[], Awaitable[None]]]] = [
            (60, self.reorganise),
            (12, self.mine),
            (6, self.anchor),
            (8, self.look_again),
            (8, self.receive),
            (2, self.restart),
        ]
        weights = [weight for weight, _ in steps]
        while self.reorganised < REORGANISATIONS:
            ((_, step),) = self.dice.choices(steps, weights)
            await step()

    async def reorganise(self) -> None:
        """Anything that is not final may go; some of it comes back in another block, and some of these branches are longer."""
        depth = self.dice.randint(1, FINALITY)
        if self.dice.random() < 0.25:
            await self.branch(depth)
        else:
            await self.whole.reorganise(depth)
        self.reorganised += 1
        if self.dice.random() < 0.4:
            await self.whole.caught_up()

    async def branch(self, depth: int) -> None:
        await self.whole.lender.call("anvil_rollback", depth)
        await self.whole.mine(depth + self.dice.randint(0, 1))

    async def mine(self) -> None:
        await self.whole.mine(self.dice.randint(1, FINALITY))

    async def anchor(self) -> None:
        await self.whole.deposit()
        if await self.whole.way.anchoring.now() is not None:
            self.anchored += 1

    async def look_again(self) -> None:
        try:
            self.rewritten += await self.whole.way.anchoring.look_again()
        except RelayError:
            return

    async def receive(self) -> None:
        await self.whole.push()
        await self.whole.way.receipt_check.check()

    async def restart(self) -> None:
        await self.whole.restart_relay()
        self.restarted += 1


async def test_a_thousand_random_reorganisations_lose_nothing_and_double_nothing(whole: Whole) -> None:
    seed = secrets.randbits(32)
    storm = Storm(whole, seed)
    try:
        await storm.run()
        await whole.come_through()
        await whole.check()
    except BaseException as error:
        error.add_note(f"seed {seed} after {storm.reorganised} reorganisations")
        raise
    assert min(storm.anchored, storm.restarted, storm.rewritten) > 0, f"seed {seed} threw nothing of one kind"
