"""The relay's line to the court gateway that is up now."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from relay.core.errors import Unavailable
from relay.core.ledgerproof import LedgerProof
from relay.core.package import Package
from relay.ports.forwarding import CourtState
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

    async def add_checkpoint(
        self, checkpoint: bytes, old_size: int, consistency: Sequence[bytes], anchor: LedgerProof
    ) -> CourtState:
        async def send() -> CourtState:
            return await self._mirror().add_checkpoint(checkpoint, old_size, consistency, anchor)

        return await self._net.write("gateway.add_checkpoint", send)

    async def add_entries(self, origin: str, size: int, packages: AsyncIterator[Package]) -> bytes:
        async def send() -> bytes:
            cosigned = b""
            groups = self._net.stream("gateway.send", packages)
            async for state in self._mirror().add_entries(origin, size, groups):
                cosigned = state.cosigned
            return cosigned

        return await self._net.read("gateway.add_entries", send)
