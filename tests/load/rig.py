"""All roles of a fresh home as processes. Relay and court gateway reach the court ledger only over a line that can go silent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relay.app import desk
from relay.app.demo.network import Network
from relay.app.initialise import initialise
from relay.app.serve import ROLES
from relay.core.lifecycle import OPEN_STATES
from relay.wire.desks import CustodianDeskClient, RelayDeskClient
from relay.wire.v1 import custodian_pb2, relay_pb2
from tests.load.resident import Resident
from tests.support.blackhole import Line

COURT_LEDGER = "court-ledger"
POLL_S = 0.1
STALL_S = 180.0
"""How long a number may stand still before a wait is given up."""
OPEN_WORDS = frozenset(state.value for state in OPEN_STATES)


@dataclass(frozen=True)
class Place:
    """How far the relay is: entries under a confirmed checkpoint, entries held, and items by state."""

    confirmed: int
    mirrored: int
    items: dict[str, int]

    @property
    def open(self) -> int:
        """Items under way."""
        return sum(count for state, count in self.items.items() if state in OPEN_WORDS)


class Rig:
    """Made by `open_rig`."""

    def __init__(self, home: Path, line: Line, resident: Resident) -> None:
        self.home = home
        self.line = line
        self.resident = resident
        self.network = Network(home)

    async def start(self, roles: Sequence[str] = ROLES) -> None:
        """Start what does not run yet, in the usual order."""
        for role in ROLES:
            if role in roles and not self.network.roles[role].running:
                await self.network.roles[role].start()
        self.resident.pids = {role: one.pid for role, one in self.network.roles.items() if one.running}

    async def kill(self, role: str) -> None:
        """SIGKILL."""
        self.network.roles[role].kill()
        await self.network.roles[role].wait()
        self.resident.pids.pop(role, None)


@asynccontextmanager
async def open_rig(folder: Path, anchor_interval_s: float) -> AsyncIterator[Rig]:
    """A home in the folder, nothing started; everything is ended on the way out."""
    made = initialise(
        folder / "home", base_port=0, validators=4, threshold=3, anchor_interval_s=anchor_interval_s
    )  # fmt: skip
    node = f"127.0.0.1:{made.ports[COURT_LEDGER]}"
    async with AsyncExitStack() as stack:
        line = await stack.enter_async_context(Line(node))
        for role in ("relay", "court"):
            config = made.home / role / "config.toml"
            text = config.read_text()
            if text.count(node) != 1:
                raise AssertionError(f"{config} names {node} {text.count(node)} times")
            config.write_text(text.replace(node, line.address))
        resident = await stack.enter_async_context(Resident())
        rig = Rig(made.home, line, resident)
        stack.push_async_callback(rig.network.end)
        yield rig


class Watch:
    """Asks custodian and relay over connections that stay open. Made by `open_watch`."""

    def __init__(self, custodian: CustodianDeskClient | None, relay: RelayDeskClient) -> None:
        self._custodian = custodian
        self.relay = relay

    async def custodian(self) -> custodian_pb2.CustodianStatusReply:
        """What the custodian says of itself."""
        assert self._custodian is not None
        return await self._custodian.status()

    async def place(self) -> Place:
        """How far the relay is. Raises AssertionError for a halted origin or an item put aside."""
        reply: relay_pb2.RelayStatusReply = await self.relay.status()
        (origin,) = reply.origins
        items = {row.state: row.items for row in reply.counts}
        aside = {state: items[state] for state in ("quarantined", "discarded", "orphaned") if items[state]}
        if origin.halted or aside:
            raise AssertionError(f"halted {origin.halt_reason!r}, put aside {aside}; {reply.last_problem}")
        return Place(confirmed=origin.confirmed_size, mirrored=origin.mirrored_size, items=items)


@asynccontextmanager
async def open_watch(home: Path, *, custodian: bool = True) -> AsyncIterator[Watch]:
    """Connections to the desks of running roles."""
    async with AsyncExitStack() as stack:
        relay, _ = await stack.enter_async_context(desk.open_desk(home, "relay-desk"))
        asked = None
        if custodian:
            asked = CustodianDeskClient((await stack.enter_async_context(desk.open_desk(home, "lender-desk")))[0])
        yield Watch(asked, RelayDeskClient(relay))


async def until(
    what: str, ask: Callable[[], Awaitable[Any]], done: Callable[[Any], bool], every_s: float = POLL_S
) -> Any:
    """Ask until it is so; the answer. Gives up when the answer has not changed for STALL_S."""
    last, since = None, time.monotonic()
    while not done(answer := await ask()):
        if answer != last:
            last, since = answer, time.monotonic()
        if time.monotonic() - since > STALL_S:
            raise AssertionError(f"waited in vain for this: {what}; for {STALL_S:.0f} s the answer was {answer}")
        await asyncio.sleep(every_s)
    return answer
