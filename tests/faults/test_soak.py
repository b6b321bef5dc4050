"""Twenty seconds of steady load; `run.py soak` is the same for an hour."""

from __future__ import annotations

from tests.faults.soak import slope, soak

SECONDS = 20.0
RATE = 50
GROWN_MIB_MAX = 256.0
"""Gross: a role that keeps every record it sees would still be below it; one that keeps every message would not."""


def test_slope_of_a_line_is_its_steepness() -> None:
    assert slope([(0.0, 5.0), (1.0, 7.0), (2.0, 9.0)]) == 2.0
    assert slope([(1.0, 5.0)]) == 0.0


async def test_a_steady_load_is_carried_whole() -> None:
    said: list[str] = []
    outcome = await soak(SECONDS, RATE, 1, said.append)
    assert outcome.violations == [], said
    assert outcome.deposited == outcome.confirmed > RATE
    assert outcome.retrieved > 0
    assert all(rows[-1][1] - rows[0][1] < GROWN_MIB_MAX for rows in outcome.samples.values()), said
