"""Every crash point of a scenario, one after the other: the machine dies there, starts again, and all must be as promised.

A point is a call to the store, to a pack, to a ledger or to another role (before it is sent, after its answer), a commit, or any
step of the event loop while the machine is up. `targets` may name a second point, counted from the restart: a crash while recovering.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from dataclasses import dataclass

from tests.simulation.dice import NoDice
from tests.simulation.director import Director
from tests.simulation.lender import FORKS, HONEST
from tests.simulation.loop import VirtualLoop, run
from tests.simulation.process import Machine, Points
from tests.simulation.world import World

VIRTUAL_S_MAX = 900.0

Action = tuple[float, str, int, int]
"""(virtual seconds after the one before, what, which lender, how much)."""

SCENARIOS: dict[str, tuple[tuple[str, ...], tuple[Action, ...]]] = {
    "two checkpoints": ((HONEST,), ((0.0, "grow", 0, 3), (2.0, "grow", 0, 5))),
    "two checkpoints at once": ((HONEST,), ((0.0, "grow", 0, 2), (0.0, "grow", 0, 1))),
    "several packages": ((HONEST,), ((0.0, "grow", 0, 300), (2.0, "grow", 0, 260))),
    "two lenders on two ledgers": ((HONEST, HONEST), ((0.0, "grow", 0, 3), (0.1, "grow", 1, 4))),
    "reorganisation": ((HONEST,), ((0.0, "grow", 0, 3), (1.1, "reorganise", 0, 1), (1.0, "grow", 0, 2))),
    "an equivocating neighbour": ((HONEST, FORKS), ((0.0, "grow", 0, 3), (0.1, "grow", 1, 4), (1.0, "grow", 0, 1))),
    "court ledger away": ((HONEST,), ((0.0, "down", 0, 0), (0.0, "grow", 0, 4), (8.0, "up", 0, 0))),
}


@dataclass(frozen=True)
class Case:
    """One scenario with one machine that dies."""

    scenario: str
    machine: str
    targets: tuple[int | str, ...]


@dataclass(frozen=True)
class Result:
    """What a case showed."""

    case: Case
    violations: list[str]
    first_life: int
    """Points in the first life: all of them when nothing died."""
    second_life: int
    names: Counter[str]
    died_at: list[str]


def play(case: Case) -> Result:
    """Run one case in a world of its own; the same case gives the same result."""
    logging.disable(logging.CRITICAL)
    loop = VirtualLoop(1)
    characters, actions = SCENARIOS[case.scenario]
    points = Points(case.targets)
    lives: list[int] = []

    async def main() -> list[str]:
        world = World(loop, NoDice(), characters, chains=len(characters))
        machine: Machine = getattr(world, case.machine)
        machine.points = points
        loop.on_step = lambda: _step(machine)
        return await _drive(world, actions, machine, lives)

    try:
        violations = run(loop, main())
    finally:
        logging.disable(logging.NOTSET)
    return Result(case, violations, points.first_life or lives[0], lives[0], points.names, points.died_at)


def _step(machine: Machine) -> None:
    process = machine.up()
    if process is not None and machine.points.hit("await"):
        process.die("await")


async def _drive(world: World, actions: tuple[Action, ...], machine: Machine, lives: list[int]) -> list[str]:
    director = Director(world)
    world.start()
    world.spawn(_mine(world))
    for wait, what, which, amount in actions:
        await asyncio.sleep(wait)
        if what == "grow":
            world.lenders[which].grow(amount)
        elif what == "reorganise":
            world.lenders[which].chain.reorganise(amount)
        else:
            world.court_chain.down = what == "down"
    missing = director.missing()
    while missing and world.loop.time() < VIRTUAL_S_MAX and not world.failures:
        await asyncio.sleep(0.25)
        missing = director.missing()
    lives.append(machine.points.count)
    machine.points.targets.clear()
    world.loop.on_step = lambda: None
    await world.stop()
    found = [*world.failures, *world.court_chain.violations, *director.final_checks()]
    return [*found, missing] if missing else found


async def _mine(world: World) -> None:
    while True:
        for chain in world.chains:
            chain.mine()
        await asyncio.sleep(1.0)


def single(scenario: str, machine: str) -> list[Case]:
    """One case a point of the clean run."""
    clean = play(Case(scenario, machine, ()))
    assert clean.violations == [], (scenario, clean.violations)
    return [Case(scenario, machine, (point,)) for point in range(1, clean.first_life + 1)]


def named(results: list[Result], name: str) -> Case:
    """A case that dies at a point which only recoveries have."""
    found = next(r for r in results if name in r.names)
    return Case(found.case.scenario, found.case.machine, (*found.case.targets, name))


def doubled(results: list[Result], count: int) -> list[Case]:
    """Crashes while recovering: for restarts chosen evenly over all first crashes, a second point of the life after it."""
    dice = random.Random(len(results))
    chosen = [results[len(results) * n // count] for n in range(count)]
    return [
        Case(r.case.scenario, r.case.machine, (*r.case.targets, dice.randrange(1, max(2, r.second_life))))
        for r in chosen
    ]
