"""The relay as custodians and court gateways call it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc.aio

from relay.core.errors import Denied, Malformed
from relay.core.ledgerproof import LedgerProof
from relay.core.limits import ENTRY_BYTES
from relay.ports.custodian import PackageMaker, ReceiptOffer
from relay.transport.channels import CALL_DEADLINE_S, STREAM_DEADLINE_S, call, errors, outgoing, stream
from relay.wire.convert import evidence_from, package_to
from relay.wire.v1 import relay_pb2, relay_pb2_grpc


class GrpcRelayLink:
    """Implements relay.ports.custodian.RelayLink over a channel that its owner closes."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub: relay_pb2_grpc.CustodianPortAsyncStub = relay_pb2_grpc.CustodianPortStub(channel)

    async def push(self, checkpoint: bytes, packages: PackageMaker, expected: int | None = None) -> AsyncIterator[int]:
        """See the port."""
        start: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def requests() -> AsyncIterator[relay_pb2.PushLogRequest]:
            yield relay_pb2.PushLogRequest(offer=relay_pb2.LogOffer(checkpoint=checkpoint))
            async for package in packages(expected if expected is not None else await start):
                yield relay_pb2.PushLogRequest(package=package_to(package))

        try:
            async for reply in stream(self._stub.PushLog(requests(), metadata=outgoing())):
                if not start.done():
                    start.set_result(reply.next_index)
                yield reply.next_index
        finally:
            start.cancel()

    async def receipts(self, origin: str, above_size: int) -> list[ReceiptOffer]:
        """See the port."""
        request = relay_pb2.ReceiptsRequest(origin=origin, above_size=above_size)
        reply = await call(self._stub.Receipts(request, timeout=CALL_DEADLINE_S, metadata=outgoing()))
        return [
            ReceiptOffer(size=row.size, root=row.root, proof=evidence_from(row.evidence), cosigned=row.checkpoint)
            for row in reply.receipts
        ]

    async def entries(self, origin: str, start: int, end: int) -> list[bytes]:
        """Entries `start` to `end` of a log of one's own as the relay holds them, not checked.

        Raises `NotFound` (it holds fewer), `Malformed` (no whole entries, or more than were asked for), `Unavailable`.
        """
        request = relay_pb2.ReadLogRequest(origin=origin, start=start, end=end)
        got: list[bytes] = []
        async for part in stream(self._stub.ReadLog(request, timeout=STREAM_DEADLINE_S)):
            data = part.entries
            if len(data) % ENTRY_BYTES or len(got) + len(data) // ENTRY_BYTES > end - start:
                raise Malformed(
                    "log", "entries", f"must be whole entries of {ENTRY_BYTES} bytes, and {end - start} in all"
                )
            got += [data[at : at + ENTRY_BYTES] for at in range(0, len(data), ENTRY_BYTES)]
        return got

    async def record_grant(self, statement: str) -> LedgerProof:
        """See the port."""
        request = relay_pb2.RecordGrantRequest(statement=statement.encode("ascii"))
        reply = await call(self._stub.RecordGrant(request, timeout=CALL_DEADLINE_S, metadata=outgoing()))
        return evidence_from(reply.evidence)

    @asynccontextmanager
    async def requests(self, origin: str) -> AsyncIterator[AsyncIterator[tuple[bytes, bytes, str]]]:
        """See the port."""
        calling = self._stub.Requests(relay_pb2.RequestsRequest(origin=origin))

        async def items() -> AsyncIterator[tuple[bytes, bytes, str]]:
            with errors():
                await calling.initial_metadata()
            yield b"", b"", ""
            async for routed in stream(calling):
                yield routed.request_id, routed.request, routed.trace

        try:
            yield items()
        finally:
            calling.cancel()

    async def answer(self, request_id: bytes, header: bytes, chunks: AsyncIterator[bytes]) -> None:
        """See the port."""

        async def parts() -> AsyncIterator[relay_pb2.AnswerChunk]:
            yield relay_pb2.AnswerChunk(start=relay_pb2.AnswerStart(request_id=request_id, header=header))
            try:
                async for chunk in chunks:
                    yield relay_pb2.AnswerChunk(chunk=chunk)
            except Denied:
                yield relay_pb2.AnswerChunk(refusal=relay_pb2.AnswerRefusal(request_id=request_id))
                return
            yield relay_pb2.AnswerChunk(end=relay_pb2.AnswerEnd())

        await call(self._stub.Answer(parts(), timeout=STREAM_DEADLINE_S, metadata=outgoing()))

    async def refuse(self, request_id: bytes) -> None:
        """See the port."""

        async def parts() -> AsyncIterator[relay_pb2.AnswerChunk]:
            yield relay_pb2.AnswerChunk(refusal=relay_pb2.AnswerRefusal(request_id=request_id))

        await call(self._stub.Answer(parts(), timeout=CALL_DEADLINE_S, metadata=outgoing()))


class GrpcRetrievalLink:
    """Implements relay.ports.court.RetrievalLink over a channel that its owner closes."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub: relay_pb2_grpc.CourtPortAsyncStub = relay_pb2_grpc.CourtPortStub(channel)

    @asynccontextmanager
    async def retrieve(self, custodian: str, request: bytes) -> AsyncIterator[AsyncIterator[bytes]]:
        """See the port."""
        calling = self._stub.Retrieve(
            relay_pb2.RetrieveRequest(custodian=custodian, request=request),
            timeout=STREAM_DEADLINE_S,
            metadata=outgoing(),
        )

        async def pieces() -> AsyncIterator[bytes]:
            expected = "header"
            async for piece in stream(calling):
                part = piece.WhichOneof("part")
                if part != expected:
                    raise Malformed("sealed answer", "part", f"is {part}, expected {expected}")
                yield piece.header if part == "header" else piece.chunk
                expected = "chunk"

        try:
            yield pieces()
        finally:
            calling.cancel()
