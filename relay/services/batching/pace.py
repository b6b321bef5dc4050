"""One destination's pace: so many rows a second, and pauses while it is away."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

Sleep = Callable[[float], Awaitable[None]]


class Pace:
    """Shared by all workers of one destination. `rate` 0 is without limit; `patience_s`: how long it may be away."""

    def __init__(
        self,
        *,
        rate: float,
        patience_s: float,
        now_s: Callable[[], float],
        sleep: Sleep,
        backoff: Callable[[], Iterator[float]],
    ) -> None:
        self._interval_s = 1.0 / rate if rate else 0.0
        self._patience_s = patience_s
        self._now_s = now_s
        self._sleep = sleep
        self._backoff = backoff
        self._delays = backoff()
        self._next_s = 0.0
        self._not_before_s = 0.0
        self._away_since_s: float | None = None
        self.successes = 0
        self.given_up = False
        self.reason = ""

    async def turn(self) -> bool:
        """Wait until this destination may be asked once more; False when it is given up."""
        while not self.given_up:
            now = self._now_s()
            at = max(self._next_s, self._not_before_s)
            if now >= at:
                self._next_s = max(now, self._next_s) + self._interval_s
                return True
            await self._sleep(at - now)
        return False

    def works(self) -> None:
        """It answered, whatever it said."""
        self.successes += 1
        self._away_since_s = None
        self._delays = self._backoff()

    def away(self, reason: str) -> None:
        """It could not be asked: everybody waits, longer each time; after `patience_s` without an answer it is given up."""
        now = self._now_s()
        self.reason = reason
        if self._away_since_s is None:
            self._away_since_s = now
        if now >= self._not_before_s:  # of many workers that failed together, one counts
            self._not_before_s = now + next(self._delays)
        self.given_up = now - self._away_since_s > self._patience_s
