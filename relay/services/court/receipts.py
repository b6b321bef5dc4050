"""Read the court ledger itself: a checkpoint counts as accepted when this gateway has seen and checked it there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final

from relay.core.checkpoint import Checkpoint
from relay.core.checks import Verifiers, check_receipt
from relay.core.errors import NotFound, RelayError
from relay.core.trust import TrustRoots
from relay.ports.court import WAITING_AT_ONCE, CourtStore, HeldCheckpoint
from relay.ports.ledgers import CourtRegistry
from relay.telemetry.counting import proofs_of
from relay.telemetry.events import COURT_LEDGER_TROUBLE, log_event
from relay.telemetry.trace import span

log = logging.getLogger(__name__)

LOOK_S: Final = 30.0
RELAYED_S: Final = 0.05


class ReceiptReader:
    """Looks for the receipt of every cosigned checkpoint and calls `was_read` for each. `run` never returns; it ends by cancellation."""

    def __init__(
        self,
        identity: str,
        store: CourtStore,
        registry: CourtRegistry,
        trust: TrustRoots,
        verifiers: Verifiers,
        wake: asyncio.Event,
        backoff: Callable[[], Iterator[float]],
        was_read: Callable[[], None] = lambda: None,
        trace_of: Callable[[str, int], str] = lambda _origin, _size: "",
    ) -> None:
        self._identity = identity
        self._store = store
        self._registry = registry
        self._trust = trust
        self._verifiers = verifiers
        self._wake = wake
        self._backoff = backoff
        self._was_read = was_read
        self._trace_of = trace_of
        self.problem = ""

    async def run(self) -> None:
        """While a receipt is missing ask again after growing delays; otherwise sleep until something is cosigned.

        A caller that goes away in the middle of a commit takes its wake-up with it: so nothing sleeps for ever.
        """
        waits = self._backoff()
        while True:
            self._wake.clear()
            missing = 0
            try:
                missing = await self.read()
                self.problem = ""
            except RelayError as error:
                missing = 1
                self.problem = f"court ledger: {error}"
                log_event(log, COURT_LEDGER_TROUBLE, reason=error)
            if not missing:
                waits = self._backoff()
            wait_s = next(waits) if missing else LOOK_S
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()
            if not missing:
                await asyncio.sleep(RELAYED_S)  # nothing is on the court ledger before the relay has written it there

    async def read(self) -> int:
        """One pass over what is missing; returns how many are still missing."""
        missing = 0
        after = ("", 0)
        while True:
            page = await self._store.without_receipt(after)
            for held in page:
                missing += not await self._find(held)
            if len(page) < WAITING_AT_ONCE:
                return missing
            after = (page[-1].origin, page[-1].size)

    async def _find(self, held: HeldCheckpoint) -> bool:
        """Whether the ledger has the receipt; it is checked and kept then."""
        receipt = await self._registry.find(held.origin, held.size, held.root)
        if receipt is None:
            return False
        try:
            proof = await self._registry.prove(receipt.tx_id)
        except NotFound:
            return False
        checkpoint = Checkpoint(origin=held.origin, size=held.size, root=held.root)
        under = self._trace_of(held.origin, held.size)
        with span("court.receipt", under=under, origin=held.origin, size=held.size), proofs_of(held.origin):
            fact = check_receipt(proof, checkpoint, self._identity, self._trust, self._verifiers)
            await self._store.save_receipt(held.origin, held.size, proof, fact.time_ms)
        self._was_read()
        return True
