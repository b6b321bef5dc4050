"""What goes back to custodians: receipts, and grant statements on their way to the court ledger."""

from __future__ import annotations

from typing import Final

from relay.core.ledgerproof import LedgerProof
from relay.ports.forwarding import Confirmation, RelayStore
from relay.ports.ledgers import CourtRegistry
from relay.services.forwarding.origins import Origins

RECEIPTS_PER_ANSWER_MAX: Final = 64


class Receipts:
    """Serves `Receipts` and `RecordGrant`."""

    def __init__(self, store: RelayStore, origins: Origins, registry: CourtRegistry) -> None:
        self._store = store
        self._origins = origins
        self._registry = registry

    async def above(self, caller: str, origin: str, size: int) -> list[Confirmation]:
        """Confirmed checkpoints of an origin the caller owns, ascending, a bounded number at a time."""
        self._origins.owned(origin, caller)
        return await self._store.confirmations(origin, size, RECEIPTS_PER_ANSWER_MAX)

    async def record_grant(self, statement: bytes) -> LedgerProof:
        """Write the lender's statement to the court ledger, which checks the signature; idempotent."""
        return await self._registry.prove(await self._registry.record_grant(statement))
