"""The relay's gRPC face: protobuf in, services called, protobuf out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import grpc.aio

from relay.core.checkpoint import parse_checkpoint
from relay.core.errors import Denied, Malformed
from relay.core.identity import Role
from relay.core.limits import CHUNK_PLAINTEXT_BYTES
from relay.core.limits import SEALED_HEADER_BYTES_MAX as HEADER_BYTES_MAX
from relay.core.package import Package
from relay.services.forwarding.intake import LogIntake
from relay.services.forwarding.receipts import Receipts
from relay.services.forwarding.route import Router
from relay.services.mirroring import GROUP_PACKAGES_MAX
from relay.transport.peer import peer_identity
from relay.wire.convert import bounded_note, evidence_to, package_from
from relay.wire.grouping import arriving
from relay.wire.relay_admin import ALLOW as ADMIN_ALLOW
from relay.wire.v1 import relay_pb2, relay_pb2_grpc

REQUEST_ID_BYTES: Final = 32
SEALED_CHUNK_BYTES_MAX: Final = CHUNK_PLAINTEXT_BYTES + 16

ALLOW: Final[Mapping[str, frozenset[Role]]] = {
    "/relay.wire.v1.CustodianPort/PushLog": frozenset({Role.CUSTODIAN}),
    "/relay.wire.v1.CustodianPort/Receipts": frozenset({Role.CUSTODIAN}),
    "/relay.wire.v1.CustodianPort/ReadLog": frozenset({Role.CUSTODIAN}),
    "/relay.wire.v1.CustodianPort/RecordGrant": frozenset({Role.CUSTODIAN}),
    "/relay.wire.v1.CustodianPort/Requests": frozenset({Role.CUSTODIAN}),
    "/relay.wire.v1.CustodianPort/Answer": frozenset({Role.CUSTODIAN}),
    "/relay.wire.v1.CourtPort/Retrieve": frozenset({Role.COURT}),
    **ADMIN_ALLOW,
}
LONG_LIVED: Final = frozenset({"/relay.wire.v1.CustodianPort/PushLog", "/relay.wire.v1.CustodianPort/Requests"})

Context = grpc.aio.ServicerContext[Any, Any]


class CustodianPort(relay_pb2_grpc.CustodianPortServicer):
    """What custodians call."""

    def __init__(self, intake: LogIntake, receipts: Receipts, router: Router) -> None:
        self._intake = intake
        self._receipts = receipts
        self._router = router

    async def PushLog(
        self, request_iterator: AsyncIterator[relay_pb2.PushLogRequest], context: Context
    ) -> AsyncIterator[relay_pb2.PushLogReply]:
        """An offer, then packages; replies carry the next index wanted."""
        caller = str(peer_identity(context))
        first = await anext(aiter(request_iterator), None)
        if first is None or first.WhichOneof("part") != "offer":
            raise Malformed("push", "offer", "the first message must be the offer of a checkpoint")
        note = bounded_note(first.offer.checkpoint, "push")
        size = parse_checkpoint(note)[0].size
        packages = _packages(request_iterator)
        async with arriving(packages, GROUP_PACKAGES_MAX, ends=lambda p: p.end >= size) as groups:
            async for next_index in self._intake.push(caller, note, groups):
                yield relay_pb2.PushLogReply(next_index=next_index)

    async def Receipts(self, request: relay_pb2.ReceiptsRequest, context: Context) -> relay_pb2.ReceiptsReply:
        """Confirmed checkpoints above a size."""
        rows = await self._receipts.above(str(peer_identity(context)), request.origin, request.above_size)
        return relay_pb2.ReceiptsReply(
            receipts=[
                relay_pb2.ReceiptRow(
                    size=row.receipt.size,
                    root=row.receipt.root,
                    evidence=evidence_to(row.proof),
                    checkpoint=row.cosigned,
                )
                for row in rows
            ]
        )

    async def ReadLog(self, request: relay_pb2.ReadLogRequest, context: Context) -> AsyncIterator[relay_pb2.LogEntries]:
        """Entries of a log of the caller's own."""
        caller = str(peer_identity(context))
        async for entries in self._intake.entries(caller, request.origin, request.start, request.end):
            yield relay_pb2.LogEntries(entries=b"".join(entries))

    async def RecordGrant(self, request: relay_pb2.RecordGrantRequest, context: Context) -> relay_pb2.RecordGrantReply:
        """A grant statement on its way to the court ledger."""
        proof = await self._receipts.record_grant(request.statement)
        return relay_pb2.RecordGrantReply(evidence=evidence_to(proof))

    async def Requests(
        self, request: relay_pb2.RequestsRequest, context: Context
    ) -> AsyncIterator[relay_pb2.RoutedRequest]:
        """Retrieval requests as they come, for as long as the custodian listens."""
        async with self._router.subscribed(str(peer_identity(context))) as queue:
            # The stream's headers tell the custodian that it is subscribed.
            await context.send_initial_metadata(())
            while True:
                request_id, token, trace = await queue.get()
                yield relay_pb2.RoutedRequest(request_id=request_id, request=token, trace=trace)

    async def Answer(
        self, request_iterator: AsyncIterator[relay_pb2.AnswerChunk], context: Context
    ) -> relay_pb2.AnswerReply:
        """The sealed answer to one request, or a refusal."""
        caller = str(peer_identity(context))
        first = await anext(aiter(request_iterator), None)
        part = first.WhichOneof("part") if first is not None else None
        if first is not None and part == "refusal":
            await self._router.refuse(caller, _request_id(first.refusal.request_id))
        elif first is not None and part == "start":
            pieces = _pieces(first.start.header, request_iterator)
            await self._router.answer(caller, _request_id(first.start.request_id), pieces)
        else:
            raise Malformed("answer", "start", "the first message must start or refuse the answer")
        return relay_pb2.AnswerReply()


