"""Serves any AnchorSource and CourtRegistry to roles elsewhere, as proto/adapters/remote/v1/adapter.proto says.

The ledger sees the adapter, not its caller: whoever may write through an adapter writes under the adapter's own account. So a role
alone opens reading only; writing is for the identities that the adapter was given by name.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import grpc.aio

from adapters.remote import messages
from adapters.remote.v1 import adapter_pb2 as pb
from adapters.remote.v1 import adapter_pb2_grpc
from relay.core.errors import Malformed, Unavailable
from relay.core.identity import Identity, Role
from relay.core.limits import NOTE_BYTES_MAX, TREE_SIZE_MAX
from relay.ports.ledgers import AnchorBlock, AnchorSource, CourtRegistry
from relay.transport.credentials import TlsFiles
from relay.transport.limits import Limits
from relay.transport.servers import Register, serving

HEARTBEAT_S: Final = 10.0

_SOURCE: Final = "/adapters.remote.v1.AnchorSource/"
_COURT: Final = "/adapters.remote.v1.CourtRegistry/"
_EVERYONE: Final = frozenset(Role)
WRITES: Final[Mapping[str, frozenset[Role]]] = {
    _SOURCE + "Anchor": frozenset({Role.CUSTODIAN}),
    _COURT + "Submit": frozenset({Role.RELAY}),
    _COURT + "RecordGrant": frozenset({Role.RELAY, Role.CUSTODIAN}),
    _COURT + "AppendCustodyHead": frozenset({Role.COURT, Role.CUSTODIAN}),
}
ALLOW: Final[Mapping[str, frozenset[Role]]] = {
    **WRITES,
    "/adapters.remote.v1.Adapter/Hello": _EVERYONE,
    **{_SOURCE + name: _EVERYONE for name in ("Head", "Blocks", "Find", "Prove")},
    **{_COURT + name: _EVERYONE for name in ("Latest", "Find", "Prove", "GrantState")},
}
LONG_LIVED: Final = frozenset({_SOURCE + "Blocks"})

REQUEST: Final = "request"
Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What one adapter serves: one ledger, as a lender's, as a court's, or as both. `proof_kind` is the format of its proofs."""

    name: str
    version: str
    family: str
    proof_kind: str
    source: AnchorSource | None = None
    court: CourtRegistry | None = None

    @property
    def ledger(self) -> str:
        """The ledger's id. Raises `Malformed` when nothing is offered, or two ledgers are."""
        ids = {one.ledger for one in (self.source, self.court) if one is not None}
        if len(ids) != 1:
            said = f"{' and '.join(sorted(ids))}; run one adapter for each" if ids else "none"
            raise Malformed("adapter", "ledger", f"must be one ledger, is {said}")
        return ids.pop()

    def greeting(self, version: int) -> pb.HelloReply:
        """Raises `Malformed` for what no caller would take."""
        made = pb.HelloReply(
            version=version,
            name=self.name,
            adapter_version=self.version,
            family=self.family,
            proof_kind=self.proof_kind,
            ledger=self.ledger,
            source=self.source is not None,
            court=self.court is not None,
        )
        messages.greeting_from(made, "adapter")
        return made


class AdapterServicer(adapter_pb2_grpc.AdapterServicer):
    """The handshake."""

    def __init__(self, offer: Offer) -> None:
        self._offer = offer

    async def Hello(self, request: pb.HelloRequest, context: Context) -> pb.HelloReply:
        """The largest version that both speak."""
        if not 0 < len(request.versions) <= messages.VERSIONS_MAX:
            raise Malformed("hello", "versions", f"must be 1 to {messages.VERSIONS_MAX} numbers")
        common = set(request.versions) & set(messages.VERSIONS)
        if not common:
            spoken = ", ".join(map(str, messages.VERSIONS))
            raise Malformed("hello", "versions", f"this adapter speaks protocol version {spoken} and none of these")
        return self._offer.greeting(max(common))


class _OfLedger:
    """What both services begin with."""

    def __init__(self, ledger: str) -> None:
        self._ledger = ledger

    def _mine(self, asked: str) -> None:
        if asked != self._ledger:
            raise Unavailable(f"this adapter is of ledger {self._ledger}, asked is {asked[:255]!a}")


