"""The court gateway as the relay calls it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc.aio

from relay.core.errors import Unavailable
from relay.core.package import Package
from relay.ports.forwarding import Announcement, CourtState
from relay.transport.channels import CALL_DEADLINE_S, STREAM_DEADLINE_S, call, outgoing, stream
from relay.wire.convert import evidence_to, package_to
from relay.wire.v1 import court_pb2, court_pb2_grpc


class GrpcCourtLink:
    """Implements relay.ports.forwarding.CourtLink over a channel that its owner closes."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub: court_pb2_grpc.MirrorAsyncStub = court_pb2_grpc.MirrorStub(channel)

    async def latest(self, origin: str) -> CourtState:
        """See the port."""
        request = court_pb2.LatestRequest(origin=origin)
        reply = await call(self._stub.Latest(request, timeout=CALL_DEADLINE_S, metadata=outgoing()))
        return CourtState(size=reply.size, next_index=reply.next_index, cosigned=reply.cosigned)

    async def add_checkpoint(self, announced: Announcement) -> CourtState:
        """See the port."""
        calling = self._stub.AddCheckpoint(_announcement(announced), timeout=CALL_DEADLINE_S, metadata=outgoing())
        reply = await call(calling, writing=True)
        size = int(announced.checkpoint.split(b"\n", 2)[1])
        return CourtState(size=size, next_index=reply.next_index, cosigned=reply.cosigned)

    async def add_entries(
        self, origin: str, size: int, packages: AsyncIterator[Package], announced: Announcement | None = None
    ) -> bytes:
        """See the port."""
        target = court_pb2.EntriesTarget(
            origin=origin, size=size, announcement=_announcement(announced) if announced else None
        )

        async def requests() -> AsyncIterator[court_pb2.AddEntriesRequest]:
            yield court_pb2.AddEntriesRequest(target=target)
            async for package in packages:
                yield court_pb2.AddEntriesRequest(package=package_to(package))

        cosigned = b""
        # read to its end: who leaves at the last reply cancels a call that the court is about to end well
        async for reply in stream(self._stub.AddEntries(requests(), timeout=STREAM_DEADLINE_S, metadata=outgoing())):
            cosigned = cosigned or reply.cosigned
        if not cosigned:
            raise Unavailable("the court gateway ended the stream without a cosignature")
        return bytes(cosigned)


def _announcement(announced: Announcement) -> court_pb2.AddCheckpointRequest:
    return court_pb2.AddCheckpointRequest(
        checkpoint=announced.checkpoint,
        old_size=announced.old_size,
        consistency=announced.consistency,
        anchor=evidence_to(announced.anchor),
    )
