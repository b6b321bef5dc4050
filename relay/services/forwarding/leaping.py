"""Where a court's ledger takes long for each checkpoint, the newest of many that wait goes first, and stands for the others."""

from __future__ import annotations

import asyncio
from itertools import takewhile
from typing import Final

from relay.core.lifecycle import OPEN_STATES, ItemState
from relay.ports.forwarding import Item, RelayStore
from relay.services.forwarding.covering import AT_ONCE, with_true_root

FAR: Final = 4096
"""Items looked at for the one to go on with; what is beyond has its turn afterwards."""
UNDER_WAY: Final = OPEN_STATES - {ItemState.SEEN, ItemState.FINAL}
"""Proven, and maybe at the court already."""


async def leap_from(store: RelayStore, item: Item, at_least: int) -> Item:
    """The item to go on with: the given one, the origin's next, or when at least so many wait (0: never) the largest that is ready.

    One that is under way has leapt, and goes its way to the end first: the court may be past all below it already, and would refuse
    them. Ready are the next FINAL items, one after the other, whose roots our copy of the log has: none is passed over unproven. The
    court is past the smaller ones afterwards, and covers them.
    """
    if not at_least or item.state is not ItemState.FINAL:
        return item
    origin = item.anchor.origin
    if under_way := await store.items(UNDER_WAY, origin, 1):
        return under_way[0]
    log = await store.log(origin)
    held = log.size - item.anchor.size + 1  # an item may be of each size that the entries reach
    if held < at_least:
        return item
    waiting = await store.items(OPEN_STATES, origin, min(held, FAR))
    ready = [*takewhile(lambda one: one.state is ItemState.FINAL and one.anchor.size <= log.size, waiting)]
    if len(ready) < at_least:
        return item
    newest = ready[-1]
    if len(ready) > AT_ONCE and await store.checkpoint(origin, newest.anchor.size) is not None:
        proven = await asyncio.to_thread(with_true_root, log.files, ready)
        if len(proven) == len(ready):
            return newest
    for one in reversed(await asyncio.to_thread(with_true_root, log.files, ready[:AT_ONCE])):
        if await store.checkpoint(origin, one.anchor.size) is not None:
            return one
    return item
