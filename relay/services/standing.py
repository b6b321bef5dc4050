"""How far a log of one's own has been anchored, by the ledger's word: asked before anything is appended to it.

A data folder may be older than what was done with it: a backup was restored, a machine went back to a snapshot. Appending to such a log
makes a second history under one name, which no one can take back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import aclosing
from typing import Final

from relay.core.errors import Malformed, Unavailable
from relay.ports.common import LogFiles
from relay.ports.ledgers import Anchor, AnchorSource, Receipt
from relay.services.forwarding.feed import live_blocks

REORGANISED_MAX: Final = 128
"""Blocks that are read again: a reorganisation may have put an anchor below the block in which it was first seen."""


class Behind(Exception):
    """The log here is older than, or another than, what its ledger has of it. The process ends; a person decides.

    Deliberately no RelayError, as with a failed disk: nothing that waits and tries again may catch it.
    """


async def newest_anchors(source: AnchorSource, origins: Collection[str], known_height: int) -> dict[str, Anchor]:
    """The largest anchor of each origin in blocks from about `known_height` on, up to the head of now. Raises `Unavailable`.

    `known_height`: a block up to which the caller's log is surely known, such as that of its last anchor; 0 reads the whole chain. A node
    that has fewer blocks, or a feed that ends before the head, has not answered.
    """
    found: dict[str, Anchor] = {}
    head = await source.head()
    if head.height < known_height:
        raise Unavailable(f"{source.ledger} has {head.height} blocks, but an anchor is known in block {known_height}")
    start, upto = max(1, known_height - REORGANISED_MAX), 0
    if head.height < start:
        return found
    async with aclosing(live_blocks(source, start)) as blocks:  # type: ignore[type-var]
        async for block in blocks:
            for anchor in block.anchors:
                if anchor.origin in origins and (anchor.origin not in found or anchor.size > found[anchor.origin].size):
                    found[anchor.origin] = anchor
            upto = block.height
            if upto >= head.height:
                break
    if upto < head.height:
        raise Unavailable(f"the feed of {source.ledger} ended at block {upto} of {head.height}")
    return found


async def check_standing(origin: str, files: LogFiles, size: int, anchor: Anchor | Receipt | None) -> None:
    """Raises `Behind` unless the log holds what is anchored of it."""
    if anchor is None:
        return
    where = f"{anchor.ledger} (block {anchor.height})"
    if anchor.size > size:
        raise Behind(f"the log {origin} holds {size} entries here, but {anchor.size} are anchored on {where}")
    try:
        root = await asyncio.to_thread(files.root, anchor.size)
    except Malformed as error:
        raise Behind(f"the log {origin} cannot be compared with its anchor on {where}: {error}") from None
    if root != anchor.root:
        raise Behind(f"the first {anchor.size} entries of {origin} here are not those that are anchored on {where}")
