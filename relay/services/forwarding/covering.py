"""The court is past many items at once: so a relay finds them that joins late, or starts over with an empty store."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from itertools import takewhile
from typing import Any, Final

from relay.core.lifecycle import OPEN_STATES, ItemState
from relay.ports.common import LogFiles
from relay.ports.forwarding import Item, RelayStore

AT_ONCE: Final = 256
"""Items proven and covered in one turn; writes that wait together share a commit."""
_COVERABLE: Final = frozenset({ItemState.FINAL, ItemState.PROVEN})


async def cover_below(store: RelayStore, origin: str, size: int, reason: str) -> int:
    """Prove and cover the origin's next items below the court's checkpoint of `size`, whose root our copy of the log has.

    Ends at the first that must go its own way: not final yet, further on, or with another root than the entries have.
    Returns how many were covered. A crash in the middle leaves each item FINAL, PROVEN or COVERED, and the next turn goes on.
    """
    files = (await store.log(origin)).files
    covered = 0
    while not await store.halted(origin):
        waiting = await store.items(OPEN_STATES, origin, AT_ONCE)
        below = [*takewhile(lambda one: one.state in _COVERABLE and one.anchor.size < size, waiting)]
        good = await asyncio.to_thread(with_true_root, files, below)
        await _together([store.move(one.id, one.state, ItemState.PROVEN) for one in good if _is_final(one)])
        await _together([store.move(one.id, ItemState.PROVEN, ItemState.COVERED, reason=reason) for one in good])
        covered += len(good)
        if len(good) < AT_ONCE:
            break
    return covered


def _is_final(item: Item) -> bool:
    return item.state is ItemState.FINAL


def with_true_root(files: LogFiles, items: Sequence[Item]) -> list[Item]:
    """Those before the first whose root the entries do not have."""
    return [*takewhile(lambda one: files.root(one.anchor.size) == one.anchor.root, items)]


async def _together(moves: Sequence[Coroutine[Any, Any, None]]) -> None:
    """All of them; none is left running when one fails, and the first error counts."""
    for outcome in await asyncio.gather(*moves, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
