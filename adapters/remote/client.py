"""The remote family's side in a role: the port over one channel to an adapter that runs elsewhere.

What an adapter answers is bounded and compared with the question before anything is made of it; what it proves is verified by others.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from typing import Final

from adapters.remote import messages
from adapters.remote.link import PROVES, Link, Patience
from adapters.remote.v1 import adapter_pb2 as pb
from relay.core.checkpoint import Checkpoint, parse_checkpoint
from relay.core.errors import Malformed, Unverified
from relay.core.ledgerproof import LedgerProof, ProvenFact
from relay.core.limits import NOTE_BYTES_MAX, TREE_SIZE_MAX
from relay.core.trust import LedgerRoot
from relay.ports.ledgers import Anchor, AnchorBlock, GrantState, LedgerHead, Receipt, Submission

PATIENCE: Final = Patience()


def _proof_reader(link: Link) -> Callable[[pb.LedgerProof], LedgerProof]:
    """Of this ledger, and of the kind that the adapter announced."""

    def read(message: pb.LedgerProof) -> LedgerProof:
        proof = messages.proof_from(message, link.what)
        messages.own(proof.ledger, link.ledger, link.what)
        if proof.kind != link.proof_kind:
            raise Malformed(link.what, "proof.kind", f"is {proof.kind}, the adapter announced {link.proof_kind}")
        return proof

    return read


def _tx_reader(link: Link) -> Callable[[pb.TransactionReply], bytes]:
    return lambda message: messages.octets(message.tx_id, link.what, "tx_id")


class RemoteSource:
    """Implements relay.ports.AnchorSource."""

    def __init__(self, link: Link) -> None:
        self._link = link

    @property
    def ledger(self) -> str:
        """See the port."""
        return self._link.ledger

    async def head(self) -> LedgerHead:
        """See the port."""
        request = pb.HeadRequest(ledger=self.ledger)
        return await self._link.ask(self._link.source.Head, request, lambda m: messages.head_from(m, self._link.what))

    async def blocks(self, start: int) -> AsyncIterator[AnchorBlock]:
        """See the port. Heights are passed on as they come."""
        messages.number(start, "feed", "start", low=1)
        request = pb.BlocksRequest(ledger=self.ledger, start=start)
        async with aclosing(self._link.feed(self._link.source.Blocks, request, self._block)) as feed:
            async for block in feed:
                yield block

    def _block(self, message: pb.BlocksReply) -> AnchorBlock | None:
        return messages.block_from(message.block, self.ledger, self._link.what) if message.HasField("block") else None

    async def find(self, origin: str, size: int) -> Anchor | None:
        """See the port."""
        if not 1 <= size <= TREE_SIZE_MAX:
            return None  # no log has that size

        def read(message: pb.FindAnchorReply) -> Anchor | None:
            return self._anchor(message.anchor, origin, size) if message.HasField("anchor") else None

        request = pb.FindAnchorRequest(ledger=self.ledger, origin=messages.origin(origin, "anchor"), size=size)
        return await self._link.ask(self._link.source.Find, request, read)

    async def prove(self, anchor: Anchor) -> LedgerProof:
        """See the port."""
        known = messages.anchor_from(anchor, self.ledger, "anchor")
        request = pb.ProveAnchorRequest(ledger=self.ledger, anchor=messages.anchor_to(known))
        return await self._link.ask(self._link.source.Prove, request, _proof_reader(self._link), may=PROVES)

    async def anchor(self, checkpoint: Checkpoint) -> Anchor:
        """See the port."""
        facts = messages.checkpoint_of(checkpoint.origin, checkpoint.size, checkpoint.root, "anchor")
        request = pb.AnchorRequest(ledger=self.ledger, origin=facts.origin, size=facts.size, root=facts.root)

        def read(message: pb.Anchor) -> Anchor:
            anchor = self._anchor(message, facts.origin, facts.size)
            if anchor.root != facts.root:
                raise Malformed(self._link.what, "root", "is of another checkpoint than the one to be anchored")
            return anchor

        return await self._link.write(self._link.source.Anchor, request, read)

    def _anchor(self, message: pb.Anchor, origin: str, size: int) -> Anchor:
        anchor = messages.anchor_from(message, self.ledger, self._link.what)
        if (anchor.origin, anchor.size) != (origin, size):
            raise Malformed(
                self._link.what, "anchor", f"is of {anchor.origin} size {anchor.size}, not of {origin} {size}"
            )
        return anchor

    async def close(self) -> None:
        """See the port."""
        await self._link.close()


class RemoteCourt:
    """Implements relay.ports.CourtRegistry."""

    def __init__(self, link: Link) -> None:
        self._link = link

    @property
    def ledger(self) -> str:
        """See the port."""
        return self._link.ledger

    async def latest(self, origin: str) -> Receipt | None:
        """See the port."""
        request = pb.LatestRequest(ledger=self.ledger, origin=messages.origin(origin, "question"))

        def read(message: pb.FindReceiptReply) -> Receipt | None:
            return self._receipt(message.receipt, origin) if message.HasField("receipt") else None

        return await self._link.ask(self._link.court.Latest, request, read)

    async def submit(self, submission: Submission) -> Receipt:
        """See the port."""
        known = messages.submission_from(submission, "submission")
        request = pb.SubmitRequest(
            ledger=self.ledger,
            checkpoint=known.checkpoint,
            old_size=known.old_size,
            consistency=known.consistency,
            anchor=messages.proof_to(known.anchor),
            attempt=known.attempt,
        )

        def read(message: pb.Receipt) -> Receipt:
            facts, _ = parse_checkpoint(known.checkpoint)  # the adapter, not this side, judges what is submitted
            receipt = self._receipt(message, facts.origin)
            if (receipt.size, receipt.root) != (facts.size, facts.root):
                raise Malformed(self._link.what, "receipt", "is of another checkpoint than the one submitted")
            return receipt

        return await self._link.write(self._link.court.Submit, request, read)

    async def find(self, origin: str, size: int, root: bytes) -> Receipt | None:
        """See the port."""
        if not 1 <= size <= TREE_SIZE_MAX:
            return None  # no log has that size
        facts = messages.checkpoint_of(origin, size, root, "question")
        request = pb.FindReceiptRequest(ledger=self.ledger, origin=facts.origin, size=facts.size, root=facts.root)

        def read(message: pb.FindReceiptReply) -> Receipt | None:
            if not message.HasField("receipt"):
                return None
            receipt = self._receipt(message.receipt, origin)
            if (receipt.size, receipt.root) != (size, root):
                raise Malformed(self._link.what, "receipt", "is not of the facts that were asked for")
            return receipt

        return await self._link.ask(self._link.court.Find, request, read)

    async def prove(self, tx_id: bytes) -> LedgerProof:
        """See the port."""
        request = pb.ProveRequest(ledger=self.ledger, tx_id=messages.octets(tx_id, "question", "tx_id"))
        return await self._link.ask(self._link.court.Prove, request, _proof_reader(self._link), may=PROVES)

    async def record_grant(self, statement: bytes) -> bytes:
        """See the port."""
        messages.octets(statement, "grant", "statement", high=messages.STATEMENT_BYTES_MAX)
        request = pb.RecordGrantRequest(ledger=self.ledger, statement=statement)
        return await self._link.write(self._link.court.RecordGrant, request, _tx_reader(self._link))

    async def grant_state(self, issuer: str, digest: bytes) -> GrantState:
        """See the port."""
        messages.digest(digest, "question", "digest")
        request = pb.GrantStateRequest(ledger=self.ledger, issuer=messages.issuer(issuer, "question"), digest=digest)
        return await self._link.ask(
            self._link.court.GrantState, request, lambda m: messages.grant_state_from(m, self._link.what)
        )

    async def append_custody_head(self, checkpoint: bytes, old_size: int, consistency: tuple[bytes, ...]) -> bytes:
        """See the port."""
        request = pb.AppendCustodyHeadRequest(
            ledger=self.ledger,
            checkpoint=messages.octets(checkpoint, "custody head", "checkpoint", high=NOTE_BYTES_MAX),
            old_size=messages.number(old_size, "custody head", "old_size", high=TREE_SIZE_MAX),
            consistency=messages.hashes(consistency, "custody head"),
        )
        return await self._link.write(self._link.court.AppendCustodyHead, request, _tx_reader(self._link))

    def _receipt(self, message: pb.Receipt, origin: str) -> Receipt:
        receipt = messages.receipt_from(message, self.ledger, self._link.what)
        if receipt.origin != origin:
            raise Malformed(self._link.what, "receipt", f"is of {receipt.origin}, not of {origin}")
        return receipt

    async def close(self) -> None:
        """See the port."""
        await self._link.close()


async def open_source(config: Mapping[str, object], patience: Patience = PATIENCE) -> RemoteSource:
    """Connect to an adapter of a lender's ledger. Keys: address, ledger, ca, certificate, key, optional kind. Raises `Malformed`."""
    return RemoteSource(await Link.open(config, "source", patience))


async def open_court(config: Mapping[str, object], patience: Patience = PATIENCE) -> RemoteCourt:
    """Connect to an adapter of a court's ledger. Same keys."""
    return RemoteCourt(await Link.open(config, "court", patience))


def verify_nothing(proof: LedgerProof, root: LedgerRoot) -> ProvenFact:
    """This family has no proof format of its own. Raises `Unverified`, always."""
    raise Unverified("ledger proof", f"kind {proof.kind!a} of {root.ledger} is for the verifier of its own family")
