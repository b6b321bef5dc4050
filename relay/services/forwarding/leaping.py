"""Where a court's ledger takes long for each checkpoint, the newest of many that wait goes first, and stands for the others."""

from __future__ import annotations

import asyncio
from itertools import takewhile

from relay.core.lifecycle import OPEN_STATES, ItemState
from relay.ports.forwarding import Item, RelayStore
from relay.services.forwarding.covering import AT_ONCE, with_true_root


async def leap_from(store: RelayStore, item: Item, at_least: int) -> Item:
    """The item to go on with: the given one, the origin's next, or when at least so many wait (0: never) the largest that is ready.

    Ready are the next FINAL items, one after the other, whose roots our copy of the log has: none is passed over unproven. The court
    is past the smaller ones afterwards, and covers them.
    """
    if not at_least or item.state is not ItemState.FINAL:
        return item
    origin = item.anchor.origin
    log = await store.log(origin)
    waiting = await store.items(OPEN_STATES, origin, AT_ONCE)
    ready = [*takewhile(lambda one: one.state is ItemState.FINAL and one.anchor.size <= log.size, waiting)]
    if len(ready) < at_least:
        return item
    for one in reversed(await asyncio.to_thread(with_true_root, log.files, ready)):
        if await store.checkpoint(origin, one.anchor.size) is not None:
            return one
    return item
