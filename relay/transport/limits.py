"""Each caller's share: a token bucket for every identity and method group, and a bound on its open calls.

A group is a service of the wire contracts (`CourtPort`, `Ledger` …). What one caller spends, no other lacks.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from relay.core.errors import Busy, Malformed
from relay.telemetry import metrics

CALLERS_MAX: Final = 10_000
PER_S_MAX: Final = 100_000.0
BURST_MAX: Final = 1_000_000
CALLS_OPEN_MAX: Final = 10_000
DEFAULT: Final = "default"


@dataclass(frozen=True, slots=True)
class Rate:
    """Calls a second for ever, and how many may come at once."""

    per_s: float
    burst: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What every caller may. `groups` overrides `default` for the services it names."""

    default: Rate = Rate(500.0, 1000)
    groups: Mapping[str, Rate] = field(default_factory=dict)
    calls_open: int = 128


def parse_limits(values: Mapping[str, object]) -> Limits:
    """A `[limits]` table: `calls_open`, `default` and services, each of these with `per_s` and `burst`. Raises `Malformed`."""
    rest = dict(values)
    open_ = _number(rest.pop("calls_open", Limits().calls_open), "calls_open", 1, CALLS_OPEN_MAX)
    rates = {name: _rate(name, value) for name, value in rest.items()}
    return Limits(default=rates.pop(DEFAULT, Limits().default), groups=rates, calls_open=int(open_))


def _rate(name: str, value: object) -> Rate:
    if not isinstance(value, dict) or set(value) != {"per_s", "burst"}:
        raise Malformed("limits", name, "must be a table with per_s and burst, and nothing else")
    per_s = _number(value["per_s"], f"{name}.per_s", 0.001, PER_S_MAX)
    return Rate(per_s, int(_number(value["burst"], f"{name}.burst", 1, BURST_MAX)))


def _number(value: object, name: str, low: float, high: float) -> float:
    whole = low == 1
    kinds = int if whole else int | float
    if not isinstance(value, kinds) or isinstance(value, bool) or not math.isfinite(value) or not low <= value <= high:
        raise Malformed("limits", name, f"must be a {'whole ' if whole else ''}number from {low:g} to {high:g}")
    return float(value)


@dataclass(slots=True)
class Bucket:
    """Tokens left at a moment; full when new. Times in seconds of one clock."""

    tokens: float
    at: float

    def take(self, rate: Rate, now: float) -> float:
        """One token: 0 when there was one, otherwise in how many seconds there will be."""
        self.tokens = min(float(rate.burst), self.tokens + max(0.0, now - self.at) * rate.per_s)
        self.at = now
        if self.tokens >= 1.0:
            self.tokens -= 1.0
            return 0.0
        return (1.0 - self.tokens) / rate.per_s


class Shares:
    """What every caller has left. One event loop's."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._buckets: dict[tuple[str, str], Bucket] = {}
        self._open: dict[str, int] = {}

    @contextmanager
    def call(self, caller: str, group: str) -> Iterator[None]:
        """Around one call. Raises `Busy` that says when to come again; other callers do not feel it."""
        now = self._clock()
        rate = self._limits.groups.get(group, self._limits.default)
        bucket = self._buckets.get((caller, group))
        if bucket is None:
            bucket = self._buckets[caller, group] = Bucket(float(rate.burst), now)
            self._forget(now)
        wait = bucket.take(rate, now)
        if wait:
            metrics.rpc_rejected.labels("rate").inc()
            raise Busy(f"more than {rate.per_s:g} calls a second of {group}; again in {wait:.3f} s", wait)
        if self._open.get(caller, 0) >= self._limits.calls_open:
            metrics.rpc_rejected.labels("rate").inc()
            raise Busy(f"{self._limits.calls_open} calls of this caller are open already; end one first")
        self._open[caller] = self._open.get(caller, 0) + 1
        try:
            yield
        finally:
            self._open[caller] -= 1
            if not self._open[caller]:
                del self._open[caller]

    def _forget(self, now: float) -> None:
        """Beyond so many buckets drop those that are full again: a new one would say the same."""
        if len(self._buckets) <= CALLERS_MAX:
            return
        for key, bucket in list(self._buckets.items()):
            rate = self._limits.groups.get(key[1], self._limits.default)
            if bucket.at < now and bucket.tokens + (now - bucket.at) * rate.per_s >= rate.burst:
                del self._buckets[key]
