"""`python3 run.py outage [--seconds N] [--rate N] [--items N] [--seed S]`; 1 when a promise does not hold.

0 seconds or 0 items leave that part out.
"""

from __future__ import annotations

import argparse
import asyncio
from functools import partial

from tests.load.backlog import ENTRIES, run_backlog
from tests.load.outage import RATE, RATIO, run_outage
from tests.load.resident import BOUND_MB
from tests.support.groups import leaves

BASELINE_S = 30.0

say = partial(print, flush=True)


async def outage(seconds: float, rate: int, seed: int) -> list[str]:
    """What does not hold."""
    say(f"== the court ledger is silent for {seconds:.0f} s, {rate} entries/s, seed {seed}")
    run = await run_outage(silent_s=seconds, baseline_s=BASELINE_S, rate=rate, seed=seed, say=say)
    bad = [f"drained only {ratio:.2f} times as fast as the ingest" for ratio in run.ratios if ratio < RATIO]
    return bad + over(run.grown) + run.violations


async def backlogs(items: int, seed: int) -> list[str]:
    """What does not hold."""
    say(f"== a backlog of {items} entries, then of as many items, seed {seed}")
    bad = []
    for run in await run_backlog(entries=items, seed=seed, say=say):
        bad += over(run.grown) + run.violations
    return bad


def over(grown: dict[str, float]) -> list[str]:
    """Roles that need more memory than is promised."""
    return [f"{role} grew by {more:.0f} MiB" for role, more in grown.items() if more > BOUND_MB]


def main() -> int:
    """Both parts, one after the other."""
    parser = argparse.ArgumentParser(prog="run.py outage", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120.0, help="how long the court ledger is silent")
    parser.add_argument("--rate", type=int, default=RATE, help="entries a second meanwhile")
    parser.add_argument("--items", type=int, default=ENTRIES, help="size of the backlogs")
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    bad: list[str] = []
    try:
        if wanted.seconds:
            bad += asyncio.run(outage(wanted.seconds, wanted.rate, wanted.seed))
        if wanted.items:
            bad += asyncio.run(backlogs(wanted.items, wanted.seed))
    except* AssertionError as group:  # the machine cannot carry the rate, or an origin is halted
        bad += [str(error) for error in leaves(group)]
    for line in bad:
        say(f"NOT AS PROMISED: {line}")
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
