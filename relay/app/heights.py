"""The heights of a relay's sources, as their nodes say and as its store has them; asked at most once a second."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Final

from relay.core.errors import RelayError
from relay.ports.forwarding import RelayStore
from relay.ports.ledgers import AnchorSource, LedgerHead

FRESH_S: Final = 0.9
WITHIN_S: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HeightsSeen:
    """`latest` and `final` are None while the node does not answer; `latest` is never behind `read`."""

    latest: int | None
    final: int | None
    read: int
    compared: int


class Heights:
    """One source's. A node that is silent costs a question of WITHIN_S seconds a second, not one for each who asks."""

    def __init__(self, source: AnchorSource, store: RelayStore) -> None:
        self._source = source
        self._store = store
        self._asking = asyncio.Lock()
        self._asked_at = float("-inf")
        self._head: LedgerHead | None = None

    async def seen(self) -> HeightsSeen:
        """Never raises for a node that is away."""
        async with self._asking:
            if time.monotonic() - self._asked_at > FRESH_S:
                self._head = await self._ask()
                self._asked_at = time.monotonic()
        ledger = self._source.ledger
        read = (await self._store.cursor(ledger)).height
        return HeightsSeen(
            latest=max(self._head.height, read) if self._head else None,
            final=self._head.final_height if self._head else None,
            read=read,
            compared=(await self._store.rescanned(ledger)).height,
        )

    async def _ask(self) -> LedgerHead | None:
        try:
            async with asyncio.timeout(WITHIN_S):
                return await self._source.head()
        except (RelayError, OSError, TimeoutError):
            return None
