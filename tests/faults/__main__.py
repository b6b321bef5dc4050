"""`python3 run.py faults [--count N] [--seed S]`: N full disks, then every clock jump of every role; 1 when anything was violated."""

from __future__ import annotations

import argparse
import asyncio

from tests.faults.clocks import JUMPS_S, clock_jumps, find_library
from tests.faults.full_disks import ROLES, full_disks


async def _run(count: int, seed: int) -> bool:
    bad = bool((await full_disks(count, seed, print)).violations) if count else False
    if find_library() is None:
        print("clock jumps: left out, libfaketime is not installed (on Debian: apt install faketime)")
        return bad
    for role in ROLES:
        bad |= bool((await clock_jumps(role, tuple(JUMPS_S), seed, print)).violations)
    return bad


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(prog="run.py faults", description=__doc__)
    parser.add_argument("--count", type=int, default=60, help="full disks; one role after the other")
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    return 1 if asyncio.run(_run(wanted.count, wanted.seed)) else 0


if __name__ == "__main__":
    raise SystemExit(main())
