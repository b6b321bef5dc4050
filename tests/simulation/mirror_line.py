"""The relay's line to the court gateway that is up now."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from relay.core.errors import Unavailable
from relay.core.package import Package
from relay.ports.forwarding import Announcement, CourtState
from tests.simulation.network import Net
from tests.simulation.process import Machine


class MirrorLine:
    """relay.ports.forwarding.CourtLink."""

    def __init__(self, court: Machine, net: Net) -> None:
        self._court = court
        self._net = net

    def _mirror(self) -> Any:
        process = self._court.up()
        if process is None:
            raise Unavailable("the court gateway is down")
        return process.parts["mirror"]

    async def latest(self, origin: str) -> CourtState:
        async def ask() -> CourtState:
            return await self._mirror().latest(origin)

        return await self._net.read("gateway.latest", ask)

    async def add_checkpoint(self, announced: Announcement) -> CourtState:
        async def send() -> CourtState:
            return await self._mirror().add_checkpoint(announced)

        return await self._net.write("gateway.add_checkpoint", send)

    async def add_entries(
        self, origin: str, size: int, packages: AsyncIterator[Package], announced: Announcement | None = None
    ) -> bytes:
        async def send() -> bytes:
            cosigned = b""
            groups = self._net.stream("gateway.send", packages)
            async for state in self._mirror().add_entries(origin, size, groups, announced):
                cosigned = state.cosigned
            return cosigned

        if announced is not None:
            return await self._net.write("gateway.add_entries", send)
        return await self._net.read("gateway.add_entries", send)