class AnchorSourceServicer(_OfLedger, adapter_pb2_grpc.AnchorSourceServicer):
    """Protobuf in, source called, protobuf out."""

    def __init__(self, source: AnchorSource, heartbeat_s: float, ending: asyncio.Event) -> None:
        super().__init__(source.ledger)
        self._source = source
        self._heartbeat_s = heartbeat_s
        self._ending = ending

    async def Head(self, request: pb.HeadRequest, context: Context) -> pb.LedgerHead:
        """Newest and final height."""
        self._mine(request.ledger)
        return messages.head_to(await self._source.head())

    async def Blocks(self, request: pb.BlocksRequest, context: Context) -> AsyncIterator[pb.BlocksReply]:
        """The live feed, with heartbeats."""
        self._mine(request.ledger)
        feed = self._source.blocks(messages.number(request.start, REQUEST, "start", low=1))
        async with aclosing(beating(feed, self._heartbeat_s, self._ending)) as beats:
            async for block in beats:
                yield pb.BlocksReply() if block is None else pb.BlocksReply(block=messages.block_to(block))

    async def Find(self, request: pb.FindAnchorRequest, context: Context) -> pb.FindAnchorReply:
        """By origin and size."""
        self._mine(request.ledger)
        size = messages.number(request.size, REQUEST, "size", low=1, high=TREE_SIZE_MAX)
        found = await self._source.find(messages.origin(request.origin, REQUEST), size)
        return pb.FindAnchorReply() if found is None else pb.FindAnchorReply(anchor=messages.anchor_to(found))

    async def Prove(self, request: pb.ProveAnchorRequest, context: Context) -> pb.LedgerProof:
        """Offline evidence of an anchor."""
        self._mine(request.ledger)
        anchor = messages.anchor_from(request.anchor, self._ledger, REQUEST)
        return messages.proof_to(await self._source.prove(anchor))

    async def Anchor(self, request: pb.AnchorRequest, context: Context) -> pb.Anchor:
        """Write a checkpoint's facts."""
        self._mine(request.ledger)
        facts = messages.checkpoint_of(request.origin, request.size, request.root, REQUEST)
        return messages.anchor_to(await self._source.anchor(facts))


class CourtRegistryServicer(_OfLedger, adapter_pb2_grpc.CourtRegistryServicer):
    """Protobuf in, registry called, protobuf out."""

    def __init__(self, court: CourtRegistry) -> None:
        super().__init__(court.ledger)
        self._court = court

    async def Latest(self, request: pb.LatestRequest, context: Context) -> pb.FindReceiptReply:
        """The largest size of an origin."""
        self._mine(request.ledger)
        found = await self._court.latest(messages.origin(request.origin, REQUEST))
        return pb.FindReceiptReply() if found is None else pb.FindReceiptReply(receipt=messages.receipt_to(found))

    async def Submit(self, request: pb.SubmitRequest, context: Context) -> pb.Receipt:
        """Accept a checkpoint that extends the last."""
        self._mine(request.ledger)
        return messages.receipt_to(await self._court.submit(messages.submission_from(request, REQUEST)))

    async def Find(self, request: pb.FindReceiptRequest, context: Context) -> pb.FindReceiptReply:
        """By all facts."""
        self._mine(request.ledger)
        facts = messages.checkpoint_of(request.origin, request.size, request.root, REQUEST)
        found = await self._court.find(facts.origin, facts.size, facts.root)
        return pb.FindReceiptReply() if found is None else pb.FindReceiptReply(receipt=messages.receipt_to(found))

    async def Prove(self, request: pb.ProveRequest, context: Context) -> pb.LedgerProof:
        """Offline evidence of a transaction."""
        self._mine(request.ledger)
        return messages.proof_to(await self._court.prove(messages.octets(request.tx_id, REQUEST, "tx_id")))

    async def RecordGrant(self, request: pb.RecordGrantRequest, context: Context) -> pb.TransactionReply:
        """Register or revoke a grant."""
        self._mine(request.ledger)
        statement = messages.octets(request.statement, REQUEST, "statement", high=messages.STATEMENT_BYTES_MAX)
        return pb.TransactionReply(tx_id=await self._court.record_grant(statement))

    async def GrantState(self, request: pb.GrantStateRequest, context: Context) -> pb.GrantStateReply:
        """Registration and revocation."""
        self._mine(request.ledger)
        issuer = messages.issuer(request.issuer, REQUEST)
        state = await self._court.grant_state(issuer, messages.digest(request.digest, REQUEST, "digest"))
        return pb.GrantStateReply(
            registered_ms=state.registered_ms, revoked_ms=state.revoked_ms, registration=state.registration
        )

    async def AppendCustodyHead(self, request: pb.AppendCustodyHeadRequest, context: Context) -> pb.TransactionReply:
        """A custody log's head."""
        self._mine(request.ledger)
        tx_id = await self._court.append_custody_head(
            messages.octets(request.checkpoint, REQUEST, "checkpoint", high=NOTE_BYTES_MAX),
            messages.number(request.old_size, REQUEST, "old_size", high=TREE_SIZE_MAX),
            messages.hashes(request.consistency, REQUEST),
        )
        return pb.TransactionReply(tx_id=tx_id)


