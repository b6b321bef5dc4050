"""`python3 run.py planted [NAME ...]`: plant each bug, run its finder, print the seconds it took to find it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.planted.catalogue import PLANTS, Plant

ROOT = Path(__file__).resolve().parents[2]


def look(plant: Plant) -> tuple[Plant, bool, float, str]:
    """In a process of its own; seconds are of one that shares the machine with others."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "tests.planted.find", plant.name], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    return plant, done.returncode == 0, time.monotonic() - began, lines[-1] if lines else "not found"


def findings(names: Sequence[str] = ()) -> Iterator[tuple[Plant, bool, float, str]]:
    """All, or those named, in the catalogue's order."""
    chosen = [plant for plant in PLANTS if not names or plant.name in names]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        yield from pool.map(look, chosen)


def main() -> int:
    """The exit code is 1 when a bug was not found, 2 for a name that no bug has."""
    if unknown := sorted(set(sys.argv[1:]) - {plant.name for plant in PLANTS}):
        print(f"no planted bug is called {', '.join(unknown)}; their names are in tests/planted/catalogue.py")
        return 2
    missed = count = 0
    for plant, found, seconds, what in findings(sys.argv[1:]):
        count += 1
        missed += not found
        print(f"{'found' if found else 'MISSED':<7}{seconds:6.1f} s  {plant.name}: {what}", flush=True)
    print(f"{count - missed} of {count} planted bugs found")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
