"""Watch one lender's ledger: every anchor in a block becomes an item, every final one wakes its origin.

The cursor moves in the transaction that records the items, so nothing is skipped whatever crashes. A node's word on finality
counts only for the chain it was said of: once the block that the node named as its head is the one recorded at that height, or when it
was said with a block that extends what is recorded. A block that leaves the chain although an anchor in it was taken for final halts
that anchor's origin; origins that had nothing in it go on, on the new chain.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from relay.core.bundle import ledger_proof_bytes
from relay.core.errors import Conflict, Contradicted, RelayError, Unavailable
from relay.core.exhibit import ANCHOR, CHECKPOINT
from relay.core.lifecycle import item_id
from relay.ports.forwarding import Cursor, Item, RelayStore
from relay.ports.ledgers import Anchor, AnchorBlock, AnchorSource, LedgerHead
from relay.services.forwarding.feed import live_blocks
from relay.services.forwarding.origins import OriginRoom, Origins
from relay.telemetry import metrics
from relay.telemetry.counting import add
from relay.telemetry.events import (
    CHAIN_REORGANISED,
    EXHIBIT_WITHOUT_PROOF,
    FEED_TROUBLE,
    FINAL_BLOCK_REPLACED,
    ORIGIN_HALTED,
    log_event,
)

log = logging.getLogger(__name__)

HEAD_POLL_S: Final = 1.0
HEADS_MAX: Final = 256
"""Heads remembered until the feed has come so far."""


class Watcher:
    """Follows one source ledger. `run` never returns; it ends by cancellation."""

    def __init__(
        self,
        source: AnchorSource,
        store: RelayStore,
        origins: Origins,
        *,
        sleep: Callable[[float], Awaitable[None]],
        backoff: Callable[[], Iterator[float]],
    ) -> None:
        self._source = source
        self._store = store
        self._origins = origins
        self._sleep = sleep
        self._backoff = backoff
        self.final_height = 0
        self.head: LedgerHead | None = None
        """As the node said last; None while this worker does not watch."""
        self._heads: dict[int, LedgerHead] = {}
        self.problem = ""

    @property
    def ledger(self) -> str:
        """The ledger watched."""
        return self._source.ledger

    async def run(self) -> None:
        """Read blocks and follow finality; a broken feed is opened again from the cursor after a delay."""
        self.final_height, self._heads = 0, {}  # what another worker did meanwhile is not known here
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._follow_feed(), name=f"feed {self._source.ledger}")
                group.create_task(self._follow_head(), name=f"head {self._source.ledger}")
        finally:
            self.head = None
            for room in self._rooms():
                await room.proving.give_up()

    async def _follow_feed(self) -> None:
        waits = self._backoff()
        while True:
            try:
                cursor = await self._store.cursor(self._source.ledger)
                async for block in live_blocks(self._source, cursor.height + 1):
                    await self._take(block)
                    waits = self._backoff()
                    self.problem = ""
            except Conflict as conflict:
                self.problem = str(conflict)
                await self._resolve()
            except Contradicted as contradiction:
                self._report(contradiction)
                await self._halt(contradiction.reason, contradiction.pieces)
            except RelayError as error:
                self._report(error)
            await self._sleep(next(waits))

    async def _halt(self, reason: str, pieces: Mapping[str, bytes]) -> None:
        """Nothing more of this ledger goes to the court until a person has looked; what was signed is kept as an exhibit."""
        for room in self._rooms():
            if not await self._store.halted(room.config.origin):
                await self._store.halt(room.config.origin, reason, pieces)
                metrics.equivocations.labels(room.config.origin).inc()
                log_event(log, ORIGIN_HALTED, origin=room.config.origin, reason=reason)

    def _report(self, error: RelayError) -> None:
        self.problem = f"feed of {self._source.ledger}: {error}"
        log_event(log, FEED_TROUBLE, ledger=self._source.ledger, reason=error)

    async def _take(self, block: AnchorBlock) -> None:
        ours = tuple(anchor for anchor in block.anchors if self._origins.serves(anchor.origin, anchor.ledger))
        if block.final_height >= block.height:
            await self._begin_proving(ours)
        new = await self._store.take_block(self._source.ledger, replace(block, anchors=ours))
        add(metrics.commitments_observed, new, "stream")
        head = self._heads.get(block.height)
        self._heads = {height: one for height, one in self._heads.items() if height > block.height}
        if head is not None and head.block_hash == block.block_hash:
            await self._settle(head.final_height)
        if new:
            for room in self._rooms():
                room.seen.set()
        if block.final_height >= block.height:  # said of this very chain, and its items are FINAL already
            add(metrics.commitments_finalized, new)
            self._wake(new.total())
            await self._settle_with(block.height)
        elif new:
            await self._judge(await self._source.head())

    async def _begin_proving(self, anchors: Iterable[Anchor]) -> None:
        """What is final with its block will be asked for at once: one an origin is, while the block is being recorded."""
        for anchor in anchors:
            proving = self._origins.room(anchor.origin).proving
            if not proving.waits:
                item = item_id(anchor.ledger, anchor.origin, anchor.size, anchor.root)
                await proving.begin(item, self._source.prove(anchor), f"proof {anchor.origin}")

    def _wake(self, count: int) -> None:
        if count:
            for room in self._rooms():
                room.wake.set()

    def _rooms(self) -> list[OriginRoom]:
        return [room for room in self._origins if room.config.ledger == self._source.ledger]

    async def _follow_head(self) -> None:
        while True:
            try:
                await self._judge(await self._source.head())
            except RelayError as error:
                self.problem = f"head of {self._source.ledger}: {error}"
            await self._sleep(HEAD_POLL_S)

    async def _judge(self, head: LedgerHead) -> None:
        """A node's word counts for the chain that is recorded here; one of a block that is still to come is kept for it."""
        self.head = head
        recorded = await self._store.block_hash(self._source.ledger, head.height)
        if recorded is None and len(self._heads) < HEADS_MAX:
            self._heads[head.height] = head
        await self._settle(head.final_height if recorded == head.block_hash else 0)

    async def _settle(self, final_height: int) -> None:
        """Whatever is recorded at or below the final height is FINAL now; wake the origins."""
        self.final_height = max(self.final_height, final_height)
        final = await self._store.mark_final(self._source.ledger, self.final_height)
        add(metrics.commitments_finalized, final)
        self._wake(final.total())

    async def _settle_with(self, height: int) -> None:
        """A block came as final: all below it is final with it, and mostly is so already (else the next look at the head settles it)."""
        if self.final_height < height - 1:
            await self._settle(height)
        else:
            self.final_height = max(self.final_height, height)

    async def _resolve(self) -> None:
        """A block does not fit what was recorded: either the feed left out or repeated one, or the chain at the node changed."""
        cursor = await self._store.cursor(self._source.ledger)
        try:
            stands = await self._stands(cursor)
        except RelayError as error:
            self._report(error)
            return
        if not stands:
            await self._step_back(cursor)

    async def _stands(self, cursor: Cursor) -> bool:
        """Whether the node's chain still has the last recorded block. Raises `Unavailable` when the node does not show that height."""
        if cursor.height == 0:
            return True
        head = await self._source.head()
        if head.height == cursor.height:
            return head.block_hash == cursor.block_hash
        if head.height > cursor.height:
            async for block in live_blocks(self._source, cursor.height):
                if block.height == cursor.height:
                    return block.block_hash == cursor.block_hash
                break
        raise Unavailable(f"the node does not show block {cursor.height}, which it has shown before")

    async def _step_back(self, cursor: Cursor) -> None:
        """The last recorded block has left the node's chain: go back one and read again. What was final should not have left."""
        for item in await self._store.taken_for_final(self._source.ledger, cursor):
            reason = f"{self._source.ledger} replaced block {cursor.height}, which was final"
            log_event(log, FINAL_BLOCK_REPLACED, origin=item.anchor.origin, size=item.anchor.size, reason=reason)
            await self._store.halt(item.anchor.origin, reason, await self._pieces(item))
            metrics.equivocations.labels(item.anchor.origin).inc()
        # what is final on its new chain the node says anew
        self.final_height = min(self.final_height, cursor.height - 1)
        orphaned = await self._store.rewind(self._source.ledger, cursor.height - 1)
        add(metrics.commitments_orphaned, orphaned)
        count = orphaned.total()
        log_event(log, CHAIN_REORGANISED, ledger=self._source.ledger, height=cursor.height, orphaned=count)

    async def _pieces(self, item: Item) -> dict[str, bytes]:
        """What the log signed, and what its ledger proves of that size now: they contradict each other if history was rewritten."""
        anchor = item.anchor
        note = await self._store.checkpoint(anchor.origin, anchor.size)
        pieces = {} if note is None else {CHECKPOINT: note}
        try:
            found = await self._source.find(anchor.origin, anchor.size)
            if found is not None:
                pieces[ANCHOR] = ledger_proof_bytes(await self._source.prove(found))
        except RelayError as error:
            log_event(log, EXHIBIT_WITHOUT_PROOF, origin=anchor.origin, reason=error)
        return pieces
