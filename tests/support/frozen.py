"""Time that stands still, randomness from a seed, and waiting without clocks."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterator
from typing import Any

TURNS_MAX = 20_000


class TestClock:
    """Stands still unless moved."""

    __test__ = False

    def __init__(self, now_ms: int) -> None:
        self.ms = now_ms

    def now_ms(self) -> int:
        return self.ms


class SeededBytes:
    """Random bytes that are the same for the same seed."""

    def __init__(self, seed: str) -> None:
        self._seed = seed.encode()
        self._count = 0

    def __call__(self, length: int) -> bytes:
        self._count += 1
        return hashlib.shake_256(self._seed + self._count.to_bytes(8, "big")).digest(length)


def no_waits() -> Iterator[float]:
    """Try again at once."""
    while True:
        yield 0.0


async def settle(condition: Callable[[], Any], what: str) -> None:
    """Let the loop turn until a condition holds; a condition may be a coroutine function."""
    for _ in range(TURNS_MAX):
        value = condition()
        if asyncio.iscoroutine(value):
            value = await value
        if value:
            return
        await asyncio.sleep(0.001)
    raise AssertionError(f"never came to be: {what}")
