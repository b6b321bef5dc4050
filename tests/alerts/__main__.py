"""`python3 run.py alerts [--only WORD]`: every component, its alert, seconds until it fires and until it has cleared."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path
from typing import Final

from tests.alerts.faults import FAULTS
from tests.alerts.prometheus import AS_DEPLOYED
from tests.alerts.scenario import suffer, traffic, watched

WITHIN_S: Final = 60.0
DEPOSIT_EVERY_S: Final = 3.0
LOANS: Final = 60


async def run(only: str) -> int:
    """With the intervals as deployed, under deposits; 1 when an alert was not the only one or took more than a minute."""
    worst = 0
    wanted = [fault for fault in FAULTS if only in fault.component]
    for fault in wanted:
        if lacks := fault.missing():
            print(f"{fault.component:<16} {fault.how:<18} {fault.alert:<24} skipped: {lacks}")
    faults = [fault for fault in wanted if not fault.missing()]
    with tempfile.TemporaryDirectory(prefix="courtrelay-alerts-") as folder:
        async with watched(Path(folder), AS_DEPLOYED, faults, LOANS) as (scene, prometheus):
            print(f"{'component':<16} {'how':<18} {'alert':<24} {'fires':>7} {'clears':>7}", flush=True)
            with traffic(scene.home, Path(folder) / "loans", LOANS, DEPOSIT_EVERY_S):
                for fault in faults:
                    told = await suffer(scene, prometheus, fault)
                    wrong = told.wrong(fault.alert) or ("" if told.fired_s <= WITHIN_S else "more than a minute")
                    worst = worst or bool(wrong)
                    line = f"{fault.component:<16} {fault.how:<18} {fault.alert:<24}"
                    print(f"{line} {told.fired_s:>5.1f} s {told.cleared_s:>5.1f} s {wrong}", flush=True)
    return worst


def main() -> int:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(prog="run.py alerts", description=__doc__)
    parser.add_argument("--only", default="", help="components whose name has this word")
    return asyncio.run(run(parser.parse_args().only))


if __name__ == "__main__":
    raise SystemExit(main())
