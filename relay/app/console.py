"""Every role that a home has a desk for, asked side by side: what `courtrelay status` and `courtrelay top` show."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc.aio

from relay.app.desk import open_desk
from relay.app.runtime import EXIT_FAILED, EXIT_OK
from relay.app.status_page import overview_json
from relay.config.roles import read_desk
from relay.core.errors import RelayError
from relay.telemetry.overview import Overview
from relay.telemetry.showing import worries
from relay.wire.desks import CourtDeskClient, CustodianDeskClient, RelayDeskClient
from relay.wire.operations_client import ask_overview

EXIT_UNREACHABLE: Final = 3
DESKS: Final = {"custodian": "lender-desk", "relay": "relay-desk", "court": "court-desk"}
Facts = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleSeen:
    """`overview` is None when the role could not be asked; `reason` then says why."""

    role: str
    overview: Overview | None
    reason: str = ""


class Console:
    """Channels to the desks of a home, kept open from one look to the next."""

    def __init__(self, channels: Mapping[str, grpc.aio.Channel]) -> None:
        self._channels = channels

    async def look(self) -> tuple[RoleSeen, ...]:
        """Every role once; none makes the others wait."""
        return tuple(await asyncio.gather(*(_look(role, opened) for role, opened in self._channels.items())))

    async def facts(self) -> dict[str, Facts]:
        """What each role's own desk says, by role; one that cannot be asked says why."""
        asked = await asyncio.gather(*(_facts(ASKED[role], opened) for role, opened in self._channels.items()))
        return dict(zip(self._channels, asked, strict=True))


@asynccontextmanager
async def open_console(home: Path) -> AsyncIterator[Console]:
    """The desks that a home has. Raises `Malformed` when it has none, or one whose file is wrong."""
    there = {role: desk for role, desk in DESKS.items() if (home / desk / "desk.toml").exists()}
    if not there:
        read_desk(home / DESKS["custodian"] / "desk.toml")  # says what is missing
    async with AsyncExitStack() as stack:
        channels = {}
        for role, desk in there.items():
            channels[role], _ = await stack.enter_async_context(open_desk(home, desk))
        yield Console(channels)


async def facts(home: Path) -> dict[str, Facts]:
    """What each role's own desk says."""
    async with open_console(home) as console:
        return await console.facts()


async def facts_of(home: Path, role: str) -> Facts:
    """What one role's desk says."""
    async with open_desk(home, DESKS[role]) as (opened, _):
        return await _facts(ASKED[role], opened)


async def status(home: Path) -> tuple[tuple[RoleSeen, ...], dict[str, Facts]]:
    """Every role's overview, and for programs its own words with the overview among them."""
    async with open_console(home) as console:
        seen, told = await asyncio.gather(console.look(), console.facts())
    for one in seen:
        told[one.role]["overview"] = None if one.overview is None else overview_json(one.overview)
    return seen, told


def exit_code(seen: tuple[RoleSeen, ...]) -> int:
    """0 when all is well, 3 when a role cannot be asked, 1 when one has something that needs a look."""
    if any(one.overview is None for one in seen):
        return EXIT_UNREACHABLE
    return EXIT_FAILED if any(one.overview and worries(one.overview) for one in seen) else EXIT_OK


async def _look(role: str, opened: grpc.aio.Channel) -> RoleSeen:
    try:
        return RoleSeen(role=role, overview=await ask_overview(opened))
    except RelayError as error:
        return RoleSeen(role=role, overview=None, reason=str(error))


async def _facts(ask: Callable[[grpc.aio.Channel], Awaitable[Facts]], opened: grpc.aio.Channel) -> Facts:
    try:
        return await ask(opened)
    except RelayError as error:
        return {"state": "cannot be asked", "reason": str(error)}


async def _custodian_status(opened: grpc.aio.Channel) -> Facts:
    reply = await CustodianDeskClient(opened).status()
    return {
        "origin": reply.origin,
        "entries": reply.log_size,
        "anchored": reply.anchored_size,
        "pushed": reply.pushed_size,
        "confirmed": reply.confirmed_size,
        "dossiers": reply.dossiers,
        "relay connected": reply.relay_connected,
        "problem": reply.last_problem,
    }


async def _relay_status(opened: grpc.aio.Channel) -> Facts:
    reply = await RelayDeskClient(opened).status()
    facts: Facts = {f"items {row.state}": row.items for row in reply.counts}
    for origin in reply.origins:
        facts[f"{origin.origin} mirrored"] = origin.mirrored_size
        facts[f"{origin.origin} confirmed"] = origin.confirmed_size
        if origin.halted:
            facts[f"{origin.origin} HALTED"] = origin.halt_reason
    return {
        **facts,
        "scanned height": reply.scanned_height,
        "final height": reply.final_height,
        "custodians": ", ".join(reply.custodians_connected),
        **({"this worker's jobs": ", ".join(reply.jobs)} if reply.jobs else {}),
        "problem": reply.last_problem,
    }


async def _court_status(opened: grpc.aio.Channel) -> Facts:
    reply = await CourtDeskClient(opened).status()
    facts: Facts = {}
    for origin in reply.origins:
        facts[f"{origin.origin} mirrored"] = origin.mirrored_size
        facts[f"{origin.origin} receipted"] = origin.receipted_size
    return {**facts, "bundles": reply.bundles, "retrievals": reply.retrievals, "problem": reply.last_problem}


ASKED: Final[Mapping[str, Callable[[grpc.aio.Channel], Awaitable[Facts]]]] = {
    "custodian": _custodian_status,
    "relay": _relay_status,
    "court": _court_status,
}
