"""The court gateway as the relay calls it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import grpc.aio

from relay.core.errors import Unavailable
from relay.core.ledgerproof import LedgerProof
from relay.core.package import Package
from relay.ports.forwarding import CourtState
from relay.transport.channels import CALL_DEADLINE_S, STREAM_DEADLINE_S, call, stream
from relay.wire.convert import evidence_to, package_to
from relay.wire.v1 import court_pb2, court_pb2_grpc


class GrpcCourtLink:
    """Implements relay.ports.forwarding.CourtLink over a channel that its owner closes."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub: court_pb2_grpc.MirrorAsyncStub = court_pb2_grpc.MirrorStub(channel)

    async def latest(self, origin: str) -> CourtState:
        """See the port."""
        reply = await call(self._stub.Latest(court_pb2.LatestRequest(origin=origin), timeout=CALL_DEADLINE_S))
        return CourtState(size=reply.size, next_index=reply.next_index, cosigned=reply.cosigned)

    async def add_checkpoint(
        self, checkpoint: bytes, old_size: int, consistency: Sequence[bytes], anchor: LedgerProof
    ) -> CourtState:
        """See the port."""
        request = court_pb2.AddCheckpointRequest(
            checkpoint=checkpoint, old_size=old_size, consistency=consistency, anchor=evidence_to(anchor)
        )
        reply = await call(self._stub.AddCheckpoint(request, timeout=CALL_DEADLINE_S), writing=True)
        size = int(checkpoint.split(b"\n", 2)[1])
        return CourtState(size=size, next_index=reply.next_index, cosigned=reply.cosigned)

    async def add_entries(self, origin: str, size: int, packages: AsyncIterator[Package]) -> bytes:
        """See the port."""

        async def requests() -> AsyncIterator[court_pb2.AddEntriesRequest]:
            yield court_pb2.AddEntriesRequest(target=court_pb2.EntriesTarget(origin=origin, size=size))
            async for package in packages:
                yield court_pb2.AddEntriesRequest(package=package_to(package))

        async for reply in stream(self._stub.AddEntries(requests(), timeout=STREAM_DEADLINE_S)):
            if reply.cosigned:
                return bytes(reply.cosigned)
        raise Unavailable("the court gateway ended the stream without a cosignature")
