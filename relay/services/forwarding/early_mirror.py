"""Entries go to the court gateway while this relay is storing its own copy.

They have been checked against the root that their ledger shows, and the court checks them, announcement and all, again. If this
process ends before its own copy is durable, the court is ahead of it by what the lender pushes again; the item is still FINAL and is
proven here before it goes on.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

from relay.core.ledgerproof import LedgerProof
from relay.core.package import Package
from relay.ports.forwarding import CourtLink, CourtState, Item
from relay.services.forwarding.origins import Whole
from relay.telemetry.trace import take_up


def fits(whole: Whole, item: Item, held: CourtState) -> bool:
    """It is this item's, with the anchored root, and begins where the court stands with nothing left to do."""
    return (
        (whole.size, whole.root) == (item.anchor.size, item.anchor.root)
        and held.size == held.next_index == whole.offer.old_size
        and bool(held.cosigned)
    )


async def send(court: CourtLink, origin: str, whole: Whole, anchor: LedgerProof, trace: str) -> bytes:
    """Announcement and entries in one call, in a task of its own; the cosigned note. Raises what the court answers."""
    take_up(trace)
    return await court.add_entries(origin, whole.size, _each(whole.packages), whole.offer.announced(anchor))


async def _each(packages: Iterable[Package]) -> AsyncIterator[Package]:
    for package in packages:
        yield package
