"""Anchor the lender's own custody log: who asked for what, and what was answered, under an origin of its own on the lender's ledger."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import Final

from relay.core.checkpoint import Checkpoint
from relay.core.errors import RelayError, Unavailable
from relay.ports.custodian import CustodianStore
from relay.ports.custody import LedgerWord
from relay.ports.ledgers import AnchorSource
from relay.telemetry.events import CUSTODY_ANCHORING_TROUBLE, log_event

log = logging.getLogger(__name__)

INTERVAL_S: Final = 5.0


class CustodyAnchor:
    """`run` never returns; it ends by cancellation. Anchoring the same size again has no second effect."""

    def __init__(
        self,
        *,
        store: CustodianStore,
        source: AnchorSource,
        origin: str,
        backoff: Callable[[], Iterator[float]],
    ) -> None:
        self._store = store
        self._source = source
        self._origin = origin
        self._backoff = backoff
        self.anchored_size = 0
        self.problem = ""

    async def run(self) -> None:
        """Anchor whenever the log has grown, at most every few seconds."""
        waits = self._backoff()
        while True:
            try:
                await self.now()
                waits = self._backoff()
                self.problem = ""
                await asyncio.sleep(INTERVAL_S)
            except RelayError as error:
                self.problem = f"anchoring the custody log: {error}"
                log_event(log, CUSTODY_ANCHORING_TROUBLE, reason=error)
                await asyncio.sleep(next(waits))

    async def ledger_word(self) -> LedgerWord | None:
        """The newest head of this log on the lender's ledger, with its proof; None before the first anchor since the start."""
        if not self.anchored_size:
            return None
        anchor = await self._source.find(self._origin, self.anchored_size)
        if anchor is None:
            raise Unavailable(f"{self._source.ledger} does not show the anchor of size {self.anchored_size}")
        return LedgerWord(size=anchor.size, proof=await self._source.prove(anchor))

    async def now(self) -> None:
        """One anchor of what the log holds now."""
        size = self._store.custody_size
        if size <= self.anchored_size:
            return
        root = await asyncio.to_thread(self._store.custody_files.root, size)
        await self._source.anchor(Checkpoint(origin=self._origin, size=size, root=root))
        self.anchored_size = size
