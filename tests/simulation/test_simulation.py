"""Three million fault steps on two hundred seeds: nothing lost, nothing twice; and every seed can be replayed."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from tests.simulation.dice import FAULTS
from tests.simulation.loop import VirtualLoop, run
from tests.simulation.seeds import STEPS_A_SEED, outcomes, simulate

STEPS = 3_000_000
ROOT = Path(__file__).resolve().parents[2]


def test_three_million_fault_steps_lose_nothing_and_double_nothing() -> None:
    faults: Counter[str] = Counter()
    broken, done, effects = {}, 0, 0
    for seed, outcome, counts in outcomes(1, STEPS, STEPS_A_SEED):
        faults += counts
        done += outcome.fault_steps
        effects += outcome.effects
        if outcome.violations:
            broken[seed] = outcome.violations[0]
    assert broken == {}
    assert done >= STEPS
    assert effects > 1000
    assert set(faults) == set(FAULTS), "every kind of fault has happened"


def test_same_seed_gives_the_same_trace_whatever_the_hash_seed() -> None:
    command = [sys.executable, "-m", "tests.simulation", "--steps", "15000", "--seed", "7"]
    traces = []
    for hash_seed in ("0", "1", "1"):
        done = subprocess.run(
            command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": hash_seed},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        traces.append(next(line for line in done.stdout.splitlines() if "trace" in line))
    assert len(set(traces)) == 1


def test_a_seed_gives_the_same_trace_whatever_ran_before_in_the_process() -> None:
    """A seed that fails among others is replayed alone: which numbers their tasks took may not matter."""
    traces = set()
    for tasks in range(18):
        run(VirtualLoop(0), _some_tasks(tasks))
        traces.add(simulate(2, 4_000)[0].digest)
    assert len(traces) == 1


async def _some_tasks(number: int) -> None:
    await asyncio.gather(*(asyncio.sleep(0) for _ in range(number)))
