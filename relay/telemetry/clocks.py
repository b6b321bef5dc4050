"""Whether this process's clock can be believed: against the clock that only goes forward, and against its peers'."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

OFFSET_S: Final = 2.0
"""More than this apart, one of two clocks is wrong: requests and certificates have time windows."""
JUMP_STANDS_S: Final = 60.0
"""For how long a jump is told."""


class ClockWatch:
    """Sees the clock of the day move otherwise than the one that only goes forward, by more than OFFSET_S between two looks."""

    def __init__(self, now_ms: Callable[[], int], monotonic: Callable[[], float]) -> None:
        self._now_ms = now_ms
        self._monotonic = monotonic
        self._apart_s: float | None = None
        self._jump_s = 0.0
        self._jumped_at = 0.0

    def look(self) -> str:
        """What is wrong, or ""."""
        at = self._monotonic()
        apart_s = self._now_ms() / 1000 - at
        moved_s = 0.0 if self._apart_s is None else apart_s - self._apart_s
        self._apart_s = apart_s
        if abs(moved_s) > OFFSET_S:
            self._jump_s, self._jumped_at = moved_s, at
        if not self._jump_s or at - self._jumped_at > JUMP_STANDS_S:
            return ""
        return f"this machine's clock was moved by {self._jump_s:+.1f} s; is its time service running?"


def peer_clock(peer: str, offset_s: float, unsure_s: float) -> str:
    """What is wrong with a peer's clock less ours, known to within `unsure_s`; "" when it may be right."""
    if abs(offset_s) - unsure_s <= OFFSET_S:
        return ""
    way = "ahead of" if offset_s > 0 else "behind"
    return f"the clock of {peer} is {abs(offset_s):.1f} s {way} ours; check the time service of both machines"
