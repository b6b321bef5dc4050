"""Resident memory of several processes, read every 100 ms; the maximum by phase and role."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

EVERY_S = 0.1
BOUND_MB = 64.0
"""What a role may grow by over its baseline (MiB)."""


def resident_mb(pid: int) -> float:
    """VmRSS in MiB (Linux); 0 for a process that has ended."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    return 0.0


class Resident:
    """Samples `pids` while its context is open; what is seen counts for the phase that is set."""

    def __init__(self) -> None:
        self.pids: dict[str, int] = {}
        self.phase = ""
        self._most: dict[str, dict[str, float]] = defaultdict(dict)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Resident:
        self._task = asyncio.create_task(self._sample(), name="resident")
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()

    async def _sample(self) -> None:
        while True:
            for role, pid in list(self.pids.items()):
                seen = self._most[self.phase]
                seen[role] = max(seen.get(role, 0.0), resident_mb(pid))
            await asyncio.sleep(EVERY_S)

    def most(self, *phases: str) -> dict[str, float]:
        """The maximum of each role over some phases."""
        roles = {role for phase in phases for role in self._most[phase]}
        return {
            role: max(self._most[phase].get(role, 0.0) for phase in phases) for role in sorted(roles)
        }  # fmt: skip


def grown_mb(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """By how much each role that has a baseline went beyond it (MiB)."""
    return {role: after.get(role, 0.0) - most for role, most in before.items()}


def in_words(before: dict[str, float], after: dict[str, float]) -> str:
    """For the table."""
    return ", ".join(
        f"{role} {most:.0f} → {after.get(role, 0.0):.0f} ({after.get(role, 0.0) - most:+.0f})"
        for role, most in before.items()
    )
