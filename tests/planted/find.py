"""One planted bug in a process of its own: exit code 0 and one line when it was found, 1 when it was not."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.planted.plugin import install


def by_simulation(first: int, last: int) -> str:
    """The first broken promise."""
    from tests.simulation.seeds import STEPS_A_SEED, simulate  # after the bug is in place

    for seed in range(first, last + 1):
        outcome, _ = simulate(seed, STEPS_A_SEED)
        if outcome.violations:
            return f"seed {seed}: {outcome.violations[0]}"
    return ""


def by_crashes(scenario: str, machine: str) -> str:
    """The first crash point that breaks a promise."""
    from tests.simulation.crashes import play, single  # after the bug is in place

    for case in single(scenario, machine):
        result = play(case)
        if result.violations:
            return f"crash {result.died_at}: {result.violations[0]}"
    return ""


def by_tests(target: str, name: str) -> str:
    """The first failing test."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "tests.planted.plugin",
        "-p",
        "no:cacheprovider",
        "--no-header",
        target,
    ]
    done = subprocess.run(
        command, env={**os.environ, "COURTRELAY_PLANT": name}, capture_output=True, text=True, check=False
    )
    if done.returncode not in (0, 1):
        return ""
    return next((line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))), "")


def main(name: str) -> int:
    """Plant, look, report."""
    plant = install(name)
    kind, _, rest = plant.finder.partition(" ")
    try:
        if kind == "sim":
            first, last = rest.split()
            found = by_simulation(int(first), int(last))
        elif kind == "crash":
            found = by_crashes(*rest.split("/"))
        else:
            found = by_tests(plant.finder, name)
    except AssertionError as error:  # a clean run that is no longer clean
        found = str(error)
    print(found[:160])
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
