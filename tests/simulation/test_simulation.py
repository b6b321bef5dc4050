"""Three million fault steps on two hundred seeds: nothing lost, nothing twice; and every seed can be replayed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from tests.simulation.dice import FAULTS
from tests.simulation.seeds import STEPS_A_SEED, outcomes

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
