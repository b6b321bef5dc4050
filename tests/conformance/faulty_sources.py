"""Faults of an AnchorSource, and of a verifier."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

from relay.conformance.skeleton.proof import build_proof, verify_proof
from relay.core.checkpoint import Checkpoint
from relay.core.errors import Conflict, NotFound, Unavailable, Unverified
from relay.core.ledgerproof import LedgerProof, ProvenFact
from relay.core.trust import LedgerRoot
from relay.ports.ledgers import Anchor, AnchorBlock, LedgerHead
from tests.conformance.faults import Around, plant


@plant("source", "source.blocks.no-gap")
class SkipsABlock(Around):
    async def blocks(self, start: int) -> AsyncIterator[AnchorBlock]:
        async for block in self.good.blocks(start):
            if block.height != self.first_empty:
                yield block


@plant("source", "source.blocks.once")
class DoublesABlock(Around):
    async def blocks(self, start: int) -> AsyncIterator[AnchorBlock]:
        async for block in self.good.blocks(start):
            yield block
            if block.height == self.first_empty:
                yield block


@plant("source", "source.blocks.parent-hashes")
class ForgetsAParentHash(Around):
    async def blocks(self, start: int) -> AsyncIterator[AnchorBlock]:
        async for block in self.good.blocks(start):
            yield replace(block, parent_hash=bytes(32)) if block.height == self.first_empty else block


@plant("source", "source.blocks.order")
class SwapsTwoBlocks(Around):
    async def blocks(self, start: int) -> AsyncIterator[AnchorBlock]:
        held = None
        async for block in self.good.blocks(start):
            if block.height == self.first_empty - 1 and start < block.height:
                held = block
                continue
            yield block
            if held is not None:
                yield held
                held = None


@plant("source", "source.blocks.times-in-order")
class LetsTimeFall(Around):
    async def blocks(self, start: int) -> AsyncIterator[AnchorBlock]:
        async for block in self.good.blocks(start):
            yield replace(block, time_ms=block.time_ms - 60_000) if block.height == self.first_empty else block


@plant("source", "source.blocks.final-not-above-head")
class CallsTheFutureFinal(Around):
    async def blocks(self, start: int) -> AsyncIterator[AnchorBlock]:
        async for block in self.good.blocks(start):
            yield replace(block, final_height=len(self.node.chain) + 1000)


@plant("source", "source.blocks.anchors-name-their-block")
class NamesAnotherLedgerInTheFeed(Around):
    async def blocks(self, start: int) -> AsyncIterator[AnchorBlock]:
        async for block in self.good.blocks(start):
            yield replace(block, anchors=tuple(replace(a, ledger="memory:other") for a in block.anchors))


@plant("source", "source.blocks.times-in-ms", "source.prove.same-place")
class CountsSeconds(Around):
    async def blocks(self, start: int) -> AsyncIterator[AnchorBlock]:
        async for block in self.good.blocks(start):
            anchors = tuple(replace(a, time_ms=a.time_ms // 1000) for a in block.anchors)
            yield replace(block, time_ms=block.time_ms // 1000, anchors=anchors)

    async def anchor(self, checkpoint: Checkpoint) -> Anchor:
        made = await self.good.anchor(checkpoint)
        return replace(made, time_ms=made.time_ms // 1000)

    async def find(self, origin: str, size: int) -> Anchor | None:
        found = await self.good.find(origin, size)
        return replace(found, time_ms=found.time_ms // 1000) if found else None


@plant("source", "source.blocks.from-future")
class BeginsAtTheHeadInstead(Around):
    async def blocks(self, start: int) -> AsyncIterator[AnchorBlock]:
        async for block in self.good.blocks(min(start, max(1, len(self.node.chain)))):
            yield block


@plant("source", "source.blocks.cancelled-consumer")
class SwallowsCancellation(Around):
    async def blocks(self, start: int) -> AsyncIterator[AnchorBlock]:
        try:
            async for block in self.good.blocks(start):
                yield block
        except asyncio.CancelledError:
            raise Unavailable("the feed broke") from None


@plant("source", "source.blocks.without-anchors", "source.blocks.no-gap")
class LeavesEmptyBlocksOut(Around):
    @property
    def replaced(self) -> bool:
        """A reorganisation puts two empty blocks where one was; that is another promise's matter."""
        return self.node._made > len(self.node.chain)

    async def blocks(self, start: int) -> AsyncIterator[AnchorBlock]:
        async for block in self.good.blocks(start):
            if block.anchors or block.height == start or self.replaced:
                yield block


