"""Points of time for work that arrives by itself, and percentiles of what came of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence


def due(begins: float, number: int, rate: float) -> float:
    """When piece `number` (from 0) is due at `rate` pieces a second.

    Counted from the beginning and not from the piece before, so that being late does not add up.
    """
    return begins + number / rate


async def until_due(begins: float, number: int, rate: float) -> None:
    """Return at that moment of the wall clock, or at once when it has passed."""
    await asyncio.sleep(max(0.0, due(begins, number, rate) - time.time()))


def percentile(values: Sequence[tuple[float, int]], percent: float) -> float:
    """Nearest rank over (value, weight): the smallest value that so many percent of all weight do not exceed.

    Raises `ValueError` without any weight, or for a percentage that is not above 0 and up to 100.
    """
    total = sum(weight for _, weight in values)
    if total <= 0 or not 0 < percent <= 100:
        raise ValueError("a percentile needs weight, and a percentage above 0 up to 100")
    below = 0
    for value, weight in sorted(values):
        below += weight
        if below * 100 >= percent * total:
            return value
    raise AssertionError("all weight is at or below the largest value")
