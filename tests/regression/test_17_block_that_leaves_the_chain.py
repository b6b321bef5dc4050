"""Acting on a block that a reorganisation removes: nothing goes on from a branch that is not final; beyond finality the origin halts."""

from __future__ import annotations

import asyncio
import logging

import pytest

from tests.simulation.chain import FINALITY
from tests.simulation.dice import NoDice
from tests.simulation.director import Director
from tests.simulation.lender import HONEST
from tests.simulation.loop import VirtualLoop, run
from tests.simulation.world import World

BLOCKS = 8


async def reorganised(loop: VirtualLoop, depth: int, at: int) -> tuple[World, list[str]]:
    """A checkpoint every block; at block `at` the last `depth` blocks leave the chain."""
    world = World(loop, NoDice(), (HONEST,), chains=1)
    director = Director(world)
    (lender,), (chain,) = world.lenders, world.chains
    world.start()
    for height in range(1, BLOCKS + 1):
        lender.grow(2)
        chain.mine()
        await asyncio.sleep(1.5)
        if height == at:
            chain.reorganise(depth)
    for _ in range(80):
        await asyncio.sleep(1.0)
        chain.mine()
    missing = director.missing()
    await world.stop()
    found = [*world.failures, *world.court_chain.violations, *director.final_checks()]
    return world, [*found, missing] if missing else found


def play(depth: int, at: int) -> tuple[World, list[str]]:
    logging.disable(logging.CRITICAL)
    try:
        loop = VirtualLoop(depth * 100 + at)
        return run(loop, reorganised(loop, depth, at))
    finally:
        logging.disable(logging.NOTSET)


@pytest.mark.parametrize("at", range(1, BLOCKS + 1))
@pytest.mark.parametrize("depth", range(1, FINALITY + 1))
def test_reorganisation_below_finality_forwards_only_the_final_branch(depth: int, at: int) -> None:
    if depth <= at:
        assert play(depth, at)[1] == []


@pytest.mark.parametrize("depth", range(FINALITY + 1, FINALITY + 4))
def test_reorganisation_beyond_finality_halts_the_origin(depth: int) -> None:
    world, _ = play(depth, BLOCKS)
    reasons = [str(row[0]) for row in world.relay.disk.rows("SELECT reason FROM exhibit WHERE resumed = ''")]
    assert len(reasons) == 1
    assert "which was final" in reasons[0]