@plant("source", "source.head.final-not-above-height")
class CallsMoreFinalThanThereIs(Around):
    async def head(self) -> LedgerHead:
        head = await self.good.head()
        return replace(head, final_height=head.height + 1)


@plant("source", "source.head.hash-of-its-block")
class ForgetsTheHeadsHash(Around):
    async def head(self) -> LedgerHead:
        return replace(await self.good.head(), block_hash=bytes(32))


@plant("source", "source.find.first-anchor")
class FindsTheSecondAnchor(Around):
    async def find(self, origin: str, size: int) -> Anchor | None:
        found = await self.good.find(origin, size)
        return found and (await self.good.find(origin, size + 1) or found)


@plant("source", "source.find.unknown-origin")
class LeaksAKeyError(Around):
    known: dict[str, bool] = {}

    async def find(self, origin: str, size: int) -> Anchor | None:
        if size == 1 and "/" in origin:
            _ = self.known[origin]
        return await self.good.find(origin, size)  # type: ignore[no-any-return]

    async def anchor(self, checkpoint: Checkpoint) -> Anchor:
        self.known[checkpoint.origin] = True
        return await self.good.anchor(checkpoint)  # type: ignore[no-any-return]


@plant("source", "source.find.unknown-size", deadline_s=4.0)
class HangsOnAQuestion(Around):
    async def find(self, origin: str, size: int) -> Anchor | None:
        if size == 4 and not self.node.having(origin=origin, size=size):
            await asyncio.Event().wait()
        return await self.good.find(origin, size)  # type: ignore[no-any-return]


@plant("source", "source.find.other-origin-same-size", "source.anchor.non-ascii-origin")
class FoldsCase(Around):
    async def find(self, origin: str, size: int) -> Anchor | None:
        return await self.good.find(origin.lower(), size)  # type: ignore[no-any-return]

    async def anchor(self, checkpoint: Checkpoint) -> Anchor:
        lower = replace(checkpoint, origin=checkpoint.origin.lower())
        return await self.good.anchor(lower)  # type: ignore[no-any-return]


@plant("source", "source.anchor.same-again")
class WritesARetryTwice(Around):
    """It answers with the first, so only the ledger itself shows the second."""

    async def anchor(self, checkpoint: Checkpoint) -> Anchor:
        before = len(self.node.chain)
        made = await self.good.anchor(checkpoint)
        if len(self.node.chain) == before:
            self.node.append(self.node.chain[made.height - 1]["fact"])
        return made  # type: ignore[no-any-return]


@plant("source", "source.anchor.earlier-again")
class RefusesALateRetry(Around):
    async def anchor(self, checkpoint: Checkpoint) -> Anchor:
        if self.node.having(type="anchor", origin=checkpoint.origin, size=checkpoint.size + 1):
            raise Conflict("smaller than the last")
        return await self.good.anchor(checkpoint)  # type: ignore[no-any-return]


@plant("source", "source.anchor.other-root", "source.anchor.rivals")
class OverwritesARoot(Around):
    async def anchor(self, checkpoint: Checkpoint) -> Anchor:
        for block in self.node.having(type="anchor", origin=checkpoint.origin, size=checkpoint.size):
            block["fact"]["root"] = checkpoint.root.hex()
        return await self.good.anchor(checkpoint)  # type: ignore[no-any-return]


