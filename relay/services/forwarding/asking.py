"""What the steps of an item ask of court gateway and ledgers. Nothing here writes, so that all of it may be asked early and again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from relay.core.errors import RelayError, Unavailable
from relay.core.ledgerproof import LedgerProof
from relay.ports.common import LogFiles
from relay.ports.forwarding import Announcement, CourtLink, CourtState, Item
from relay.ports.ledgers import AnchorSource, CourtRegistry, Receipt
from relay.services.forwarding.beside import Ahead, Begun, both
from relay.telemetry import metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class AtCourt:
    """What mirroring begins with: what the court holds, and the ledger's proof of the anchor."""

    held: CourtState
    anchor: LedgerProof


@dataclass(frozen=True, slots=True, kw_only=True)
class AtLedger:
    """What submitting begins with: the checkpoint's own receipt if it is on the court ledger, and the last one's."""

    found: Receipt | None
    latest: Receipt | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Where court gateway and court ledger stood when the last item was confirmed by this very process: the next one begins there.

    Anybody may have gone on since. Both compare sizes themselves and refuse what does not extend theirs; after any trouble
    nothing is known any more, and they are asked.
    """

    held: CourtState
    receipt: Receipt

    def before(self, item: Item) -> bool:
        """Whether the item may extend it."""
        return self.receipt.size < item.anchor.size and item.attempt == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A checkpoint as its log signed it, with the proof that it extends one of `old_size`."""

    checkpoint: bytes
    old_size: int
    consistency: Sequence[bytes]

    def announced(self, anchor: LedgerProof) -> Announcement:
        """To the court, with the ledger's proof of its anchor."""
        return Announcement(
            checkpoint=self.checkpoint, old_size=self.old_size, consistency=self.consistency, anchor=anchor
        )


@dataclass(frozen=True, slots=True)
class Early:
    """What was asked, or is known, before the step that needs it. A new one is to have asked nothing."""

    at_court: Ahead[AtCourt] = field(default_factory=Ahead)
    accepted: Ahead[LedgerProof] = field(default_factory=Ahead)
    offer: Ahead[Offer] = field(default_factory=Ahead)
    mirroring: Begun[bytes] = field(default_factory=Begun)
    at_ledger: Ahead[AtLedger] = field(default_factory=Ahead)
    attempt: Ahead[int] = field(default_factory=Ahead)
    note: Ahead[bytes] = field(default_factory=Ahead)
    receipt: Ahead[tuple[Receipt, LedgerProof]] = field(default_factory=Ahead)


class AnchorProofs:
    """The ledger's proofs of items' anchors, of which one may have been asked for when its block came."""

    def __init__(self, source: AnchorSource, early: Begun[LedgerProof]) -> None:
        self._source = source
        self._early = early

    async def of(self, item: Item) -> LedgerProof:
        """What was answered early with an error is asked again. Raises what the ledger's node answers."""
        early: LedgerProof | None = None
        with suppress(RelayError):
            early = await self._early.answer(item.id)
        if early is None:
            await self._early.give_up()  # of an item that went another way
        return early or await self._source.prove(item.anchor)


async def ask_court(court: CourtLink, proofs: AnchorProofs, item: Item, known: Known | None = None) -> AtCourt:
    """Both at once. Raises what they raise."""
    if known is not None and known.before(item):
        return AtCourt(held=known.held, anchor=await proofs.of(item))
    held, anchor = await both(court.latest(item.anchor.origin), proofs.of(item))
    return AtCourt(held=held, anchor=anchor)


async def ask_ledger(registry: CourtRegistry, item: Item, known: Known | None = None) -> AtLedger:
    """The last accepted checkpoint, and this one only where that is as large: sizes never shrink there."""
    anchor = item.anchor
    if known is not None and known.before(item):
        return AtLedger(found=None, latest=known.receipt)
    latest = await registry.latest(anchor.origin)
    if latest is None or latest.size < anchor.size:
        return AtLedger(found=None, latest=latest)
    return AtLedger(found=await registry.find(anchor.origin, anchor.size, anchor.root), latest=latest)


async def read_receipt(registry: CourtRegistry, item: Item, told: Receipt | None) -> tuple[Receipt, LedgerProof]:
    """The receipt as the court ledger shows it, with its proof. Raises `Unavailable` while it shows none.

    `told` is what a write was answered with. It is believed in nothing: it only says which proof to ask for at the same time.
    """
    anchor = item.anchor
    finding = registry.find(anchor.origin, anchor.size, anchor.root)
    receipt, proof = (await finding, None) if told is None else await both(finding, registry.prove(told.tx_id))
    if receipt is None:
        metrics.reconcile_discrepancies.labels(registry.ledger, "missing").inc()
        raise Unavailable(f"the court ledger does not show the checkpoint of size {anchor.size} yet")
    if proof is None or told is None or told.tx_id != receipt.tx_id:
        proof = await registry.prove(receipt.tx_id)
    return receipt, proof


async def consistency(files: LogFiles, old_size: int, size: int) -> list[bytes]:
    """Proof that our copy's first `old_size` entries are the beginning of its first `size`; nothing where none is needed."""
    if not 0 < old_size < size:
        return []
    return await asyncio.to_thread(files.consistency_proof, old_size, size)
