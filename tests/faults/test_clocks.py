"""A custodian's clock jumps ten minutes, then a year; `run.py faults` does it to every role, forwards and backwards."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from tests.faults.clocks import JumpingClock, clock_jumps, find_library


def test_the_clock_of_a_process_jumps_and_its_monotonic_clock_goes_on(tmp_path: Path) -> None:
    if (library := find_library()) is None:
        pytest.skip("libfaketime is not installed; on Debian: apt install faketime")
    clock = JumpingClock(library, tmp_path / "clock")
    program = "import sys, time\nfor _ in sys.stdin: print(time.time(), time.monotonic(), flush=True)"
    with subprocess.Popen(
        [sys.executable, "-c", program], env={**os.environ, **clock.env}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        told = []
        for seconds in (0, 366 * 86_400, -600, 0):
            clock.set(seconds)
            process.stdin.write("\n")
            process.stdin.flush()
            told.append([float(word) for word in process.stdout.readline().split()])
        process.stdin.close()
    hours = [round((wall - told[0][0]) / 600) for wall, _ in told]
    assert hours == [0, 366 * 144, -1, 0]
    assert all(later[1] >= earlier[1] for earlier, later in pairwise(told))


async def test_a_clock_that_jumps_loses_nothing_and_refuses_what_it_must() -> None:
    if find_library() is None:
        pytest.skip("libfaketime is not installed; on Debian: apt install faketime")
    said: list[str] = []
    outcome = await clock_jumps("custodian", ("ten minutes back", "a year on"), 1, said.append)
    assert outcome.violations == [], said
    assert outcome.jumps.total() == 2
    assert outcome.refused["retrieval, a year on"] == 1
