"""The relay's end of the court gateway's streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from relay.core.errors import Unavailable
from relay.core.identity import Role
from relay.core.package import Package
from relay.setup.ca import make_authority
from relay.transport.channels import channel
from relay.transport.servers import serving
from relay.wire.court_client import GrpcCourtLink
from relay.wire.v1 import court_pb2, court_pb2_grpc
from tests.support.echo import NOW, issued

ALLOW = {f"/relay.wire.v1.Mirror/{name}": frozenset({Role.RELAY}) for name in ("Latest", "AddCheckpoint", "AddEntries")}


class Gateway(court_pb2_grpc.MirrorServicer):
    """Says `replies`, then has something left to do for `after_s`; `ends` is how its calls ended."""

    def __init__(self, *replies: bytes, after_s: float = 0.0) -> None:
        self.replies = replies
        self.after_s = after_s
        self.ends: list[str] = []

    async def AddEntries(self, request_iterator: Any, context: Any) -> AsyncIterator[court_pb2.AddEntriesReply]:
        end = "left"
        try:
            for cosigned in self.replies:
                yield court_pb2.AddEntriesReply(next_index=1, cosigned=cosigned)
            await asyncio.sleep(self.after_s)
            end = "done"
        finally:
            self.ends.append(end)


async def added(folder: Path, gateway: Gateway) -> bytes:
    authority = folder / "authority"
    authority.mkdir()
    make_authority(authority, "a.example", NOW)
    server, relay = issued(authority, folder / "court", Role.COURT), issued(authority, folder / "relay", Role.RELAY)

    def register(made: Any) -> None:
        court_pb2_grpc.add_MirrorServicer_to_server(gateway, made)

    async def packages() -> AsyncIterator[Package]:
        for nothing in ():
            yield nothing

    async with (
        serving([register], address="127.0.0.1:0", tls=server, allow=ALLOW) as port,
        channel(f"127.0.0.1:{port}", relay) as opened,
    ):
        return await GrpcCourtLink(opened).add_entries("lender.example", 1, packages())


async def test_call_is_left_only_when_the_court_has_ended_it(tmp_path: Path) -> None:
    """Who leaves at the cosignature cancels a call that succeeded, and the court counts and traces it as one given up."""
    gateway = Gateway(b"", b"signed", after_s=0.5)
    assert await added(tmp_path, gateway) == b"signed"
    assert gateway.ends == ["done"]


async def test_court_that_ends_without_its_cosignature_is_asked_again(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="without a cosignature"):
        await added(tmp_path, Gateway(b""))