async def beating(
    feed: AsyncIterator[AnchorBlock], heartbeat_s: float, ending: asyncio.Event
) -> AsyncGenerator[AnchorBlock | None, None]:
    """A feed with a heartbeat (None) at once and whenever nothing came for so long. Raises `Unavailable` when it or the adapter ends."""
    over = asyncio.ensure_future(ending.wait())
    step: asyncio.Future[AnchorBlock | None] | None = None
    try:
        yield None
        while True:
            step = step or asyncio.ensure_future(anext(feed, None))
            either: set[asyncio.Future[Any]] = {step, over}
            done, _ = await asyncio.wait(either, timeout=heartbeat_s, return_when=asyncio.FIRST_COMPLETED)
            if over in done:
                raise Unavailable("the adapter is ending")
            if step not in done:
                yield None
                continue
            block, step = step.result(), None
            if block is None:
                raise Unavailable("the ledger's feed has ended")
            yield block
    finally:
        over.cancel()
        if step is not None and not step.done():
            step.cancel()
            await asyncio.wait({step})
        if isinstance(feed, AsyncGenerator):
            await feed.aclose()


def _registers(offer: Offer, heartbeat_s: float, ending: asyncio.Event) -> list[Register]:
    pb_grpc = adapter_pb2_grpc
    made: list[Register] = [functools.partial(pb_grpc.add_AdapterServicer_to_server, AdapterServicer(offer))]
    if offer.source is not None:
        source = AnchorSourceServicer(offer.source, heartbeat_s, ending)
        made.append(functools.partial(pb_grpc.add_AnchorSourceServicer_to_server, source))
    if offer.court is not None:
        court = CourtRegistryServicer(offer.court)
        made.append(functools.partial(pb_grpc.add_CourtRegistryServicer_to_server, court))
    return made


@asynccontextmanager
async def serving_adapter(
    offer: Offer,
    *,
    address: str,
    tls: TlsFiles,
    writers: Sequence[str] | frozenset[str] = (),
    limits: Limits = Limits(),  # noqa: B008  (frozen)
    heartbeat_s: float = HEARTBEAT_S,
) -> AsyncIterator[int]:
    """Serve while the body runs; yields the bound port. `writers` are the identities that may write; none unless they are named.

    The source and the court stay their owner's. Raises `Malformed` for an offer, TLS files or an address that cannot be used.
    """
    offer.greeting(max(messages.VERSIONS))
    ending, named = asyncio.Event(), frozenset(writers)

    def may(method: str, identity: Identity) -> bool:
        return method not in WRITES or str(identity) in named

    async with serving(
        _registers(offer, heartbeat_s, ending),
        address=address,
        tls=tls,
        allow=ALLOW,
        long_lived=LONG_LIVED,
        may=may,
        limits=limits,
    ) as port:
        try:
            yield port
        finally:
            ending.set()
