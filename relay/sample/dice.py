"""Choices that depend on a seed alone: SHAKE-256, so that no library's generator has a say."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Dice:
    """A stream of choices named by its seed text."""

    def __init__(self, seed: str) -> None:
        self._seed = seed.encode()
        self._count = 0

    def below(self, limit: int) -> int:
        """An integer in [0, limit); the bias of the remainder is below 2^-60."""
        self._count += 1
        drawn = hashlib.shake_256(self._seed + self._count.to_bytes(8, "big")).digest(16)
        return int.from_bytes(drawn, "big") % limit

    def between(self, low: int, high: int) -> int:
        """An integer in [low, high]."""
        return low + self.below(high - low + 1)

    def one(self, values: Sequence[T]) -> T:
        """One of the values."""
        return values[self.below(len(values))]

    def chance(self, percent: int) -> bool:
        """True in so many of a hundred cases."""
        return self.below(100) < percent

    def data(self, size: int) -> bytes:
        """Bytes that look random."""
        self._count += 1
        return hashlib.shake_256(self._seed + self._count.to_bytes(8, "big") + b"data").digest(size)

    def hex(self, size: int) -> str:
        """Hex digits of so many bytes."""
        return self.data(size).hex()
