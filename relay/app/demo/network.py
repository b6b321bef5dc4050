"""The demo's five processes and what it asks them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from relay.app import console
from relay.app.processes import RoleProcess
from relay.app.serve import ROLES
from relay.core.errors import RelayError, Unavailable

WAIT_S: Final = 60.0
POLL_S: Final = 0.1


class Network:
    """All roles of a home folder as child processes."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.roles = {role: RoleProcess(role, home, home / role / "log.jsonl") for role in ROLES}

    async def start(self) -> None:
        """Ledgers first; the others wait for whom they need by themselves."""
        ledgers = [role for name, role in self.roles.items() if name.endswith("ledger")]
        others = [role for name, role in self.roles.items() if not name.endswith("ledger")]
        await asyncio.gather(*(role.start() for role in ledgers))
        await asyncio.gather(*(role.start() for role in others))

    async def end(self) -> None:
        """End all."""
        await asyncio.gather(*(role.end() for role in self.roles.values()))

    async def status(self) -> dict[str, dict[str, Any]]:
        """What every role says of itself."""
        return await console.facts(self.home)

    async def until(self, what: str, done: Callable[[dict[str, dict[str, Any]]], bool]) -> dict[str, dict[str, Any]]:
        """Ask until it is so. Raises `Unavailable` with the last answer."""
        return await until(what, self.status, done)


async def until(
    what: str,
    ask: Callable[[], Awaitable[dict[str, dict[str, Any]]]],
    done: Callable[[dict[str, dict[str, Any]]], bool],
) -> dict[str, dict[str, Any]]:
    """Ask until `done` says so, at most WAIT_S seconds."""
    ends = time.monotonic() + WAIT_S
    answer: dict[str, dict[str, Any]] = {}
    while time.monotonic() < ends:
        try:
            answer = await ask()
            if done(answer):
                return answer
        except RelayError as error:
            answer = {"error": {"reason": str(error)}}
        await asyncio.sleep(POLL_S)
    raise Unavailable(f"waited {WAIT_S:.0f} s in vain for this: {what}; last answer {answer}")
