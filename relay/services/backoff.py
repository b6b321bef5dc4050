"""Delays between tries, as a pure iterator: exponential, capped, with jitter, without end."""

from __future__ import annotations

from collections.abc import Callable, Iterator


def delays(first_s: float, cap_s: float, jitter: Callable[[], float]) -> Iterator[float]:
    """Yield seconds to wait: `first_s` doubling up to `cap_s`, each scaled into [0.5, 1.0] by `jitter()` from [0, 1)."""
    step = first_s
    while True:
        yield step * (0.5 + 0.5 * jitter())
        step = min(step * 2, cap_s)