@plant("source", "source.anchor.smaller-size")
class AcceptsASmallerSize(Around):
    async def anchor(self, checkpoint: Checkpoint) -> Anchor:
        try:
            return await self.good.anchor(checkpoint)  # type: ignore[no-any-return]
        except Conflict:
            if await self.good.find(checkpoint.origin, checkpoint.size):
                raise
            root = checkpoint.root.hex()
            fact = {"type": "anchor", "origin": checkpoint.origin, "size": checkpoint.size, "root": root}
            return self.good._anchor(self.node.append(fact))  # type: ignore[no-any-return]


@plant("source", "source.anchor.largest-size", "source.anchor.size-too-large")
class CountsIn32Bits(Around):
    async def anchor(self, checkpoint: Checkpoint) -> Anchor:
        narrow = replace(checkpoint, size=checkpoint.size & 0xFFFFFFFF)
        return await self.good.anchor(narrow)  # type: ignore[no-any-return]


@plant("source", "source.prove.not-before-final")
class ProvesBeforeFinal(Around):
    async def prove(self, anchor: Anchor) -> LedgerProof:
        for block in self.good._node.chain:
            if block["hash"] == anchor.tx_id:
                return build_proof(self.node.name, block["data"], self.node._key.sign(block["data"]))
        raise NotFound("no such transaction")


@plant("source", "source.prove.own-transaction")
class ProvesAnotherTransaction(Around):
    async def prove(self, anchor: Anchor) -> LedgerProof:
        other = await self.good.find(anchor.origin, anchor.size - 1)
        return await self.good.prove(other or anchor)  # type: ignore[no-any-return]


@plant("source", "source.reorg.find-follows")
class RemembersWhatWasReplaced(Around):
    known: dict[tuple[str, int], Anchor] = {}

    async def anchor(self, checkpoint: Checkpoint) -> Anchor:
        made = await self.good.anchor(checkpoint)
        self.known[checkpoint.origin, checkpoint.size] = made
        return made  # type: ignore[no-any-return]

    async def find(self, origin: str, size: int) -> Anchor | None:
        found = await self.good.find(origin, size)
        return self.known.get((origin, size)) or found


@plant("source", "source.reorg.replaced-again", deadline_s=3.0)
class NeverGoesBack(Around):
    async def blocks(self, start: int) -> AsyncIterator[AnchorBlock]:
        last = 0
        async for block in self.good.blocks(start):
            if block.height > last:
                last = block.height
                yield block


@plant("source", "source.close.twice")
class ClosesOnce(Around):
    closed = False

    async def close(self) -> None:
        if self.closed:
            raise ConnectionError("not open")
        self.closed = True
        await self.good.close()


@plant("source", "source.close.then-use")
class AnswersAfterItsEnd(Around):
    async def head(self) -> LedgerHead:
        if self.good._open is None:
            return LedgerHead(height=0, block_hash=b"", final_height=0)
        return await self.good.head()  # type: ignore[no-any-return]


@plant("both", "source.prove.every-length", "court.prove.every-length")
def takes_spaces_around_a_proof(proof: LedgerProof, root: LedgerRoot) -> ProvenFact:
    return verify_proof(replace(proof, body=proof.body.strip()), root)


@plant("both", "source.prove.other-ledger", "court.prove.other-ledger")
def takes_a_proof_for_any_ledger(proof: LedgerProof, root: LedgerRoot) -> ProvenFact:
    return verify_proof(replace(proof, ledger=root.ledger), root)


@plant("both", *(f"{port}.prove.{name}" for port in ("source", "court") for name in ("every-byte", "every-length")))
def leaks_what_the_parser_raised(proof: LedgerProof, root: LedgerRoot) -> ProvenFact:
    try:
        return verify_proof(proof, root)
    except Unverified:
        raise
    except Exception as error:
        raise ValueError(str(error)) from None
