"""One case: a scenario on a disk, the operation at which its power goes, and what then survives. Afterwards all must be as promised."""

from __future__ import annotations

import asyncio
import logging
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from relay.core.errors import RelayError
from tests.powerloss import first_start
from tests.powerloss.disk import PowerDisk
from tests.powerloss.system import simulated
from tests.powerloss.world import PowerWorld
from tests.simulation.director import Director
from tests.simulation.loop import VirtualLoop, run
from tests.simulation.process import Machine

VIRTUAL_S_MAX = 300.0
SHARES = (0.0, 1.0, 0.2, 0.35, 0.5, 0.5, 0.65, 0.8)
"""How much of what was not synced survives on average: one run a share, nothing and everything among them."""

FORWARDING = ("relay", "court")
SCENARIOS = (*first_start.SCENARIOS, *FORWARDING)

LIARS: dict[str, Callable[[str], bool]] = {
    "": lambda _name: False,
    "everything": lambda _name: True,
    "database": lambda name: re.search(r"\.sqlite", name) is not None,
    "packs": lambda name: name.endswith(".pack"),
    "folders": lambda name: "." not in name,
}
"""Whose sync does nothing."""


@dataclass(frozen=True)
class Case:
    """`targets`: the operation of the first life, of the second, ... `killed`: the process alone dies first, the power stays on."""

    scenario: str
    targets: tuple[int, ...] = ()
    survivors: int = 0
    liar: str = ""
    killed: bool = False


@dataclass(frozen=True)
class Result:
    """`counts`: operations of each life."""

    case: Case
    violations: list[str]
    counts: list[int]
    names: Counter[str]
    lost_at: list[str]


def play(case: Case) -> Result:
    """The same case gives the same result."""
    seed = f"{case.scenario} {case.targets} {case.survivors}"
    disk = PowerDisk(
        case.targets, dice=random.Random(seed), share=SHARES[case.survivors % len(SHARES)], lies=LIARS[case.liar],
        deaths_with_power=1 if case.killed else 0,
    )  # fmt: skip
    logging.disable(logging.CRITICAL)
    loop = VirtualLoop(1)
    try:
        with simulated():
            if case.scenario in FORWARDING:
                violations = run(loop, forward(PowerWorld(loop, case.scenario, disk), case.scenario))
            else:
                violations = run(loop, first_start.play(case.scenario, disk))
    finally:
        logging.disable(logging.NOTSET)
    return Result(case, violations, disk.counts, disk.names, disk.lost_at)


async def forward(world: PowerWorld, name: str) -> list[str]:
    """Two checkpoints, three custody events, all receipts; then the power goes once more, and everything is still there."""
    machine: Machine = getattr(world, name)
    director = Director(world)
    world.start()
    world.spawn(_mine(world))
    desk = world.loop.create_task(world.desk() if name == "court" else asyncio.sleep(0))
    try:
        world.lender.grow(3)
        await asyncio.sleep(2.0)
        world.lender.grow(5)
        missing = "nothing was looked at"
        while missing and world.loop.time() < VIRTUAL_S_MAX and not world.failures:
            await asyncio.sleep(0.25)
            missing = director.missing() or await _missing_at_court(world, desk)
        if not missing:
            await _again(machine)
    except RelayError as error:
        missing = f"ended with {error}"
    desk.cancel()
    await world.stop()
    found = [*world.failures, *world.court_chain.violations, *world.custody_ledger.violations, *director.final_checks()]
    return [*found, missing] if missing else found


async def _missing_at_court(world: PowerWorld, desk: asyncio.Task[None]) -> str:
    process = world.court.up()
    if process is None or not desk.done():
        return "the court's desk is not done"
    await desk
    wanted = {c.size for c in world.lender.checkpoints}
    found = await process.parts["store"].accepted(world.lender.origin, [size - 1 for size in wanted if size])
    receipted = {held.size for held in found}
    return "" if wanted <= receipted else f"the court has receipts of {receipted}"


async def _again(machine: Machine) -> None:
    lives = machine.lives
    assert machine.process is not None
    machine.process.die("the power goes when all is done")
    while machine.lives == lives or machine.up() is None:
        await asyncio.sleep(0.05)
        if machine.failures:
            return


async def _mine(world: PowerWorld) -> None:
    while True:
        for chain in world.chains:
            chain.mine()
        await asyncio.sleep(1.0)


def clean(scenario: str) -> Result:
    """The run in which the power stays on until all is done."""
    result = play(Case(scenario))
    assert result.violations == [], (scenario, result.violations)
    return result


def cases(scenario: str, survivors: int, liar: str = "", killed: bool = False) -> Iterator[Case]:
    """Every operation of the first life, with so many different remains of it."""
    for target in range(1, clean(scenario).counts[0] + 1):
        for number in range(survivors):
            yield Case(scenario, (target,), number, liar, killed)
