"""A custodian's clock jumps ten minutes, then a year; `run.py faults` does it to every role, forwards and backwards."""

from __future__ import annotations

import pytest

from tests.faults.clocks import clock_jumps, find_library


async def test_a_clock_that_jumps_loses_nothing_and_refuses_what_it_must() -> None:
    if find_library() is None:
        pytest.skip("libfaketime is not installed; on Debian: apt install faketime")
    said: list[str] = []
    outcome = await clock_jumps("custodian", ("ten minutes back", "a year on"), 1, said.append)
    assert outcome.violations == [], said
    assert outcome.jumps.total() == 2
    assert outcome.refused["retrieval, a year on"] == 1