class CourtPort(relay_pb2_grpc.CourtPortServicer):
    """What court gateways call."""

    def __init__(self, router: Router) -> None:
        self._router = router

    async def Retrieve(
        self, request: relay_pb2.RetrieveRequest, context: Context
    ) -> AsyncIterator[relay_pb2.SealedChunk]:
        """The sealed header, then the chunks."""
        pieces = self._router.retrieve(str(peer_identity(context)), request.custodian, request.request)
        header = True
        async for piece in pieces:
            yield relay_pb2.SealedChunk(header=piece) if header else relay_pb2.SealedChunk(chunk=piece)
            header = False


async def _packages(requests: AsyncIterator[relay_pb2.PushLogRequest]) -> AsyncIterator[Package]:
    async for request in requests:
        if request.WhichOneof("part") != "package":
            raise Malformed("push", "package", "every message after the offer must be a package")
        yield package_from(request.package)


async def _pieces(header: bytes, requests: AsyncIterator[relay_pb2.AnswerChunk]) -> AsyncIterator[bytes]:
    if not 0 < len(header) <= HEADER_BYTES_MAX:
        raise Malformed("answer", "header", f"{len(header)} bytes; must be 1 to {HEADER_BYTES_MAX}")
    yield header
    async for request in requests:
        if request.WhichOneof("part") == "refusal":
            raise Denied("the custodian refuses to go on")
        if request.WhichOneof("part") == "end":
            return
        if request.WhichOneof("part") != "chunk" or not 0 < len(request.chunk) <= SEALED_CHUNK_BYTES_MAX:
            raise Malformed("answer", "chunk", f"must be 1 to {SEALED_CHUNK_BYTES_MAX} bytes")
        yield request.chunk
    # a killed sender's stream may end like a finished one
    raise Malformed("answer", "end", "the stream broke off before its end was said")


def _request_id(value: bytes) -> bytes:
    if len(value) != REQUEST_ID_BYTES:
        raise Malformed("answer", "request_id", f"{len(value)} bytes; must be {REQUEST_ID_BYTES}")
    return value
