"""A feed of blocks that says when it has gone silent: an idle ledger and a dead stream look alike until heights are compared."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from relay.core.errors import Unavailable
from relay.ports.ledgers import AnchorBlock, AnchorSource

SILENCE_S: Final = 30.0
"""How long a feed may give nothing before the node is asked whether there was something to give."""


async def live_blocks(source: AnchorSource, start: int) -> AsyncIterator[AnchorBlock]:
    """Blocks from `start` on. Raises `Unavailable` when the feed is silent although the ledger has grown, as the feed itself may."""
    feed = source.blocks(start)
    upto = start - 1
    while True:
        step: asyncio.Future[AnchorBlock | None] = asyncio.ensure_future(anext(feed, None))
        try:
            while not (await asyncio.wait({step}, timeout=SILENCE_S))[0]:
                head = await source.head()
                if head.height > upto and not step.done():
                    raise Unavailable(
                        f"the feed of {source.ledger} is silent at block {upto}, the node has {head.height}"
                    )
            block = step.result()
        finally:
            if not step.done():
                step.cancel()
                await asyncio.wait({step})
        if block is None:
            return
        yield block
        upto = block.height
