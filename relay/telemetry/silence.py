"""Whether a feed has fallen silent or its chain is idle: they look alike until heights are compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

SILENT_S: Final = 30.0
"""A feed that is behind its node and has brought nothing for so long has fallen silent."""


class Silence:
    """Compares what a node has with what was read from it; `monotonic` in seconds. A node that has nothing new is no problem."""

    def __init__(self, monotonic: Callable[[], float], after_s: float = SILENT_S) -> None:
        self._monotonic = monotonic
        self._after_s = after_s
        self._read = -1
        self._behind_since: float | None = None

    def judge(self, has: int, read: int) -> float:
        """For how many seconds nothing came although there was something; 0.0 while that is no problem."""
        now = self._monotonic()
        if read >= has:
            self._behind_since = None
        elif self._behind_since is None or read != self._read:
            self._behind_since = now
        self._read = read
        silent_s = 0.0 if self._behind_since is None else now - self._behind_since
        return silent_s if silent_s > self._after_s else 0.0
