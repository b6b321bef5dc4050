"""A lender's ledger: blocks with anchors, finality after two more, reorganisations, and a node that is not always honest."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

from relay.core.checkpoint import Checkpoint
from relay.core.errors import NotFound, Unavailable
from relay.core.ledgerproof import LedgerProof
from relay.ports.ledgers import Anchor, AnchorBlock, LedgerHead
from tests.simulation.dice import Dice
from tests.simulation.network import Net
from tests.simulation.proofs import make_proof

FINALITY = 2
FORGOTTEN_BEFORE_MS = 1_800_000_000_000


class LenderChain:
    """The ledger itself, as it really is."""

    def __init__(self, ledger: str, dice: Dice) -> None:
        self.ledger = ledger
        self.dice = dice
        self.blocks: list[AnchorBlock] = []
        self.final_height = 0
        self.waiting: list[Checkpoint] = []
        self.changed = asyncio.Event()
        self.reorganisations = 0
        self._forks = 0

    def mine(self) -> None:
        """A block with all that waits."""
        height = len(self.blocks) + 1
        parent = self.blocks[-1].block_hash if self.blocks else bytes(32)
        own = hashlib.sha256(f"{self.ledger} {height} {self._forks}".encode() + parent).digest()
        time_ms = FORGOTTEN_BEFORE_MS + height * 1000
        anchors = tuple(
            Anchor(
                ledger=self.ledger, origin=c.origin, size=c.size, root=c.root, height=height, block_hash=own,
                tx_id=hashlib.sha256(f"{c.origin} {c.size}".encode() + c.root).digest(), time_ms=time_ms,
            )
            for c in self.waiting
        )  # fmt: skip
        self.waiting = []
        self.blocks.append(
            AnchorBlock(height=height, block_hash=own, parent_hash=parent, time_ms=time_ms, anchors=anchors)
        )
        self.final_height = max(self.final_height, height - FINALITY)
        self._tell()

    def reorganise(self, depth: int) -> None:
        """The last `depth` blocks leave the chain; their anchors wait again and a longer branch takes over."""
        self.reorganisations += 1
        self._forks += 1
        gone = self.blocks[-depth:]
        del self.blocks[-depth:]
        self.waiting = [
            *(Checkpoint(origin=a.origin, size=a.size, root=a.root) for block in gone for a in block.anchors),
            *self.waiting,
        ]
        self.waiting, late = self.waiting[:1], self.waiting[1:]
        self.mine()
        self.waiting = late
        for _ in range(depth):
            self.mine()

    def _tell(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()

    def final_anchor(self, origin: str, size: int, root: bytes) -> Anchor | None:
        """Among the final blocks."""
        for block in self.blocks[: self.final_height]:
            for anchor in block.anchors:
                if (anchor.origin, anchor.size, anchor.root) == (origin, size, root):
                    return anchor
        return None

    def final_anchors(self) -> list[Anchor]:
        """All of them, oldest first."""
        return [anchor for block in self.blocks[: self.final_height] for anchor in block.anchors]


class SourceClient:
    """relay.ports.ledgers.AnchorSource of one process."""

    def __init__(self, net: Net, chain: LenderChain) -> None:
        self._net = net
        self._chain = chain
        self._dice = chain.dice
        self.ledger = chain.ledger

    async def head(self) -> LedgerHead:
        return await self._net.read("source.head", self._head)

    async def _head(self) -> LedgerHead:
        back = self._dice.random.randrange(1, 6) if self._dice.maybe("stale head") else 0
        height = max(0, len(self._chain.blocks) - back)
        final = max(0, self._chain.final_height - back)
        block_hash = self._chain.blocks[height - 1].block_hash if height else bytes(32)
        return LedgerHead(height=height, block_hash=block_hash, final_height=min(final, height))

    async def blocks(self, start: int) -> AsyncIterator[AnchorBlock]:
        given: list[AnchorBlock] = []
        while True:
            block = self._next(start, given)
            if block is None:
                await self._chain.changed.wait()
                continue
            self._net.check("source.blocks")
            if self._dice.maybe("feed breaks"):
                raise Unavailable("the feed broke")
            if self._dice.maybe("feed stalls"):
                await asyncio.get_running_loop().create_future()
            del given[block.height - start :]
            given.append(block)
            if self._dice.maybe("feed skips a block"):
                continue
            said = replace(block, final_height=self._chain.final_height)
            yield self._altered(said)
            if self._dice.maybe("feed repeats a block"):
                yield said

    def _altered(self, block: AnchorBlock) -> AnchorBlock:
        if block.anchors and self._dice.maybe("feed leaves out anchors"):
            return replace(block, anchors=())
        return block

    def _next(self, start: int, given: list[AnchorBlock]) -> AnchorBlock | None:
        """The lowest height whose block was not given as it stands now."""
        held = self._chain.blocks
        height = start + len(given)
        while height > start and (
            height - 1 > len(held) or held[height - 2].block_hash != given[height - 1 - start].block_hash
        ):
            height -= 1
        return held[height - 1] if height <= len(held) else None

    async def find(self, origin: str, size: int) -> Anchor | None:
        found = (a for block in self._chain.blocks for a in block.anchors if (a.origin, a.size) == (origin, size))
        return await self._net.read("source.find", _later(lambda: next(found, None)))

    async def prove(self, anchor: Anchor) -> LedgerProof:
        return await self._net.read("source.prove", _later(lambda: self._prove(anchor)))

    def _prove(self, anchor: Anchor) -> LedgerProof:
        held = self._chain.final_anchor(anchor.origin, anchor.size, anchor.root)
        if held is None or self._dice.maybe("proof not served"):
            raise NotFound(f"no final anchor of size {anchor.size}")
        fact = {"type": "anchor", "origin": held.origin, "size": held.size, "root": held.root.hex()}
        return make_proof(self.ledger, held.height, held.tx_id, held.time_ms, fact)

    async def anchor(self, checkpoint: Checkpoint) -> Anchor:
        raise AssertionError("lenders in the simulation write to their ledger directly")

    async def close(self) -> None:
        pass


def _later(make: Callable[[], object]) -> Callable[[], object]:
    async def call() -> object:
        return make()

    return call
