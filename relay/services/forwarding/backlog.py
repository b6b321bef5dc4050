"""What waits for its receipt, counted so that the figure does not mislead.

A checkpoint counts from when it is final, and no longer once it, or a larger one of its origin, has a receipt: that covers its entries.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from relay.core.lifecycle import ItemState
from relay.ports.forwarding import RelayStore

COUNTED_MAX: Final = 100_000
WAITING: Final = (
    ItemState.FINAL,
    ItemState.PROVEN,
    ItemState.MIRRORED,
    ItemState.SUBMITTED,
    ItemState.QUARANTINED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """`oldest_s` is None when nothing waits. What is in quarantine waits, too."""

    items: int
    oldest_s: float | None
    quarantined: int


async def backlog_of(store: RelayStore, origin: str, now_ms: int) -> Backlog:
    """One origin's."""
    confirmed = await store.last_confirmed(origin)
    items = await store.items(WAITING, origin, COUNTED_MAX)
    waiting = [item for item in items if item.anchor.size > confirmed]
    oldest_ms = min((item.anchor.time_ms for item in waiting), default=None)
    return Backlog(
        items=len(waiting),
        oldest_s=None if oldest_ms is None else max(0, now_ms - oldest_ms) / 1000,
        quarantined=sum(item.state is ItemState.QUARANTINED for item in items),
    )
