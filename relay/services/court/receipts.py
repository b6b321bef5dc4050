"""Read the court ledger itself: a checkpoint counts as accepted when this gateway has seen and checked it there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping


from relay.core.errors import NotFound, RelayError, Unverified
from relay.core.ledgerproof import LedgerProofVerifier, ProvenFact
from relay.core.trust import TrustRoots
from relay.ports.court import CourtStore, HeldCheckpoint
from relay.ports.ledgers import CourtRegistry

log = logging.getLogger(__name__)


class ReceiptReader:
    """Looks for the receipt of every cosigned checkpoint. `run` never returns; it ends by cancellation."""

    def __init__(
        self,
        store: CourtStore,
        registry: CourtRegistry,
        trust: TrustRoots,
        verifiers: Mapping[str, LedgerProofVerifier],
        wake: asyncio.Event,
        backoff: Callable[[], Iterator[float]],
    ) -> None:
        self._store = store
        self._registry = registry
        self._trust = trust
        self._verifiers = verifiers
        self._wake = wake
        self._backoff = backoff
        self.problem = ""

    async def run(self) -> None:
        """While a receipt is missing ask again after growing delays; otherwise sleep until something is cosigned."""
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
                log.warning(self.problem)
            if not missing:
                waits = self._backoff()
                await self._wake.wait()
                continue
            try:
                async with asyncio.timeout(next(waits)):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def read(self) -> int:
        """One pass over what is missing; returns how many are still missing."""
        missing = 0
        for held in await self._store.without_receipt():
            receipt = await self._registry.find(held.origin, held.size, held.root)
            if receipt is None:
                missing += 1
                continue
            try:
                proof = await self._registry.prove(receipt.tx_id)
            except NotFound:
                missing += 1
                continue
            root = self._trust.ledger_root(self._registry.ledger)
            verifier = self._verifiers.get(root.kind)
            if verifier is None:
                raise Unverified("receipt", f"no verifier for ledger proofs of kind {root.kind}")
            fact = verifier(proof, root)
            check_receipt(fact, held)
            await self._store.save_receipt(held.origin, held.size, proof, fact.time_ms)
        return missing


def check_receipt(fact: ProvenFact, held: HeldCheckpoint) -> None:
    """The proven transaction must accept exactly this checkpoint. Raises `Unverified`."""
    wanted = {"type": "checkpoint", "origin": held.origin, "size": held.size, "root": held.root.hex()}
    for name, value in wanted.items():
        if fact.fact.get(name) != value:
            raise Unverified("receipt", f"the court ledger's {name} differs from the checkpoint's")
