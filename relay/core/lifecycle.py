"""One anchored checkpoint's life in the relay, as a table: states, legal moves, and what makes the item's id.

    SEEN → FINAL → PROVEN → MIRRORED → SUBMITTED → CONFIRMED
      ╲      ╲        ╲         ╲          ╲
       ORPHANED (its block left the chain)  QUARANTINED (refused for a reason that a retry cannot mend)

A QUARANTINED item goes back to FINAL when an operator re-drives it, or is DISCARDED with the operator's reason: a later, larger
checkpoint then covers its entries. A PROVEN or MIRRORED item that the court is already past (a node had left its anchor out, or
another relay was faster) is COVERED by the larger checkpoint. CONFIRMED, COVERED and DISCARDED are the end.
"""

from __future__ import annotations

import enum
import hashlib
from typing import Final

from relay.core.canonical import dumps
from relay.core.errors import Conflict

_ID_DOMAIN: Final = b"courtrelay/item/v1"


class ItemState(enum.Enum):
    """Where an item stands; the value is what the store and `status` write."""

    SEEN = "seen"
    FINAL = "final"
    PROVEN = "proven"
    MIRRORED = "mirrored"
    SUBMITTED = "submitted"
    CONFIRMED = "confirmed"
    ORPHANED = "orphaned"
    QUARANTINED = "quarantined"
    DISCARDED = "discarded"
    COVERED = "covered"


MOVES: Final[dict[ItemState, frozenset[ItemState]]] = {
    ItemState.SEEN: frozenset({ItemState.FINAL, ItemState.ORPHANED}),
    ItemState.FINAL: frozenset({ItemState.PROVEN, ItemState.QUARANTINED}),
    ItemState.PROVEN: frozenset({ItemState.MIRRORED, ItemState.QUARANTINED, ItemState.COVERED}),
    ItemState.MIRRORED: frozenset({ItemState.SUBMITTED, ItemState.QUARANTINED, ItemState.COVERED}),
    ItemState.SUBMITTED: frozenset({ItemState.CONFIRMED, ItemState.QUARANTINED}),
    ItemState.CONFIRMED: frozenset(),
    ItemState.ORPHANED: frozenset({ItemState.SEEN}),
    ItemState.QUARANTINED: frozenset({ItemState.FINAL, ItemState.DISCARDED}),
    ItemState.DISCARDED: frozenset(),
    ItemState.COVERED: frozenset(),
}

OPEN_STATES: Final = frozenset(
    {ItemState.SEEN, ItemState.FINAL, ItemState.PROVEN, ItemState.MIRRORED, ItemState.SUBMITTED}
)


def check_move(old: ItemState, new: ItemState) -> None:
    """Raise `Conflict` unless the table allows the move."""
    if new not in MOVES[old]:
        raise Conflict(f"an item cannot go from {old.value} to {new.value}")


def item_id(ledger: str, origin: str, size: int, root: bytes) -> bytes:
    """32 bytes: SHA-256 over the domain and the JCS of ledger facts only, never of proof bytes."""
    facts = {"ledger": ledger, "origin": origin, "size": size, "root": root.hex()}
    return hashlib.sha256(_ID_DOMAIN + dumps(facts)).digest()
