"""The embedded ledger behind the ports: a source of anchors, and a court's registry, each over one channel."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import grpc.aio

from adapters.embedded.proof import KIND
from adapters.embedded.v1 import ledger_pb2, ledger_pb2_grpc
from relay.core.checkpoint import Checkpoint
from relay.core.errors import Malformed, Unavailable
from relay.core.ledgerproof import LedgerProof
from relay.ports.ledgers import Anchor, AnchorBlock, GrantState, LedgerHead, Receipt, Submission
from relay.transport.channels import CALL_DEADLINE_S, call, channel, stream
from relay.transport.credentials import TlsFiles

_KEYS: Final = ("address", "ca", "certificate", "key", "ledger")


class _Node:
    """One channel to one node of the named ledger."""

    def __init__(self, ledger: str, stub: ledger_pb2_grpc.LedgerAsyncStub, stack: AsyncExitStack) -> None:
        self.ledger = ledger
        self._stub = stub
        self._stack = stack
        self._closed = False

    @property
    def stub(self) -> ledger_pb2_grpc.LedgerAsyncStub:
        """Raises `Unavailable` once closed: gRPC's own error for a closed channel is none of the port's."""
        if self._closed:
            raise Unavailable(f"the connection to {self.ledger} was closed here")
        return self._stub

    @classmethod
    async def open(cls, config: Mapping[str, object]) -> _Node:
        values = {}
        for name in _KEYS:
            value = config.get(name)
            if not isinstance(value, str) or not value:
                raise Malformed("configuration", f"ledger.{name}", "must be given as a string")
            values[name] = value
        unknown = sorted(set(config) - set(_KEYS) - {"family"})
        if unknown:
            raise Malformed("configuration", f"ledger.{unknown[0]}", f"is unknown; known are {', '.join(_KEYS)}")
        stack = AsyncExitStack()
        tls = TlsFiles(ca=Path(values["ca"]), certificate=Path(values["certificate"]), key=Path(values["key"]))
        opened: grpc.aio.Channel = await stack.enter_async_context(channel(values["address"], tls))
        return cls(values["ledger"], ledger_pb2_grpc.LedgerStub(opened), stack)

    async def head(self) -> LedgerHead:
        reply = await call(self.stub.Head(ledger_pb2.HeadRequest(), timeout=CALL_DEADLINE_S))
        if reply.ledger != self.ledger:
            raise Unavailable(f"the node is of ledger {reply.ledger}, configured is {self.ledger}")
        return LedgerHead(height=reply.height, block_hash=reply.block_hash, final_height=reply.final_height)

    async def prove(self, tx_id: bytes) -> LedgerProof:
        reply = await call(self.stub.Prove(ledger_pb2.ProveRequest(tx_id=tx_id), timeout=CALL_DEADLINE_S))
        return LedgerProof(kind=KIND, ledger=self.ledger, body=reply.body)

    async def close(self) -> None:
        self._closed = True
        await self._stack.aclose()


class EmbeddedSource:
    """Implements relay.ports.AnchorSource."""

    def __init__(self, node: _Node) -> None:
        self._node = node

    @property
    def ledger(self) -> str:
        """See the port."""
        return self._node.ledger

    async def head(self) -> LedgerHead:
        """See the port."""
        return await self._node.head()

    async def blocks(self, start: int) -> AsyncIterator[AnchorBlock]:
        """See the port."""
        await self._node.head()  # refuses a node of another ledger before anything of it is believed
        async for block in stream(self._node.stub.Blocks(ledger_pb2.BlocksRequest(start=start))):
            yield AnchorBlock(
                height=block.height,
                block_hash=block.block_hash,
                parent_hash=block.parent_hash,
                time_ms=block.time_ms,
                anchors=tuple(self._anchor(fact) for fact in block.anchors),
                final_height=block.final_height,
            )

    async def find(self, origin: str, size: int) -> Anchor | None:
        """See the port."""
        request = ledger_pb2.FindRequest(origin=origin, size=size)
        reply = await call(self._node.stub.Find(request, timeout=CALL_DEADLINE_S))
        return self._anchor(reply.fact) if reply.found else None

    async def prove(self, anchor: Anchor) -> LedgerProof:
        """See the port."""
        return await self._node.prove(anchor.tx_id)

    async def anchor(self, checkpoint: Checkpoint) -> Anchor:
        """See the port."""
        request = ledger_pb2.AnchorRequest(origin=checkpoint.origin, size=checkpoint.size, root=checkpoint.root)
        return self._anchor(await call(self._node.stub.Anchor(request, timeout=CALL_DEADLINE_S), writing=True))

    async def close(self) -> None:
        """See the port."""
        await self._node.close()

    def _anchor(self, fact: ledger_pb2.Fact) -> Anchor:
        return Anchor(
            ledger=self._node.ledger,
            origin=fact.origin,
            size=fact.size,
            root=fact.root,
            height=fact.height,
            block_hash=fact.block_hash,
            tx_id=fact.tx_id,
            time_ms=fact.time_ms,
        )


class EmbeddedCourt:
    """Implements relay.ports.CourtRegistry."""

    def __init__(self, node: _Node) -> None:
        self._node = node

    @property
    def ledger(self) -> str:
        """See the port."""
        return self._node.ledger

    async def latest(self, origin: str) -> Receipt | None:
        """See the port."""
        request = ledger_pb2.LatestRequest(origin=origin)
        reply = await call(self._node.stub.Latest(request, timeout=CALL_DEADLINE_S))
        return self._receipt(reply.fact) if reply.found else None

    async def submit(self, submission: Submission) -> Receipt:
        """See the port."""
        request = ledger_pb2.SubmitCheckpointRequest(
            checkpoint=submission.checkpoint,
            old_size=submission.old_size,
            consistency=submission.consistency,
            source_ledger=submission.anchor.ledger,
            source_kind=submission.anchor.kind,
            source_proof=submission.anchor.body,
            attempt=submission.attempt,
        )
        reply = await call(self._node.stub.SubmitCheckpoint(request, timeout=CALL_DEADLINE_S), writing=True)
        return self._receipt(reply)

    async def find(self, origin: str, size: int, root: bytes) -> Receipt | None:
        """See the port."""
        request = ledger_pb2.FindRequest(origin=origin, size=size)
        reply = await call(self._node.stub.Find(request, timeout=CALL_DEADLINE_S))
        return self._receipt(reply.fact) if reply.found and reply.fact.root == root else None

    async def prove(self, tx_id: bytes) -> LedgerProof:
        """See the port."""
        return await self._node.prove(tx_id)

    async def record_grant(self, statement: bytes) -> bytes:
        """See the port."""
        request = ledger_pb2.RecordGrantRequest(statement=statement)
        return (await call(self._node.stub.RecordGrant(request, timeout=CALL_DEADLINE_S), writing=True)).tx_id

    async def grant_state(self, issuer: str, digest: bytes) -> GrantState:
        """See the port."""
        request = ledger_pb2.GrantStateRequest(issuer=issuer, digest=digest)
        reply = await call(self._node.stub.GrantState(request, timeout=CALL_DEADLINE_S))
        return GrantState(
            registered_ms=reply.registered_ms, revoked_ms=reply.revoked_ms, registration=reply.registration
        )

    async def append_custody_head(self, checkpoint: bytes, old_size: int, consistency: tuple[bytes, ...]) -> bytes:
        """See the port."""
        request = ledger_pb2.AppendCustodyRequest(checkpoint=checkpoint, old_size=old_size, consistency=consistency)
        return (await call(self._node.stub.AppendCustody(request, timeout=CALL_DEADLINE_S), writing=True)).tx_id

    async def close(self) -> None:
        """See the port."""
        await self._node.close()

    def _receipt(self, fact: ledger_pb2.Fact) -> Receipt:
        return Receipt(
            ledger=self._node.ledger,
            origin=fact.origin,
            size=fact.size,
            root=fact.root,
            height=fact.height,
            tx_id=fact.tx_id,
            time_ms=fact.time_ms,
        )


async def open_source(config: Mapping[str, object]) -> EmbeddedSource:
    """Connect as a reader of anchors (custodians may also write them). Keys: address, ca, certificate, key, ledger."""
    return EmbeddedSource(await _Node.open(config))


async def open_court(config: Mapping[str, object]) -> EmbeddedCourt:
    """Connect to a court's ledger. Same keys."""
    return EmbeddedCourt(await _Node.open(config))
