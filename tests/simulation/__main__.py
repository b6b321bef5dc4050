"""`python3 run.py simulate --steps N --seed S`: seeds from S on until N fault steps are done, in as many processes as there are cores."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from tests.simulation.seeds import STEPS_A_SEED, outcomes


def main() -> int:
    """Prints what was done; the exit code is 1 when a seed broke a promise."""
    parser = argparse.ArgumentParser(prog="run.py simulate", description=__doc__)
    parser.add_argument("--steps", type=int, default=3_000_000, help="fault steps in all")
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--steps-a-seed", type=int, default=STEPS_A_SEED, help="length of a world's safety phase")
    chosen = parser.parse_args()
    began = time.monotonic()
    faults: Counter[str] = Counter()
    seeds = done = total = checkpoints = effects = lives = broken = 0
    for seed, outcome, counts in outcomes(chosen.seed, chosen.steps, chosen.steps_a_seed):
        seeds, done, total = seeds + 1, done + outcome.fault_steps, total + outcome.steps
        checkpoints, effects, lives = (
            checkpoints + outcome.checkpoints,
            effects + outcome.effects,
            lives + outcome.lives,
        )
        faults += counts
        if outcome.violations:
            broken += 1
            print(f"seed {seed}: {outcome.violations[0]}")
            print(f"  replay: python3 run.py simulate --seed {seed} --steps {chosen.steps_a_seed}"
                  f" --steps-a-seed {chosen.steps_a_seed}")  # fmt: skip
        elif chosen.steps <= chosen.steps_a_seed:
            print(f"seed {seed}: trace {outcome.digest}")
    seconds = time.monotonic() - began
    print(
        f"seeds {chosen.seed} to {chosen.seed + seeds - 1}: {done:,} fault steps, {total:,} steps in all, {total / seconds:,.0f} steps/s"
    )
    print(
        f"{checkpoints:,} checkpoints anchored, {effects:,} effects on the court ledger, {lives:,} lives of relay and court"
    )
    for kind, count in sorted(faults.items()):
        print(f"  {kind:<32} {count:>10,}")
    print(f"{broken} of {seeds} seeds broke a promise")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
