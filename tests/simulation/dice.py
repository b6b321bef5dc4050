"""One random generator a world: which faults this seed knows, how often, and a running hash of all that happened."""

from __future__ import annotations

import hashlib
import random
from collections import Counter

RATES = (0.0, 0.003, 0.02, 0.1)

FAULTS = {
    "crash": 0.02,
    "crash while recovering": 0.1,
    "call lost": 1.0,
    "answer lost": 1.0,
    "call late": 1.0,
    "call twice": 1.0,
    "slow call": 1.0,
    "stream cut": 1.0,
    "bytes changed": 1.0,
    "partition": 0.05,
    "feed breaks": 1.0,
    "feed stalls": 0.2,
    "feed skips a block": 1.0,
    "feed repeats a block": 1.0,
    "feed leaves out anchors": 0.5,
    "stale head": 1.0,
    "stale read of the court ledger": 1.0,
    "proof not served": 1.0,
    "reorganisation": 2.0,
    "court ledger down": 0.05,
    "disk error": 0.05,
    "clock jumps": 0.2,
}
"""Kinds of fault and how often each may be relative to a seed's rate."""


class Dice:
    """`active` is the safety phase; outside it no fault happens. Each seed leaves some kinds out altogether."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.rates = {kind: self.random.choice(RATES) * weight for kind, weight in FAULTS.items()}
        self.active = False
        self.counts: Counter[str] = Counter()
        self._trace = hashlib.blake2b(digest_size=16)

    def maybe(self, kind: str) -> bool:
        """Whether this fault happens here."""
        rate = self.rates[kind]
        if not self.active or not rate or self.random.random() >= rate:
            return False
        self.counts[kind] += 1
        self.trace(kind)
        return True

    def delay(self, high_s: float) -> float:
        """Virtual seconds."""
        return self.random.random() * high_s

    def trace(self, text: str) -> None:
        """Take something that happened into the hash."""
        self._trace.update(text.encode())

    def digest(self) -> str:
        """The hash of all that happened."""
        return self._trace.hexdigest()


class NoDice(Dice):
    """No faults but those that are asked for."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed)
        self.rates = dict.fromkeys(FAULTS, 0.0)
