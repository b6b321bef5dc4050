"""A lender's ledger in memory that can do what no embedded node does: reorganise, break off, deliver twice, skip, go backwards."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from itertools import count

from relay.core.checkpoint import Checkpoint
from relay.core.errors import Unavailable
from relay.core.ledgerproof import LedgerProof
from relay.ports.ledgers import Anchor, AnchorBlock, LedgerHead

Deliver = Callable[[AnchorBlock], Sequence[AnchorBlock] | Exception]


class Chain:
    """An AnchorSource (relay.ports.ledgers) for a watcher. `deliver` may change or break what the feed hands over."""

    def __init__(self, ledger: str, origin: str) -> None:
        self.ledger = ledger
        self.origin = origin
        self.blocks_held: list[AnchorBlock] = []
        self.final_height = 0
        self.opened: list[int] = []
        self.deliver: Deliver = lambda block: [block]
        self.head_error: Exception | None = None
        self.heads_given = 0
        self._forks = count()
        self._changed = asyncio.Condition()

    async def grow(self, *sizes: int) -> AnchorBlock:
        """A new block with anchors of these sizes."""
        await self._append(next(self._forks), sizes)
        return self.blocks_held[-1]

    async def reorganise(self, height: int, *blocks: Sequence[int]) -> None:
        """From `height` on these blocks stand instead (each a row of anchored sizes)."""
        del self.blocks_held[height - 1 :]
        fork = next(self._forks)
        for sizes in blocks:
            await self._append(fork, sizes)
        async with self._changed:
            self._changed.notify_all()

    async def _append(self, fork: int, sizes: Sequence[int]) -> None:
        height = len(self.blocks_held) + 1
        parent = self.blocks_held[-1].block_hash if self.blocks_held else bytes(32)
        own = hashlib.sha256(f"{height} {fork} {list(sizes)}".encode() + parent).digest()
        anchors = tuple(
            Anchor(
                ledger=self.ledger, origin=self.origin, size=size, root=root_of(size), height=height, block_hash=own,
                tx_id=hashlib.sha256(own + size.to_bytes(8, "big")).digest(), time_ms=height,
            )
            for size in sizes
        )  # fmt: skip
        block = AnchorBlock(height=height, block_hash=own, parent_hash=parent, time_ms=height, anchors=anchors)
        async with self._changed:
            self.blocks_held.append(block)
            self._changed.notify_all()

    async def head(self) -> LedgerHead:
        if self.head_error is not None:
            raise self.head_error
        self.heads_given += 1
        last = self.blocks_held[-1].block_hash if self.blocks_held else bytes(32)
        return LedgerHead(height=len(self.blocks_held), block_hash=last, final_height=self.final_height)

    async def blocks(self, start: int) -> AsyncIterator[AnchorBlock]:
        self.opened.append(start)
        given: list[AnchorBlock] = []
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: self._next(start, given) is not None)
                block = self._next(start, given)
            assert block is not None
            handed = self.deliver(block)
            if isinstance(handed, Exception):
                raise handed
            given = [b for b in given if b.height < block.height]
            given.append(block)
            for one in handed:
                yield one

    def _next(self, start: int, given: Sequence[AnchorBlock]) -> AnchorBlock | None:
        """The first block of the present chain that this feed has not handed over: a replaced height comes again."""
        for block in self.blocks_held[start - 1 :]:
            if block not in given:
                return block
        return None

    async def find(self, origin: str, size: int) -> Anchor | None:
        found = (a for b in self.blocks_held for a in b.anchors if (a.origin, a.size) == (origin, size))
        return next(found, None)

    async def prove(self, anchor: Anchor) -> LedgerProof:
        raise Unavailable(f"no proof of {anchor.size} here")

    async def anchor(self, checkpoint: Checkpoint) -> Anchor:
        block = await self.grow(checkpoint.size)
        return replace(block.anchors[0], root=checkpoint.root)

    async def close(self) -> None:
        """Nothing is held open."""


def root_of(size: int) -> bytes:
    """Some root of that size."""
    return hashlib.sha256(b"root %d" % size).digest()
