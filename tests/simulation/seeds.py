"""One seed: a world, its faults, its outcome."""

from __future__ import annotations

import logging
import multiprocessing
import os
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping

from tests.simulation.dice import Dice, NoDice
from tests.simulation.director import Director, Outcome
from tests.simulation.loop import VirtualLoop, run
from tests.simulation.world import World, choose_characters

STEPS_A_SEED = 15_000
"""Length of a world's safety phase."""


def simulate_only(
    seed: int, fault_steps: int, rates: Mapping[str, float], characters: tuple[str, ...]
) -> tuple[Outcome, World]:
    """A world with these faults alone and these lenders; the world as it ended."""
    logging.disable(logging.CRITICAL)
    loop = VirtualLoop(seed)
    dice = NoDice(seed)
    dice.rates.update(rates)
    worlds: list[World] = []

    async def main() -> Outcome:
        worlds.append(World(loop, dice, characters, chains=1))
        return await Director(worlds[0]).run(fault_steps)

    try:
        return run(loop, main()), worlds[0]
    finally:
        logging.disable(logging.NOTSET)


def simulate(seed: int, fault_steps: int) -> tuple[Outcome, Counter[str]]:
    """The same seed and code give the same outcome, down to the hash of all that happened."""
    logging.disable(logging.CRITICAL)
    loop = VirtualLoop(seed)
    dice = Dice(seed)

    async def main() -> Outcome:
        return await Director(World(loop, dice, choose_characters(seed))).run(fault_steps)

    try:
        return run(loop, main()), dice.counts
    finally:
        logging.disable(logging.NOTSET)


def _one(task: tuple[int, int]) -> tuple[int, Outcome, Counter[str]]:
    # a process that is killed leaves work that never began
    warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
    seed, steps = task
    outcome, counts = simulate(seed, steps)
    return seed, outcome, counts


def outcomes(first_seed: int, steps: int, steps_a_seed: int) -> Iterator[tuple[int, Outcome, Counter[str]]]:
    """Every seed that is needed, as they finish."""
    tasks = [(first_seed + n, steps_a_seed) for n in range(-(-steps // steps_a_seed))]
    with multiprocessing.get_context("spawn").Pool(min(len(tasks), os.cpu_count() or 1)) as pool:
        yield from pool.imap_unordered(_one, tasks)
