"""The ledger's gRPC face. The sender of a transaction is who the certificate says, never what the request says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import grpc.aio

from adapters.embedded import rules
from adapters.embedded.blocks import HASH_BYTES
from adapters.embedded.ledger import Ledger, Placed, Written
from adapters.embedded.v1 import ledger_pb2, ledger_pb2_grpc
from relay.core.checkpoint import Checkpoint, parse_origin
from relay.core.checks import Verifiers
from relay.core.errors import Malformed, NotFound
from relay.core.identity import Role
from relay.core.ledgerproof import LedgerProof
from relay.core.limits import JSON_INT_MAX, NOTE_BYTES_MAX, PROOF_HASHES_MAX, TREE_SIZE_MAX
from relay.transport.peer import peer_identity

STATEMENT_BYTES_MAX: Final = 32 * 1024

_SERVICE: Final = "/adapters.embedded.v1.Ledger/"
_READERS: Final = frozenset(Role)
ALLOW: Final[Mapping[str, frozenset[Role]]] = {
    _SERVICE + "Anchor": frozenset({Role.CUSTODIAN}),
    _SERVICE + "SubmitCheckpoint": frozenset({Role.RELAY}),
    _SERVICE + "RecordGrant": frozenset({Role.RELAY, Role.CUSTODIAN}),
    _SERVICE + "AppendCustody": frozenset({Role.COURT, Role.CUSTODIAN}),
    **{_SERVICE + name: _READERS for name in ("Head", "Blocks", "Find", "Latest", "GrantState", "Prove")},
}
LONG_LIVED: Final = frozenset({_SERVICE + "Blocks"})

Context = grpc.aio.ServicerContext[Any, Any]


def _fact(placed: Placed) -> ledger_pb2.Fact:
    return ledger_pb2.Fact(
        origin=placed.origin,
        size=placed.size,
        root=placed.root,
        height=placed.height,
        block_hash=placed.block_hash,
        tx_id=placed.tx,
        time_ms=placed.time_ms,
    )


def _placed_fact(written: Written) -> ledger_pb2.Fact:
    if written.placed is None:
        raise NotFound("no such transaction on this ledger")
    return _fact(written.placed)


def _found(placed: Placed | None) -> ledger_pb2.FindReply:
    return ledger_pb2.FindReply() if placed is None else ledger_pb2.FindReply(found=True, fact=_fact(placed))


def _bounded(data: bytes, field: str, most: int) -> bytes:
    if not 0 < len(data) <= most:
        raise Malformed("request", field, f"{len(data)} bytes; must be 1 to {most}")
    return data


def _number(value: int, field: str, most: int) -> int:
    if value > most:
        raise Malformed("request", field, f"must be at most {most}")
    return value


def _proof_hashes(hashes: list[bytes]) -> list[bytes]:
    if len(hashes) > PROOF_HASHES_MAX or any(len(h) != HASH_BYTES for h in hashes):
        raise Malformed("request", "consistency", f"must be at most {PROOF_HASHES_MAX} hashes of {HASH_BYTES} bytes")
    return hashes


class LedgerServicer(ledger_pb2_grpc.LedgerServicer):
    """Protobuf in, ledger called, protobuf out."""

    def __init__(self, ledger: Ledger, verifiers: Verifiers) -> None:
        self._ledger = ledger
        self._verifiers = verifiers
        self._kind = "anchor" if ledger.genesis.mode == "lender" else "checkpoint"

    async def Head(self, request: ledger_pb2.HeadRequest, context: Context) -> ledger_pb2.HeadReply:
        """Newest and final height."""
        ledger = self._ledger
        return ledger_pb2.HeadReply(
            ledger=ledger.genesis.ledger,
            height=ledger.height,
            block_hash=ledger.head_hash,
            final_height=ledger.final_height,
        )

    async def Blocks(self, request: ledger_pb2.BlocksRequest, context: Context) -> AsyncIterator[ledger_pb2.Block]:
        """The live feed."""
        async for view in self._ledger.blocks(min(request.start, TREE_SIZE_MAX)):
            yield ledger_pb2.Block(
                height=view.height,
                block_hash=view.hash,
                parent_hash=view.previous,
                time_ms=view.time_ms,
                anchors=[_fact(anchor) for anchor in view.anchors],
                final_height=self._ledger.final_height,
            )

    async def Anchor(self, request: ledger_pb2.AnchorRequest, context: Context) -> ledger_pb2.Fact:
        """Write a checkpoint's facts."""
        if len(request.root) != HASH_BYTES or request.size > TREE_SIZE_MAX:
            raise Malformed("anchor", "root", f"must be {HASH_BYTES} bytes of a tree of possible size")
        checkpoint = Checkpoint(origin=parse_origin(request.origin), size=request.size, root=request.root)
        draft = rules.draft_anchor(self._ledger.genesis, checkpoint, str(peer_identity(context)))
        return _placed_fact(await self._ledger.submit(draft))

    async def SubmitCheckpoint(self, request: ledger_pb2.SubmitCheckpointRequest, context: Context) -> ledger_pb2.Fact:
        """Accept a checkpoint that extends the last."""
        source = LedgerProof(
            kind=request.source_kind, ledger=request.source_ledger, body=_bounded(request.source_proof, "proof", 2**20)
        )
        draft = await asyncio.to_thread(
            rules.draft_checkpoint,
            self._ledger.genesis,
            _bounded(request.checkpoint, "checkpoint", NOTE_BYTES_MAX),
            _number(request.old_size, "old_size", TREE_SIZE_MAX),
            _proof_hashes(list(request.consistency)),
            source,
            _number(request.attempt, "attempt", JSON_INT_MAX),
            str(peer_identity(context)),
            self._verifiers,
        )
        return _placed_fact(await self._ledger.submit(draft))

    async def RecordGrant(
        self, request: ledger_pb2.RecordGrantRequest, context: Context
    ) -> ledger_pb2.TransactionReply:
        """Register or revoke a grant."""
        statement = _bounded(request.statement, "statement", STATEMENT_BYTES_MAX)
        sender, now_ms = str(peer_identity(context)), self._ledger.now_ms()
        draft = rules.draft_grant(self._ledger.genesis, statement, sender, now_ms)
        return ledger_pb2.TransactionReply(tx_id=(await self._ledger.submit(draft)).tx)

    async def AppendCustody(
        self, request: ledger_pb2.AppendCustodyRequest, context: Context
    ) -> ledger_pb2.TransactionReply:
        """A custody log's head."""
        draft = rules.draft_custody(
            self._ledger.genesis,
            _bounded(request.checkpoint, "checkpoint", NOTE_BYTES_MAX),
            _number(request.old_size, "old_size", TREE_SIZE_MAX),
            _proof_hashes(list(request.consistency)),
            str(peer_identity(context)),
            self._ledger.now_ms(),
        )
        return ledger_pb2.TransactionReply(tx_id=(await self._ledger.submit(draft)).tx)

    async def Find(self, request: ledger_pb2.FindRequest, context: Context) -> ledger_pb2.FindReply:
        """By origin and size."""
        return _found(await self._ledger.find(self._kind, request.origin, min(request.size, TREE_SIZE_MAX)))

    async def Latest(self, request: ledger_pb2.LatestRequest, context: Context) -> ledger_pb2.FindReply:
        """The largest size of an origin; custody logs too."""
        kind = self._kind
        if any(key.name == request.origin for key in self._ledger.genesis.custody):
            kind = "custody"
        return _found(await self._ledger.latest(kind, request.origin))

    async def GrantState(self, request: ledger_pb2.GrantStateRequest, context: Context) -> ledger_pb2.GrantStateReply:
        """Registration and revocation."""
        state = await self._ledger.grant_state(request.issuer, request.digest)
        return ledger_pb2.GrantStateReply(
            registered_ms=state.registered_ms, revoked_ms=state.revoked_ms, registration=state.registration
        )

    async def Prove(self, request: ledger_pb2.ProveRequest, context: Context) -> ledger_pb2.ProveReply:
        """Offline evidence of a transaction."""
        return ledger_pb2.ProveReply(body=await self._ledger.prove(request.tx_id))
