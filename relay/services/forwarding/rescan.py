"""The second detector: read the ledger again, block by block, from the last height proven contiguous, and compare.

The live feed can be lied to or lose something; this one asks for every final block, checks that each extends the one
before, and records whatever anchor is missing. It moves its own cursor, so that each block is compared once.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from relay.core.errors import Conflict, RelayError
from relay.ports.forwarding import Cursor, RelayStore
from relay.ports.ledgers import Anchor, AnchorSource
from relay.services.forwarding.feed import live_blocks
from relay.services.forwarding.origins import Origins
from relay.telemetry import metrics
from relay.telemetry.counting import add

log = logging.getLogger(__name__)

INTERVAL_S: Final = 60.0
BLOCKS_A_STEP: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescanned:
    """How many blocks were compared, up to which height, and how many anchors were missing."""

    ledger: str
    blocks: int
    height: int
    missing: int


class Rescan:
    """`run` never returns; `now` may be called beside it."""

    def __init__(
        self,
        source: AnchorSource,
        store: RelayStore,
        origins: Origins,
        *,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._source = source
        self._store = store
        self._origins = origins
        self._sleep = sleep
        self.problem = ""

    @property
    def ledger(self) -> str:
        """The ledger compared."""
        return self._source.ledger

    async def run(self) -> None:
        """Compare what is new since the last time, again and again."""
        while True:
            await self._sleep(INTERVAL_S)
            try:
                await self.now()
                self.problem = ""
            except RelayError as error:
                self.problem = f"rescan of {self._source.ledger}: {error}"
                log.warning(self.problem)

    async def now(self, *, from_start: bool = False) -> Rescanned:
        """Compare up to what is final, whether the live feed has delivered it or not.

        Raises `Conflict` when the node shows another chain than was recorded.
        """
        ledger = self._source.ledger
        head = await self._source.head()
        target = head.final_height
        at = Cursor(height=0, block_hash=b"") if from_start else await self._store.rescanned(ledger)
        blocks = missing = 0
        while at.height < target:
            at, found, count = await self._step(at, min(target, at.height + BLOCKS_A_STEP))
            blocks += count
            missing += found
        if missing:
            log.error("%s: %d anchors were missing and are recorded now", ledger, missing)
        return Rescanned(ledger=ledger, blocks=blocks, height=at.height, missing=missing)

    async def _step(self, at: Cursor, upto: int) -> tuple[Cursor, int, int]:
        ledger = self._source.ledger
        anchors: list[Anchor] = []
        count = 0
        async for block in live_blocks(self._source, at.height + 1):
            if block.height != at.height + 1 or (at.height and block.parent_hash != at.block_hash):
                raise Conflict(
                    f"block {block.height} of {ledger} does not extend block {at.height} as it was compared before"
                )
            recorded = await self._store.block_hash(ledger, block.height)
            if recorded is not None and recorded != block.block_hash:
                raise Conflict(f"block {block.height} of {ledger} is another one than the live feed delivered")
            anchors += [anchor for anchor in block.anchors if self._origins.serves(anchor.origin, anchor.ledger)]
            at = Cursor(height=block.height, block_hash=block.block_hash)
            count += 1
            if block.height >= upto:
                break
        missing = await self._store.save_rescan(ledger, at, anchors)
        add(metrics.commitments_observed, missing, "rescan")
        return at, missing.total(), count
